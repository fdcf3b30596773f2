"""What can be wrong with a predictions table; every check yields lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEVELS = ("slide", "patient")
PARTS = ("train", "tuning", "test", "new")
KINDS = ("binary", "multiclass", "regression")
CLASS_PREFIX = "p:"
TOLERANCE = 1e-3
"""By how much probabilities may miss a sum of 1: tables are also written by hand, with few decimals."""


def check_words(table: pd.DataFrame) -> Iterator[str]:
    """Known words where there is a choice, names where there must be one."""
    for column, words in (("level", LEVELS), ("part", PARTS), ("kind", KINDS)):
        for row, case in _where(table, ~table[column].isin(words)):
            yield f"row {row}: {column} is {case[column]!r}, expected {', '.join(words)}"
    for column in ("patient", "run", "target"):
        for row, _ in _where(table, table[column] == ""):
            yield f"row {row}: {column} is empty, expected a name"
    for row, case in _where(table, (table["level"] == "slide") == (table["slide"] == "")):
        expected = "an id" if case["level"] == "slide" else "nothing"
        yield f"row {row}: slide is {case['slide']!r} on level {case['level']}, expected {expected}"
    for row, case in _where(table, ~(table["models"] >= 1) | (table["score_sd"] < 0)):
        yield (
            f"row {row}: models is {case['models']:g} and score_sd {case['score_sd']:g}, "
            "expected at least 1 and 0"
        )


def check_repeats(table: pd.DataFrame) -> Iterator[str]:
    """One row a case, run and target."""
    keys = ["level", "patient", "slide", "run", "target"]
    for row, case in _where(table, table.duplicated(keys)):
        named = ", ".join(f"{k} {case[k]!r}" for k in keys if case[k])
        yield f"row {row}: {named} stands twice, expected one row a case, run and target"


def check_leaks(table: pd.DataFrame) -> Iterator[str]:
    """One part a patient and run: else what was trained on would be counted as tested."""
    for (patient, run, target), parts in _several(table, ["patient", "run", "target"], "part"):
        yield (
            f"patient {patient!r} is in parts {' and '.join(parts)} of run {run} for {target}, expected one; "
            "split by patient"
        )


def check_truths(table: pd.DataFrame) -> Iterator[str]:
    """One truth a patient and target."""
    for (patient, target), truths in _several(table, ["patient", "target"], "truth"):
        found = " and ".join(map(repr, truths))
        yield f"patient {patient!r} has {target} {found}, expected one truth a patient; correct the cohort"


def check_answers(rows: pd.DataFrame, target: str, columns: list[str]) -> Iterator[str]:
    """Probabilities, scores and truths of one target fit its kind.

    Args:
        rows: of the target.
        target: its name.
        columns: its `p:` columns.
    """
    kinds = sorted(set(rows["kind"]))
    if len(kinds) > 1:
        yield f"target {target!r} is {' and '.join(kinds)}, expected one kind"
        return
    expected = {"binary": len(columns) == 2, "multiclass": len(columns) > 2, "regression": not columns}
    if not expected.get(kinds[0], True):
        found = ", ".join(columns) or "none"
        yield f"target {target!r} is {kinds[0]} with class columns {found}; expected 2, more, or none"
    elif kinds[0] == "regression":
        yield from _check_numbers(rows)
    else:
        yield from _check_probabilities(rows, columns)
        yield from _check_scores(rows, columns[-1] if kinds[0] == "binary" else None)


def _check_numbers(rows: pd.DataFrame) -> Iterator[str]:
    given = rows["truth"] != ""
    truths = pd.to_numeric(rows["truth"].where(given), errors="coerce")
    for row, case in _where(rows, given & ~np.isfinite(truths)):
        yield f"row {row}: truth is {case['truth']!r}, expected a finite number or nothing"
    for row, _ in _where(rows, rows["score"].isna()):
        yield f"row {row}: score is empty, expected a number"


def _check_probabilities(rows: pd.DataFrame, columns: list[str]) -> Iterator[str]:
    p = rows[columns].to_numpy(np.float64)
    right = ((p >= 0) & (p <= 1)).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < TOLERANCE)
    for row, case in _where(rows, ~right):
        found = ", ".join(f"{case[c]:g}" for c in columns)
        yield f"row {row}: probabilities are {found}, expected 0 to 1 with sum 1"
    classes = [c.removeprefix(CLASS_PREFIX) for c in columns]
    for row, case in _where(rows, ~rows["truth"].isin([*classes, ""])):
        yield f"row {row}: truth is {case['truth']!r}, expected {', '.join(map(repr, classes))} or nothing"


def _check_scores(rows: pd.DataFrame, positive: str | None) -> Iterator[str]:
    if positive is None:
        for row, case in _where(rows, rows["score"].notna()):
            yield f"row {row}: score is {case['score']:g}, expected nothing, as there are several classes"
        return
    for row, case in _where(rows, ~((rows["score"] - rows[positive]).abs() < TOLERANCE)):
        yield f"row {row}: score is {case['score']:g}, expected {positive}, that is {case[positive]:g}"


def _where(
    table: pd.DataFrame, wrong: pd.Series[bool] | NDArray[np.bool_]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row as a spreadsheet counts it, its values) of every row that is wrong."""
    found = table[wrong]
    for index, case in zip(found.index.tolist(), found.to_dict("records"), strict=True):
        yield index + 2, {str(k): v for k, v in case.items()}


def _several(table: pd.DataFrame, keys: list[str], column: str) -> Iterator[tuple[Any, list[str]]]:
    """(key, values) of every key under which a column has more than one value."""
    distinct = table[[*keys, column]].drop_duplicates()
    for key, group in distinct[distinct.duplicated(keys, keep=False)].groupby(keys):
        yield key, sorted(group[column])
