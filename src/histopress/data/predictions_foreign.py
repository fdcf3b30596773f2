"""A table of predictions from elsewhere -> the predictions table: one row a row of it, in its order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import CohortError, PredictionsError
from histopress.data.predictions import NUMBERS, TEXT, read_predictions, validate
from histopress.data.predictions_checks import CLASS_PREFIX
from histopress.data.predictions_columns import ForeignColumns, column_error, resolve, split_name
from histopress.data.predictions_foreign_truth import (
    binary_probabilities,
    class_truths,
    guess_kind,
    numbers,
    survival_truths,
)
from histopress.data.predictions_survival import SURVIVAL_PREFIX
from histopress.data.tables import is_missing, read_text_table

PARTS = {
    "train": ("train", "training"),
    "tuning": ("tuning", "tune", "val", "valid", "validation", "dev"),
    "test": ("test", "testing", "holdout"),
    "new": ("new", "external"),
}
ROUNDED = 0.02
"""By how much rounded probabilities may miss a sum of 1 before they are no probabilities."""


def read_any(
    path: Path, asked: ForeignColumns, patients: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A predictions table, ours or anybody's.

    Args:
        path: CSV or Parquet; where it has the columns of a predictions table, it is read as one.
        asked: what the columns of a table from elsewhere mean, as far as it was said.
        patients: patient of every slide, from a cohort table, for tables that tell only of slides.

    Returns:
        A valid predictions table; and sentences on how a table from elsewhere was read.

    Raises:
        PredictionsError: the table cannot be read, or it stays unclear what its columns mean.
    """
    try:
        text = read_text_table(path)
    except CohortError as error:
        raise PredictionsError(str(error)) from error
    if {*TEXT, *NUMBERS} <= set(text):
        return read_predictions([path]), ()
    columns, layout = resolve(text, asked, path.name)
    try:
        return _convert(text.reset_index(drop=True), columns, layout, path.name, patients or {})
    except PredictionsError as error:
        told = str(error)
        raise PredictionsError(told if path.name in told else f"{path.name}: {told}") from error


def _convert(
    text: pd.DataFrame, columns: ForeignColumns, layout: str, where: str, patients: Mapping[str, str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    ids, notes = _ids(text, columns, where, patients)
    answers, told = _answers(text, columns, where)
    table = ids.assign(
        run=text[columns.run] if columns.run else "0",
        part=_parts(text[columns.part], where) if columns.part else "test",
        target=columns.target or columns.truth or "survival",
        **answers,
        score_sd=np.nan,
        models=1,
    )
    how = f"Read from {where}{f', in the layout of {layout}' if layout else ''}: {_told(columns)}."
    return validate(table), (how, *notes, *told)


def _told(columns: ForeignColumns) -> str:
    said = [
        (meaning, getattr(columns, meaning))
        for meaning in ("patient", "slide", "truth", "time", "event", "score", "run", "part")
    ]
    several = ", ".join(split_name(x)[1] for x in columns.probabilities)
    return ", ".join(
        [f"{meaning} from column {name}" for meaning, name in said if name]
        + ([f"probabilities from {several}"] if several else [])
    )


def _ids(
    text: pd.DataFrame, columns: ForeignColumns, where: str, known: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str]]:
    """`level`, `patient` and `slide` of every row."""
    if not (columns.patient or columns.slide):
        raise column_error(where, text, "patient", "patient")
    slides = text[columns.slide] if columns.slide else None
    if columns.patient:
        patients, notes = text[columns.patient], []
    elif slides is not None and known and set(slides) <= set(known):
        patients, notes = slides.map(dict(known)), ["Patients of the slides are those of the cohort table."]
    else:
        patients = text[columns.slide]
        notes = [
            "No column tells the patient, so every slide counts as a patient of its own; if patients have "
            "several, the intervals are too narrow: name the column with --patient, or give a --cohort."
        ]
    keys = [text[c] for c in (columns.run, columns.part) if c]
    if slides is None and pd.concat([patients, *keys], axis=1).duplicated().any():
        slides = patients + "-" + (patients.groupby(patients).cumcount() + 1).astype(str)
        notes.append("Patients have several rows; each row counts as a slide of its patient.")
    level = "patient" if slides is None else "slide"
    slide = "" if slides is None else slides
    return pd.DataFrame({"level": level, "patient": patients, "slide": slide}), notes


def _answers(text: pd.DataFrame, columns: ForeignColumns, where: str) -> tuple[dict[str, Any], list[str]]:
    """`kind`, `truth`, `score`, `p:` and `s:` columns."""
    kind = guess_kind(text, columns, where)
    if kind == "survival":
        return _survival(text, columns, where), []
    if not columns.truth:
        raise column_error(where, text, "truth", "truth")
    truths = [cell if not is_missing(cell) else "" for cell in text[columns.truth]]
    if kind == "regression":
        return {"kind": kind, "truth": truths, "score": _score(text, columns, where)}, []
    if columns.probabilities:
        classes, truths = class_truths(columns, truths, where)
        given = [numbers(text[split_name(x)[1]]) for x in columns.probabilities]
        shares, notes = _normalised(np.stack(given, axis=1))
    else:
        score = _score(text, columns, where)
        classes, truths, shares = binary_probabilities(columns, truths, score, where)
        notes = []
    score = {
        "binary": shares[:, -1],
        "ordinal": shares @ np.arange(len(classes)),
    }.get(kind, np.full(len(text), np.nan))
    named = {f"{CLASS_PREFIX}{c}": shares[:, i] for i, c in enumerate(classes)}
    return {"kind": kind, "truth": truths, **named, "score": score}, notes


def _score(text: pd.DataFrame, columns: ForeignColumns, where: str) -> NDArray[np.float64]:
    if not columns.score:
        raise column_error(where, text, "score", "score")
    return numbers(text[columns.score])


def _survival(text: pd.DataFrame, columns: ForeignColumns, where: str) -> dict[str, Any]:
    for meaning, name in (("time", columns.time), ("event", columns.event)):
        if not name:
            raise column_error(where, text, meaning, meaning)
    free = {}
    for name in columns.free:
        time, column = split_name(name)
        free[f"{SURVIVAL_PREFIX}{time or column}"] = numbers(text[column])
    truths = survival_truths(text[columns.time], text[columns.event], columns.event)
    return {"kind": "survival", "truth": truths, "score": _score(text, columns, where), **free}


def _normalised(shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str]]:
    """Probabilities with a sum of 1, where rounding alone kept them from it."""
    sums = shares.sum(axis=1, keepdims=True)
    if not (np.abs(sums - 1) < ROUNDED).all() or (np.abs(sums - 1) < 1e-6).all():
        return shares, []
    return shares / sums, ["Probabilities were rounded and have been divided by their sum."]


def _parts(column: pd.Series[str], where: str) -> list[str]:
    known = {name: part for part, names in PARTS.items() for name in names}
    unknown = sorted({cell for cell in column if cell.lower() not in known})
    if unknown:
        raise PredictionsError(
            f"{where}: parts {', '.join(map(repr, unknown))} in column {column.name}, expected "
            f"{', '.join(known)}; rename them or the column"
        )
    return [known[cell.lower()] for cell in column]
