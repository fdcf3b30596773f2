"""What else is known of the patients: columns of a cohort table, one value a patient."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pandas as pd

from histopress.core.errors import CohortError
from histopress.data.predictions_columns import USUAL
from histopress.data.tables import natural, read_text_table
from histopress.metrics.evaluate import EvaluateRecipe


@dataclass(frozen=True)
class Known:
    """What a cohort table tells.

    Attributes:
        subgroups: columns by which scores are split, indexed by patient.
        adjust: columns that hazard ratios are adjusted for, indexed by patient.
        slides: patient of every slide, where the table names slides.
    """

    subgroups: pd.DataFrame = field(default_factory=pd.DataFrame)
    adjust: pd.DataFrame = field(default_factory=pd.DataFrame)
    slides: dict[str, str] = field(default_factory=dict)


def read_patients(recipe: EvaluateRecipe) -> Known:
    """The columns that are asked for.

    The table may hold one row a patient or one a slide; nothing but the patient and those columns is needed.

    Raises:
        CohortError: a column is absent, or a patient has two values in it.
    """
    if recipe.cohort is None:
        return Known()
    table, where = read_text_table(recipe.cohort), str(recipe.cohort)
    patient = _column(table, "patient", where)
    slide = next((c for c in table if _plain(str(c)) in USUAL["slide"]), None)
    slides = {} if slide is None else dict(zip(table[slide], table[patient], strict=True))
    return Known(
        _values(table, patient, listed(recipe.subgroups), where),
        _values(table, patient, listed(recipe.adjust), where),
        slides,
    )


def listed(names: tuple[str, ...]) -> list[str]:
    """Names given one by one or with commas."""
    return list(dict.fromkeys(part.strip() for name in names for part in name.split(",") if part.strip()))


def _values(table: pd.DataFrame, patient: str, names: list[str], where: str) -> pd.DataFrame:
    absent = [name for name in names if name not in table]
    if absent:
        raise CohortError(
            where,
            [f"no column {name!r}: found {', '.join(map(str, table))}; correct the name" for name in absent],
        )
    columns = {}
    for name in names:
        of_patient = table.groupby(patient)[name]
        several = [str(p) for p, n in of_patient.nunique().items() if n > 1]
        if several:
            raise CohortError(
                where,
                [
                    f"patient {several[0]!r} and {len(several) - 1} more have several values of {name}, "
                    "expected one a patient; correct the table or leave the column out"
                ],
            )
        columns[name] = natural(of_patient.first())
    return pd.DataFrame(columns)


def _column(table: pd.DataFrame, meaning: str, where: str) -> str:
    fitting = [str(c) for c in table if _plain(str(c)) in USUAL[meaning]]
    if not fitting:
        raise CohortError(
            where,
            [f"no column tells the {meaning}: found {', '.join(map(str, table))}; rename one to {meaning!r}"],
        )
    return fitting[0]


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())
