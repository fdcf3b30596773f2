"""How small an object can be seen with these patients, and how many patients would it take?

Plants a signal into negative grids at graded object-to-image ratios, trains real heads on nested numbers of
patients, tests them on patients apart, and reads the answers off fitted learning curves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histopress.core.files import whole, write_whole
from histopress.core.recipe import plain
from histopress.core.summary import Summary
from histopress.studies.power_recipe import PowerRecipe

if TYPE_CHECKING:
    from histopress.studies.power_answers import Answer, Control, Training
    from histopress.studies.power_plan import Plan
    from histopress.studies.power_words import Study


@dataclass(kw_only=True)
class PowerSummary(Summary):
    """What came of the study.

    Attributes:
        answers: one for each object-to-image ratio, smallest first; none where patients are too few.
        control: heads that learned from permuted labels.
        patients: of the planned study.
        prevalence: of it.
        trainings: that are done.
        text: the answer in one or two sentences.
        notes: what readers must know.
    """

    answers: list[Answer] = field(default_factory=list)
    control: Control | None = None
    patients: int = 0
    prevalence: float = 0.5
    trainings: int = 0
    text: str = ""
    notes: tuple[str, ...] = ()

    @property
    def report(self) -> Path:
        """The page."""
        return Path(str(self.output)) / "report.html"

    @property
    def facts(self) -> dict[str, Any]:
        """For machines."""
        control = None
        if self.control is not None:
            control = {"auroc": self.control.auroc, "held": self.control.held} | _limits(self.control.band)
        return {
            "text": self.text,
            "patients": self.patients,
            "prevalence": self.prevalence,
            "answers": [_finite(answer.row) for answer in self.answers],
            "control": control,
            "trainings": self.trainings,
            "notes": list(self.notes),
            "failed": len(self.failures),
        }

    @property
    def headline(self) -> str:
        """For people."""
        return f"{self.text}\nreport: {self.report}"


def study_power(
    grids: Path | None, cohort: Path | None, signal: str, output: Path, recipe: PowerRecipe | None = None
) -> PowerSummary:
    """Plant, train, test, fit, and write the report; what is done already is not done again.

    Args:
        grids: folder that `compress` wrote; without, a cohort of noise is drawn.
        cohort: table of patients and slides; without, each grid is taken as a patient.
        signal: what is planted, see `planting_load.load_signal`.
        output: folder for report.html, report.png, power.json, tables, and the trainings.
        recipe: settings.

    Raises:
        CohortError: nobody is negative, or too few are for two sizes of training.
        GridError: there are no grids, or the signal does not fit them.
        RecipeError: the signal names nothing.
    """
    from histopress.studies.power_cohort import LEAST
    from histopress.studies.power_plan import Plan, train_all
    from histopress.studies.power_words import Study, same_objects

    plan = Plan.of(grids, cohort, signal, recipe or PowerRecipe())
    negatives, design = plan.negatives, plan.design
    summary = PowerSummary(output=output, patients=design.patients, prevalence=design.prevalence)
    if len(negatives.patients) >= LEAST:
        found, summary.failures = train_all(plan, output, plan.sizes)
        _read(summary, found, plan)
    study = Study(
        signal=signal,
        recipe=plan.recipe,
        design=design,
        negatives=len(negatives.patients),
        slides=len(negatives.table),
        drawn=grids is None,
        answers=summary.answers,
        control=summary.control,
        found=(*negatives.notes, *same_objects(plan.recipe.o2i, list(negatives.ground.tiles.values()))),
    )
    summary.text, summary.notes = study.text, study.notes
    _write(summary, study)
    return summary


def _read(summary: PowerSummary, trainings: Sequence[Training], plan: Plan) -> None:
    """Answers of all object-to-image ratios that have two sizes, and the control."""
    from histopress.studies.power_answers import answer, control

    summary.trainings = len(trainings)
    for o2i in sorted(plan.recipe.o2i):
        own = [t for t in trainings if t.o2i == o2i and not t.permuted]
        if len({t.patients for t in own}) > 1:
            summary.answers.append(answer(o2i, own, plan.design, plan.recipe))
    nulls = [t for t in trainings if t.permuted]
    summary.control = control(nulls, plan.recipe) if nulls else None


def _write(summary: PowerSummary, study: Study) -> None:
    """Report, picture, tables, and everything for machines."""
    import pandas as pd

    from histopress.studies.power_picture import draw
    from histopress.studies.power_report import write_report
    from histopress.studies.power_tables import curve_rows, planner_rows

    output = Path(str(summary.output))
    tables = {
        "answers": [answer.row for answer in summary.answers],
        "curves": curve_rows(summary.answers),
        "planner": planner_rows(study.design),
    }
    for name, rows in tables.items():
        table = pd.DataFrame(rows)
        write_whole(output / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
        with whole(output / f"{name}.parquet") as partial:
            table.to_parquet(partial, index=False)
    facts = {"signal": study.signal, "recipe": plain(study.recipe), **summary.facts}
    write_whole(output / "power.json", json.dumps(plain(facts), indent=2, allow_nan=False) + "\n")
    write_report(output / "report.html", study)
    if summary.answers:
        draw(summary.answers, study.recipe, output / "report.png")
    summary.write()


def _limits(limits: Any) -> dict[str, float]:
    return {"low": limits.low, "high": limits.high}


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Infinity, for patients that no number is enough for, as none: JSON has no word for it."""
    return {
        name: None if isinstance(value, float) and value == float("inf") else value
        for name, value in row.items()
    }
