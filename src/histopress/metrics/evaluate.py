"""The verb `evaluate`: predictions tables -> scores with intervals by patient, as JSON, CSV and a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from histopress.core.errors import PredictionsError, RecipeError
from histopress.core.files import quick_hash, write_whole
from histopress.core.recipe import plain

if TYPE_CHECKING:
    from histopress.metrics.results import Result, Sureness


@dataclass(frozen=True)
class EvaluateRecipe:
    """How sure scores are told to be.

    Attributes:
        resamples: of the bootstrap.
        seed: of the bootstrap.
        confidence: of the intervals, between 0 and 1.
        unit: what is counted and resampled.
    """

    resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95
    unit: Literal["patient"] = "patient"

    def __post_init__(self) -> None:
        if self.resamples < 100 or not 0 < self.confidence < 1:
            raise RecipeError(
                f"resamples {self.resamples} and confidence {self.confidence}, expected at least 100 and a "
                "share between 0 and 1; correct the setting"
            )


@dataclass(frozen=True)
class Evaluation:
    """Scores of all tables and targets.

    Attributes:
        headline: for example "AUROC 0.87 [0.79, 0.93]"; several tables or targets in one line.
        results: table by table, target by target.
        report: the HTML page.
        facts: everything told, as plain values; also in `metrics.json`.
    """

    headline: str
    results: tuple[Result, ...]
    report: Path
    facts: dict[str, Any]


def evaluate(paths: Sequence[Path], output: Path, recipe: EvaluateRecipe) -> Evaluation:
    """Score predictions tables by patient, and write `metrics.json`, `metrics.csv` and `report.html`.

    Only rows of part "test" or "new" that have a truth count. Several tables are told side by side.

    Args:
        paths: predictions tables of `train` or `predict`.
        output: folder, made if absent.
        recipe: how intervals are made.

    Raises:
        PredictionsError: a table is broken, or holds nothing to evaluate.
    """
    from histopress import __version__
    from histopress.metrics.report import write_report
    from histopress.metrics.results import Sureness

    sureness = Sureness(recipe.resamples, recipe.seed, recipe.confidence)
    if not paths:
        raise PredictionsError("no predictions table given, expected at least one; name the file")
    results = [
        result
        for path, name in zip(paths, _names(paths), strict=True)
        for result in _assess(path, name, sureness)
    ]
    facts = {
        "headline": _headline(results),
        "histopress": __version__,
        "recipe": plain(recipe),
        "results": [result.plain for result in results],
    }
    report = output / "report.html"
    write_whole(output / "metrics.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    write_whole(output / "metrics.csv", _csv(results, recipe.confidence))
    write_report(report, results, sureness, __version__)
    return Evaluation(facts["headline"], tuple(results), report, facts)


def _assess(path: Path, name: str, sureness: Sureness) -> list[Result]:
    from histopress.data.predictions import read_predictions
    from histopress.metrics.cases import answers, usable
    from histopress.metrics.results import assess

    table = read_predictions([path])
    rows = usable(table)
    if rows.empty:
        parts = ", ".join(f"{n} of part {part}" for part, n in table["part"].value_counts().items())
        known = int((table["truth"] != "").sum())
        raise PredictionsError(
            f"{path} has no row to evaluate: found {parts or 'no rows'}, {known} with a truth; expected rows "
            "of part test or new with a truth; give `predict` a cohort table that holds the label"
        )
    source = f"{path.name} (fingerprint {quick_hash(path)})"
    return [assess(name, source, str(t), answers(table, str(t)), sureness) for t in rows["target"].unique()]


def _names(paths: Sequence[Path]) -> list[str]:
    """File names without ending; as much of the folders as tells them apart."""
    for parts in range(1, max(len(p.resolve().parts) for p in paths)):
        names = ["/".join(p.resolve().with_suffix("").parts[-parts:]) for p in paths]
        if len(set(names)) == len(paths):
            return names
    raise PredictionsError("a predictions table is given twice, expected different files; name each once")


def _headline(results: Sequence[Result]) -> str:
    lines = [(result, str(result.scores[0])) for result in results]
    if len(lines) == 1:
        return lines[0][1]
    tables, targets = {r.name for r, _ in lines}, {r.target for r, _ in lines}
    return "; ".join(
        ", ".join([r.name] * (len(tables) > 1) + [r.target] * (len(targets) > 1)) + f": {line}"
        for r, line in lines
    )


def _csv(results: Sequence[Result], level: float) -> str:
    import pandas as pd

    rows = [
        {
            "table": result.name,
            "target": result.target,
            "score": score.name,
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "confidence": level,
            "method": score.method,
            "run_mean": score.run_mean,
            "run_sd": score.run_sd,
            "patients": len(result.cases),
            "slides": result.answers.slides,
            "note": score.note,
        }
        for result in results
        for score in result.scores
    ]
    return pd.DataFrame(rows).astype({"slides": "Int64"}).to_csv(index=False, lineterminator="\n")
