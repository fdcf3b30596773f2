"""The verb `evaluate`: predictions tables -> scores with intervals by patient, as JSON, CSV and a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from histopress.core.errors import PredictionsError, RecipeError
from histopress.core.files import write_whole
from histopress.core.recipe import plain
from histopress.data.predictions_columns import ForeignColumns

if TYPE_CHECKING:
    from histopress.metrics.report_section import Section
    from histopress.metrics.results import Result

FOLDER = "tables"


@dataclass(frozen=True)
class EvaluateRecipe(ForeignColumns):
    """How predictions are judged; the columns only matter for tables that come from elsewhere.

    Attributes:
        resamples: of the bootstrap.
        seed: of the bootstrap and of the permutations.
        confidence: of the intervals, between 0 and 1.
        unit: what is counted and resampled.
        cohort: table with what else is known of the patients, for subgroups and adjusting.
        subgroups: its columns by which scores are split, such as site,sex,age.
        adjust: its columns that hazard ratios are adjusted for, such as age,stage.
        reference: table that the others are compared with; without, all pairs are compared.
        permutations: of the labels, for the test against chance; 0 leaves it out.
        threshold: how it is chosen on the tuning part: youden, f1, sensitivity:0.95, specificity:0.9, cost:5.
        recalibration: how probabilities are put right on the tuning part.
        risk_groups: into which survival is split, lowest risk first.
        horizon: time at which survival is judged; without, the middle of those that are told.
    """

    resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95
    unit: Literal["patient"] = "patient"
    cohort: Path | None = None
    subgroups: tuple[str, ...] = ()
    adjust: tuple[str, ...] = ()
    reference: str = ""
    permutations: int = 2000
    threshold: str = "youden"
    recalibration: Literal["temperature", "logistic", "isotonic"] = "temperature"
    risk_groups: int = 2
    horizon: float | None = None

    def __post_init__(self) -> None:
        if self.resamples < 100 or not 0 < self.confidence < 1:
            raise RecipeError(
                f"resamples {self.resamples} and confidence {self.confidence}, expected at least 100 and a "
                "share between 0 and 1; correct the setting"
            )
        if self.risk_groups < 2 or self.permutations < 0:
            raise RecipeError(
                f"risk_groups {self.risk_groups} and permutations {self.permutations}, expected at least 2 "
                "and 0; correct the setting"
            )
        if (self.subgroups or self.adjust) and self.cohort is None:
            asked = ", ".join((*self.subgroups, *self.adjust))
            raise RecipeError(f"{asked}: no cohort table to find these columns in; add --cohort TABLE")


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
    """Score predictions tables by patient; write `metrics.json`, `metrics.csv`, `report.html` and `tables/`.

    Only rows of part "test" or "new" that have a truth count; thresholds and recalibration are learned from
    rows of part "tuning". Several tables are compared on the patients that all of them answer for.

    Args:
        paths: predictions tables of `train` or `predict`, or of anybody, see `data.predictions_foreign`.
        output: folder, made if absent.
        recipe: what is asked.

    Raises:
        PredictionsError: a table is broken, or holds nothing to evaluate.
        RecipeError: there is no such rule for a threshold.
        CohortError: the cohort table is broken, or lacks a column that is asked for.
    """
    from histopress import __version__
    from histopress.metrics.report import Page, write_report
    from histopress.metrics.report_cohort import read_patients
    from histopress.metrics.report_inputs import read_inputs
    from histopress.metrics.report_sections import compared, inquiries, told
    from histopress.metrics.thresholds import ThresholdRule

    ThresholdRule.parse(recipe.threshold)
    if not paths:
        raise PredictionsError("no predictions table given, expected at least one; name the file")
    known = read_patients(recipe)
    inputs = read_inputs(paths, recipe, known)
    asked = inquiries(inputs, recipe, known)
    sections = [told(inquiry) for inquiry in asked]
    comparisons = compared(asked)
    results = tuple(inquiry.result for inquiry in asked)
    page = Page(asked, sections, comparisons, inputs, recipe, __version__)
    facts = {
        "headline": _headline(results),
        "histopress": __version__,
        "recipe": plain(recipe),
        "results": [
            result.plain | {"sections": {s.name: s.plain for s in own}}
            for result, own in zip(results, sections, strict=True)
        ],
        "comparisons": {s.target: s.plain for s in comparisons},
        "inputs": [i.plain for i in inputs],
        "checklist": [item.plain for item in page.checklist],
    }
    report = output / "report.html"
    write_whole(output / "metrics.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    write_whole(output / "metrics.csv", _csv(results, recipe.confidence))
    _write_tables(output / FOLDER, [*comparisons, *(s for own in sections for s in own)])
    write_report(report, page)
    return Evaluation(_headline(results), results, report, facts)


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


def _write_tables(folder: Path, sections: Sequence[Section]) -> None:
    """One CSV a kind of section, with the rows of all tables and targets."""
    import pandas as pd

    for name in dict.fromkeys(s.name for s in sections):
        rows = [
            {"table": s.table, "target": s.target} | row for s in sections if s.name == name for row in s.rows
        ]
        if rows:
            text = pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")
            write_whole(folder / f"{name}.csv", text)
