"""Do intervals hold the true score as often as they say?

    python benchmarks/coverage.py [--cohorts 400] [--only binary] [--quick]

Cohorts are drawn from a population whose true scores are known from a huge sample; every cohort is scored as
`evaluate` does it, by the same measures and intervals. Of nominal 95 % intervals, 92 to 98 % should hold the
truth. Patients are drawn at random (so the share of positives varies), or with a fixed number of each class.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from measure import HERE, Report
from scipy.special import expit, logit, softmax
from scipy.stats import norm

from histopress.metrics import scores
from histopress.metrics.cases import Cases
from histopress.metrics.compare import compare, compare_areas
from histopress.metrics.delong import delong
from histopress.metrics.fold_intervals import fold_estimates
from histopress.metrics.intervals import Interval, bootstrap, draw_resamples
from histopress.metrics.measures import measures

Rng = np.random.Generator
Array = np.ndarray[Any, Any]
Draw = Callable[[Rng, int], Cases]
LEVEL = 0.95
ASKED = (0.92, 0.98)
HUGE = 100_000
BIASED = ("calibration_error",)
"""Scores that lie above their true value in any cohort, and are told without an interval."""


@dataclass(frozen=True)
class Setting:
    """A population, a size of cohort, and what is asked of each cohort.

    Attributes:
        kind: of the target, or of the comparison.
        name: of the population.
        patients: of a cohort.
        trial: (random numbers, resamples) -> intervals by name of the measure.
        truth: name of the measure -> true value.
    """

    kind: str
    name: str
    patients: int
    trial: Callable[[Rng, int], dict[str, Interval]]
    truth: Callable[[], dict[str, float]]


def cases_of(kind: str, n: int, **arrays: Any) -> Cases:
    """Cases of patients 0 to n - 1, all answered by one run."""
    patients = np.array([f"P{i:07d}" for i in range(n)])
    empty = {"classes": (), "probabilities": np.zeros((n, 0)), "score": np.full(n, np.nan)}
    return Cases(kind=kind, patients=patients, fold=np.full(n, "0"), **(empty | arrays))


def classes_of(rng: Rng, n: int, shares: tuple[float, ...], fixed: bool) -> Array:
    """(n,) classes, at least two patients each."""
    if fixed or n == HUGE:
        return np.repeat(np.arange(len(shares)), np.diff(np.round(np.cumsum([0, *shares]) * n)).astype(int))
    while True:
        drawn = np.sort(rng.choice(len(shares), n, p=shares))
        if np.bincount(drawn, minlength=len(shares)).min() > 1:
            return drawn


def binary(
    area: float, share: float, rng: Rng, n: int, *, fixed: bool = False, sureness: float = 1.0
) -> Cases:
    """Normal scores a known distance apart; probabilities are right where `sureness` is 1."""
    truth = classes_of(rng, n, (1 - share, share), fixed)
    effect = np.sqrt(2) * norm.ppf(area)
    p = expit(sureness * effect * (rng.normal(size=n) + effect * (truth - 0.5)) + logit(share))
    return cases_of(
        "binary", n, classes=("no", "yes"), truth=truth, probabilities=np.stack([1 - p, p], 1), score=p
    )


def several(effect: float, shares: tuple[float, ...], rng: Rng, n: int) -> Cases:
    """Each class has a direction of its own."""
    truth = classes_of(rng, n, shares, False)
    told = effect * (rng.normal(size=(n, len(shares))) + effect * np.eye(len(shares))[truth])
    return cases_of(
        "multiclass",
        n,
        classes=tuple("abcdef"[: len(shares)]),
        truth=truth,
        probabilities=softmax(told + np.log(shares), axis=1),
    )


def graded(noise: float, shares: tuple[float, ...], rng: Rng, n: int) -> Cases:
    """Grades of a hidden normal number, which is told with noise."""
    edges = norm.ppf(np.cumsum(shares)[:-1])
    while True:
        hidden = rng.normal(size=n)
        truth = np.searchsorted(edges, hidden)
        if np.bincount(truth, minlength=len(shares)).min() > 1:
            break
    told = (hidden + noise * rng.normal(size=n)) / (1 + noise**2)
    up_to = norm.cdf((np.append(edges, np.inf) - told[:, None]) / (noise / np.sqrt(1 + noise**2)))
    p = np.diff(up_to, axis=1, prepend=0.0)
    names = tuple(f"grade {i}" for i in range(len(shares)))
    return cases_of(
        "ordinal", n, classes=names, truth=truth, probabilities=p, score=p @ np.arange(len(shares))
    )


def number(correlation: float, skewed: bool, rng: Rng, n: int) -> Cases:
    """Labels and answers of a known correlation; skewed ones are log-normal."""
    truth = rng.normal(size=n)
    score = correlation**2 * truth + correlation * np.sqrt(1 - correlation**2) * rng.normal(size=n)
    if skewed:
        truth, score = np.exp(truth), np.exp(score)
    return cases_of("regression", n, truth=truth, score=score)


def survived(effect: float, censored: float, rng: Rng, n: int) -> Cases:
    """Exponential times whose log hazard is told; follow-up ends at random."""
    while True:
        risk = rng.normal(size=n)
        event = rng.exponential(np.exp(-effect * risk))
        follow_up = rng.exponential((1 - censored) / censored, size=n)
        if (event < follow_up).sum() > 4:
            break
    horizons = (0.3, 0.7, 1.2)
    return cases_of(
        "survival",
        n,
        truth=np.minimum(event, follow_up),
        event=event < follow_up,
        score=risk,
        horizons=horizons,
        survival=np.exp(-np.exp(effect * risk)[:, None] * np.array(horizons)),
    )


def of_cases(draw: Draw, n: int, rng: Rng, resamples: int) -> dict[str, Interval]:
    """What `evaluate` tells of one cohort, and DeLong's interval beside it."""
    cases = draw(rng, n)
    counts = draw_resamples(cases.patients, None, resamples, int(rng.integers(1 << 30)))
    found = {m.name: m.interval(cases, counts, LEVEL) for m in measures(cases)}
    if cases.kind == "binary":
        found["auroc (DeLong)"] = delong(cases.positive, cases.score).interval(0, LEVEL)
    return found


def truth_of_cases(draw: Draw) -> dict[str, float]:
    """Scores of a huge sample; of many large ones where all pairs of patients are compared."""
    rng = np.random.default_rng(12345)
    pairs = draw.func is survived  # type: ignore[attr-defined]
    many = [draw(rng, 2000 if pairs else HUGE) for _ in range(40 if pairs else 3)]
    found = {m.name: float(np.mean([m.of(cases) for cases in many])) for m in measures(many[0])}
    return found | ({"auroc (DeLong)": found["auroc"]} if "auroc" in found else {})


def of_slides(area: float, n: int, rng: Rng, resamples: int) -> dict[str, Interval]:
    """One to five slides of each patient, which vary together: the slides' AUROC, patients resampled."""
    patients = np.repeat(np.arange(n), rng.integers(1, 6, n))
    positive = rng.permutation(np.arange(n) % 3 == 0)[patients]
    effect = np.sqrt(2) * norm.ppf(area)
    shared = np.sqrt(0.7) * rng.normal(size=n)[patients] + np.sqrt(0.3) * rng.normal(size=len(patients))
    score = shared + effect * positive
    counts = draw_resamples(patients, None, resamples, int(rng.integers(1 << 30)))
    return {
        "auroc": bootstrap(lambda w: scores.auroc(positive, score, w), patients, counts, LEVEL),
        "auroc (DeLong)": delong(positive, score, patients).interval(0, LEVEL),
        "auroc, slides as patients": delong(positive, score).interval(0, LEVEL),
    }


def of_two_models(areas: tuple[float, float], n: int, rng: Rng, resamples: int) -> dict[str, Interval]:
    """The difference of two models whose answers share four fifths of their variance."""
    positive = np.arange(n) % 3 == 0
    shared = np.sqrt(0.8) * rng.normal(size=n)
    models = {
        name: shared + np.sqrt(0.2) * rng.normal(size=n) + np.sqrt(2) * norm.ppf(area) * positive
        for name, area in zip("ab", areas, strict=True)
    }
    counts = draw_resamples(np.arange(n), None, resamples, int(rng.integers(1 << 30)))
    scored = {k: lambda w, s=s: scores.auroc(positive, s, w) for k, s in models.items()}
    return {
        "auroc difference": compare(scored, np.arange(n), counts, LEVEL)[0].interval,
        "auroc difference (DeLong)": compare_areas(positive, models, None, LEVEL)[0].interval,
    }


def of_folds(area: float, folds: int, n: int, rng: Rng, resamples: int) -> dict[str, Interval]:
    """Folds whose answers lie on one scale: both ways to tell a score across folds have the same truth."""
    positive, fold = np.arange(n) // folds % 3 == 0, np.arange(n) % folds
    score = rng.normal(size=n) + np.sqrt(2) * norm.ppf(area) * positive
    found = fold_estimates(
        lambda w: scores.auroc(positive, score, w),
        np.arange(n),
        fold,
        None,
        resamples=resamples,
        seed=int(rng.integers(1 << 30)),
        level=LEVEL,
    )
    return {f"auroc, {one.name}": one.interval for one in found}


def settings() -> Iterator[Setting]:
    def of(kind: str, name: str, draw: Draw, sizes: tuple[int, ...]) -> Iterator[Setting]:
        for n in sizes:
            yield Setting(kind, name, n, partial(of_cases, draw, n), partial(truth_of_cases, draw))

    for area in (0.6, 0.8, 0.95):
        for share in (0.5, 0.2):
            name = f"AUROC {area}, {share:.0%} positive"
            yield from of("binary", name, partial(binary, area, share), (30, 100, 300))
    yield from of("binary", "AUROC 0.8, 20% positive, fixed", partial(binary, 0.8, 0.2, fixed=True), (100,))
    yield from of("binary", "AUROC 0.8, half, too sure", partial(binary, 0.8, 0.5, sureness=3.0), (100,))
    for effect, shares in ((1.0, (0.4, 0.3, 0.3)), (1.5, (0.6, 0.3, 0.1))):
        name = f"{len(shares)} classes, effect {effect}, rarest {min(shares):.0%}"
        yield from of("multiclass", name, partial(several, effect, shares), (60, 150))
    for noise in (1.0, 0.4):
        yield from of(
            "ordinal", f"4 grades, noise {noise}", partial(graded, noise, (0.4, 0.3, 0.2, 0.1)), (60, 150)
        )
    for correlation in (0.1, 0.5, 0.9):
        yield from of(
            "regression", f"correlation {correlation}", partial(number, correlation, False), (30, 100)
        )
    yield from of("regression", "correlation 0.5, log-normal", partial(number, 0.5, True), (100,))
    for effect in (0.5, 1.5):
        yield from of(
            "survival", f"log hazard ratio {effect}, 50% censored", partial(survived, effect, 0.5), (50, 120)
        )
    for n in (30, 100):
        for area in (0.8, 0.95):
            trial = partial(of_slides, area, n)
            yield Setting("slides", f"AUROC {area}, 1 to 5 slides", n, trial, partial(same, area))
    for areas in ((0.8, 0.8), (0.9, 0.8)):
        for n in (60, 200):
            name = f"AUROC {areas[0]} and {areas[1]}"
            trial = partial(of_two_models, areas, n)
            yield Setting("two models", name, n, trial, partial(same, areas[1] - areas[0]))
    for n in (50, 100, 300):
        yield Setting("folds", "AUROC 0.8, 5 folds", n, partial(of_folds, 0.8, 5, n), partial(same, 0.8))


class Same(dict[str, float]):
    """One true value, whatever the measure is called."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def __missing__(self, name: str) -> float:
        return self.value


def same(value: float) -> dict[str, float]:
    return Same(value)


def covered(setting: Setting, cohorts: int, resamples: int) -> list[dict[str, Any]]:
    """One row for every measure of a setting."""
    truth = setting.truth()
    seeds = np.random.SeedSequence([setting.patients, *map(ord, setting.name)]).spawn(cohorts)
    found = [setting.trial(np.random.default_rng(seed), resamples) for seed in seeds]
    names = [name for name in found[0] if name not in BIASED]
    return [_row(setting, name, truth[name], [one[name] for one in found]) for name in names]


def _row(setting: Setting, name: str, truth: float, intervals: list[Interval]) -> dict[str, Any]:
    low, high = np.array([(i.low, i.high) for i in intervals]).T
    defined = np.isfinite(low)
    low, high = low[defined], high[defined]
    hit = (low <= truth + 1e-9) & (truth - 1e-9 <= high)
    share = float(hit.mean())
    methods = [i.method for i in intervals]
    common = max(set(methods), key=methods.count)
    return {
        "kind": setting.kind,
        "population": setting.name,
        "patients": setting.patients,
        "measure": name,
        "truth": round(truth, 4),
        "covered": round(share, 4),
        "truth above": round(float((truth > high + 1e-9).mean()), 4),
        "truth below": round(float((truth < low - 1e-9).mean()), 4),
        "width": round(float((high - low).mean()), 4),
        "asked": "-" if "slides as" in name else _verdict(share),
        "method": f"{common} ({methods.count(common) / len(methods):.0%})",
        "undefined": int((~defined).sum()),
    }


def _verdict(share: float) -> str:
    """Too low claims more than is known; too high claims less."""
    return "too low" if share < ASKED[0] else "too high" if share > ASKED[1] else "held"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cohorts", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=800)
    parser.add_argument("--only", default="", help="kind of settings")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="40 cohorts, 200 resamples: does it run?")
    parser.add_argument("--results", type=Path, help="folder for JSON; benchmarks/results, if all are run")
    given = parser.parse_args()
    if given.quick:
        given.cohorts, given.resamples = 40, 200
    chosen = [s for s in settings() if given.only in s.kind]
    start = time.perf_counter()
    work = partial(covered, cohorts=given.cohorts, resamples=given.resamples)
    with ProcessPoolExecutor(given.processes) as pool:
        rows = [row for found in pool.map(work, chosen) for row in found]
    report = Report("coverage", rows, headlines=_headlines(rows))
    report.show()
    for name, words in report.headlines.items():
        print(f"{name}: {words}")
    print(f"{time.perf_counter() - start:.0f} s")
    folder = given.results or (None if given.only or given.quick else HERE / "results")
    if folder:
        print(f"written: {report.save(folder)}")


def _headlines(rows: list[dict[str, Any]]) -> dict[str, str]:
    asked = [row for row in rows if row["asked"] != "-"]
    return {
        kind: f"{sum(r['asked'] == 'held' for r in own)} of {len(own)} within 92 to 98 %, "
        f"{sum(r['asked'] == 'too high' for r in own)} above, "
        f"{sum(r['asked'] == 'too low' for r in own)} below; "
        f"lowest {min(r['covered'] for r in own):.1%}"
        for kind in dict.fromkeys(r["kind"] for r in asked)
        for own in [[r for r in asked if r["kind"] == kind]]
    }


if __name__ == "__main__":
    main()
