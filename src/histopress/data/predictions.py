"""The predictions table: one row a case and run; the only thing that passes from models to metrics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from histopress.core.errors import PredictionsError
from histopress.core.files import whole
from histopress.data import predictions_checks as checks
from histopress.data.predictions_checks import CLASS_PREFIX
from histopress.data.predictions_survival import SURVIVAL_PREFIX, horizon_columns
from histopress.data.tables import exact_numbers

TEXT = ("level", "patient", "slide", "run", "part", "target", "kind", "truth")
NUMBERS = ("score", "score_sd", "models")
ENSEMBLE = "mean"
"""The `run` of rows that average several models."""

LINES = 10


def class_columns(table: pd.DataFrame, target: str) -> list[str]:
    """The `p:` columns of a target, in order; of a binary target the last is the positive class."""
    rows = table[table["target"] == target]
    return [c for c in map(str, table) if c.startswith(CLASS_PREFIX) and rows[c].notna().any()]


def answer_columns(table: pd.DataFrame) -> list[str]:
    """The `p:` and `s:` columns of a table, of all its targets."""
    return [c for c in map(str, table) if c.startswith((CLASS_PREFIX, SURVIVAL_PREFIX))]


def validate(table: pd.DataFrame) -> pd.DataFrame:
    """Check a table against the contract.

    Columns: `level` (slide, patient), `patient`, `slide` ("" on patient rows), `run` (number of the fold;
    "K#S" for seed S of fold K where there are several; "mean" for an ensemble), `part` (train, tuning, test,
    new), `target`, `kind`, `truth` ("" if unknown), `score`, `score_sd` (over models, empty for one),
    `models` (how many were averaged), and by kind:

    - binary, multiclass: one `p:CLASS` a class (0 to 1, sum 1; of two the last is the positive one); `score`
      is the probability of the positive class, and empty for several; truth is the name of the class.
    - ordinal: `p:GRADE` from the lowest grade up; `score` is the expected rank, 0 to grades - 1.
    - regression: `score` on the label's scale.
    - survival: truth as in `predictions_survival`; `score` is the risk, higher for an earlier event, on any
      scale; if there are any, `s:TIME` is the chance to be event-free at TIME, in the unit of the truth.

    Returns:
        A copy with columns in this order and of the right types: text, and float64 with NaN for empty.

    Raises:
        PredictionsError: with everything that is wrong.
    """
    missing = [c for c in (*TEXT, *NUMBERS) if c not in table]
    if missing:
        raise PredictionsError(
            f"predictions table lacks {', '.join(missing)}: found {', '.join(map(str, table))}; "
            "give the table that `train` or `predict` wrote"
        )
    table = _typed(table)
    targets = [(str(t), table[table["target"] == t]) for t in table["target"].unique()]
    problems = [
        *checks.check_words(table),
        *checks.check_repeats(table),
        *checks.check_leaks(table),
        *checks.check_truths(table),
        *chain.from_iterable(
            checks.check_answers(rows, t, class_columns(rows, t), horizon_columns(rows, t))
            for t, rows in targets
        ),
    ]
    if problems:
        more = [f"and {len(problems) - LINES} more"] if len(problems) > LINES else []
        lines = "\n".join(f"  - {p}" for p in problems[:LINES] + more)
        noun = "problem" if len(problems) == 1 else "problems"
        raise PredictionsError(f"predictions table: {len(problems)} {noun}\n{lines}")
    return table


def write_predictions(table: pd.DataFrame, path: Path) -> None:
    """Validate a table and write it as CSV, all of it or nothing.

    Raises:
        PredictionsError: see `validate`.
    """
    valid = validate(table)
    with whole(path) as partial:
        valid.astype({"models": "Int64"}).to_csv(partial, index=False, lineterminator="\n")


def read_predictions(paths: Sequence[Path]) -> pd.DataFrame:
    """Tables of predictions as one, validated one by one and together.

    Raises:
        PredictionsError: a file is absent or no such table, or see `validate`.
    """
    if not paths:
        raise PredictionsError("no predictions table given, expected at least one; name the file")
    tables = [_read(path) for path in paths]
    return tables[0] if len(tables) == 1 else validate(pd.concat(tables, ignore_index=True))


def to_patients(slide_rows: pd.DataFrame) -> pd.DataFrame:
    """One row for every patient, run and target: the mean over the patient's slides.

    `score_sd` is the mean of the slides' (models err alike on slides of one patient, so averaging slides does
    not shrink it), `models` the smallest.

    Args:
        slide_rows: rows of level "slide".

    Raises:
        PredictionsError: rows of another level, or slides of one patient that differ in truth.
    """
    table = validate(slide_rows)
    others = int((table["level"] != "slide").sum())
    if others:
        raise PredictionsError(f"{others} rows are not of level slide, expected slides only; leave them out")
    keys = ["patient", "run", "part", "target", "kind", "truth"]
    numbers = [*answer_columns(table), "score", "score_sd"]
    groups = table.groupby(keys, sort=False)
    patients = groups[numbers].mean().assign(models=groups["models"].min()).reset_index()
    return validate(patients.assign(level="patient", slide=""))


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise PredictionsError(
            f"{path} is no readable table: {error}; give the CSV that `train` or `predict` wrote"
        ) from error
    try:
        return validate(table)
    except PredictionsError as error:
        raise PredictionsError(f"{path}: {error}") from error


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    columns: dict[str, Any] = {c: table[c].astype(object).where(table[c].notna(), "").map(str) for c in TEXT}
    for name in (*answer_columns(table), *NUMBERS):
        columns[name] = _numbers(table[name])
    return pd.DataFrame(columns).reset_index(drop=True)


def _numbers(column: pd.Series[Any]) -> pd.Series[float]:
    empty = column.isna() | (column.astype(str).str.strip() == "")
    numbers = exact_numbers(column.where(~empty))
    wrong = (~empty & ~np.isfinite(numbers)).to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        found = column.iloc[row]
        raise PredictionsError(
            f"predictions table, row {row + 2}: {column.name} is {found!r}, expected a number or nothing"
        )
    return numbers
