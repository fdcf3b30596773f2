"""What a study's own files answer of the checklist; "" is for the authors to fill in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from histopress.metrics.flow import IN_TABLE, FlowStep
from histopress.metrics.results import Result, number


@dataclass(frozen=True)
class Study:
    """What is known of a study.

    Attributes:
        results: the scores.
        records: of the runs, as `run.json` holds them.
        flow: how the cohort shrank.
        findings: titles of leakage findings; None where nobody looked.
        methods: sentences on what was done, by section.
        covariates: columns by which subgroups were told.
        fingerprints: of the tables.
        version: of this package.
    """

    results: Sequence[Result]
    records: Sequence[Mapping[str, Any]]
    flow: Sequence[FlowStep]
    findings: Sequence[str] | None
    methods: Mapping[str, str] = field(default_factory=dict)
    covariates: Sequence[str] = ()
    fingerprints: Sequence[str] = ()
    version: str = ""

    @property
    def record(self) -> Mapping[str, Any]:
        """Of the first run that has one."""
        return next((r for r in self.records if r), {})


Fill = Callable[[Study], str]


def outcome(study: Study) -> str:
    """What was predicted."""
    return "; ".join(
        dict.fromkeys(
            f"{r.target} ({r.cases.kind}"
            + (f": {', '.join(r.cases.classes)}" if r.cases.classes else "")
            + ")"
            for r in study.results
        )
    )


def size(study: Study) -> str:
    """How many patients there are."""
    cases = study.results[0].cases
    counts = f" ({cases.counted})" if cases.counts else ""
    return f"{len(cases)} patients evaluated{counts}; no size was planned here"


def flow(study: Study) -> str:
    """Numbers at every step."""
    return "; ".join(f"{s.step}{f' ({s.reason})' if s.reason else ''}: {s.size}" for s in study.flow)


def missing(study: Study) -> str:
    """Who was left out."""
    lost = [s for s in study.flow if s.out]
    if not lost:
        return "" if study.flow[0].step == IN_TABLE else "nobody was left out"
    return "left out: " + "; ".join(f"{s.size} ({s.reason or 'no reason given'})" for s in lost)


def split(study: Study) -> str:
    """How data were divided."""
    answers = study.results[0].answers
    if study.results[0].foreign:
        return ""
    if answers.parts == ("new",):
        return "models answered for patients marked as new; nothing here was trained or tuned on them"
    word, n = answers.run_word, len(answers.by_run)
    parts = f"{n} {word}{'s' * (n != 1)}; train, tuning and test parts hold different patients (checked)"
    if study.findings is None:
        return f"{parts}; no leakage report was made"
    return f"{parts}; leakage report: {', '.join(study.findings) or 'nothing found'}"


def model(study: Study) -> str:
    """Encoder and head."""
    recipe = study.record.get("recipe", {})
    head = recipe.get("head") or recipe.get("heads")
    encoder = study.record.get("inputs", {}).get("encoder")
    told = [f"head {head}" if head else "", f"encoder {encoder}" if encoder else ""]
    return ", ".join(t for t in told if t)


def training(study: Study) -> str:
    """Settings of the training."""
    recipe = study.record.get("recipe", {})
    names = ("epochs", "patience", "batch", "lr", "optimizer", "schedule", "balance", "augment", "seed")
    return ", ".join(f"{name} {recipe[name]}" for name in names if name in recipe)


def balance(study: Study) -> str:
    """What was done about rare classes."""
    balance = study.record.get("recipe", {}).get("balance")
    return f"classes balanced by {balance}" if balance else ""


def software(study: Study) -> str:
    """Versions."""
    environment = study.record.get("environment", {})
    trained = ", ".join(f"{name} {value}" for name, value in environment.items())
    return f"evaluated with histopress {study.version}" + (f"; trained with {trained}" if trained else "")


def measures(study: Study) -> str:
    """Names of the scores."""
    return ", ".join(dict.fromkeys(s.label for r in study.results for s in r.scores))


def performance(study: Study) -> str:
    """Headlines."""
    return "; ".join(f"{r.name}, {r.target}: {r.scores[0]}" for r in study.results)


def uncertainty(study: Study) -> str:
    """How intervals were made."""
    ways = dict.fromkeys(s.method for r in study.results for s in r.scores if s.method != "none")
    return "; ".join(ways)


def averaged(study: Study) -> str:
    """Whether models were combined."""
    if any(r.answers.averaged for r in study.results):
        return "answers are the mean of several models"
    return "" if study.results[0].foreign else "single models, one a fold"


def external(study: Study) -> str:
    """Whether patients are new."""
    if all(r.answers.parts == ("new",) for r in study.results):
        return "patients are marked as new to the models; whether they are of another centre is yours to say"
    return ""


def hardest(study: Study) -> str:
    """Whom it was most wrong about."""
    first = study.results[0]
    worst = first.cases.patients[first.cases.error.argsort()[::-1][:3]]
    return f"the report lists the patients it was most wrong about, first {', '.join(map(str, worst))}"


def section(name: str) -> Fill:
    """What a section of the report says of its methods."""
    return lambda study: study.methods.get(name, "")


def covariates(study: Study) -> str:
    """What is known of the patients."""
    return f"subgroup tables by {', '.join(study.covariates)}" if study.covariates else ""


def spread(study: Study) -> str:
    """How far folds differ."""
    score = study.results[0].scores[0]
    if math.isnan(score.run_sd):
        return ""
    return f"{score.label} {number(score.run_mean)} ± {number(score.run_sd)} over {len(score.runs)} folds"


def tables(study: Study) -> str:
    """Fingerprints."""
    return "tables of predictions with fingerprints " + ", ".join(study.fingerprints)
