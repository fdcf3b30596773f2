"""What can be wrong with a predictions table; every check yields lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.data.predictions_survival import EXPECTED, horizon, is_survival

LEVELS = ("slide", "patient")
PARTS = ("train", "tuning", "test", "new")
KINDS = ("binary", "multiclass", "ordinal", "regression", "survival")
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


def check_answers(rows: pd.DataFrame, target: str, columns: list[str], horizons: list[str]) -> Iterator[str]:
    """Probabilities, scores and truths of one target fit its kind.

    Args:
        rows: of the target.
        target: its name.
        columns: its `p:` columns.
        horizons: its `s:` columns, the earliest first.
    """
    kinds = sorted(set(rows["kind"]))
    if len(kinds) > 1:
        yield f"target {target!r} is {' and '.join(kinds)}, expected one kind"
        return
    if kinds[0] not in KINDS:
        return
    kind, several = kinds[0], len(columns) > 2
    expected = {"binary": len(columns) == 2, "multiclass": several, "ordinal": several}
    if not expected.get(kind, not columns):
        found = ", ".join(columns) or "none"
        yield f"target {target!r} is {kind} with class columns {found}; expected {_COLUMNS[kind]}"
    elif horizons and kind != "survival":
        yield f"target {target!r} is {kind} with columns {', '.join(horizons)}, which only survival has"
    elif kind == "regression":
        yield from _check_numbers(rows)
    elif kind == "survival":
        yield from _check_survival(rows, horizons)
    else:
        yield from _check_probabilities(rows, columns)
        yield from _check_scores(rows, columns, kind)


_COLUMNS = {
    "binary": "2",
    "multiclass": "3 or more",
    "ordinal": "3 or more, one a grade, the lowest first",
    "regression": "none",
    "survival": "none",
}


def _check_numbers(rows: pd.DataFrame) -> Iterator[str]:
    given = rows["truth"] != ""
    truths = pd.to_numeric(rows["truth"].where(given), errors="coerce")
    for row, case in _where(rows, given & ~np.isfinite(truths)):
        yield f"row {row}: truth is {case['truth']!r}, expected a finite number or nothing"
    for row, _ in _where(rows, rows["score"].isna()):
        yield f"row {row}: score is empty, expected a number"


def _check_survival(rows: pd.DataFrame, horizons: list[str]) -> Iterator[str]:
    given = rows["truth"] != ""
    for row, case in _where(rows, given & ~rows["truth"].map(is_survival)):
        yield f"row {row}: truth is {case['truth']!r}, expected {EXPECTED}"
    for row, _ in _where(rows, rows["score"].isna()):
        yield f"row {row}: score is empty, expected the risk, higher for those who have the event earlier"
    unnamed = [c for c in horizons if not horizon(c) > 0]
    if unnamed:
        yield f"columns {', '.join(unnamed)} name no time, expected one above 0, such as s:12"
        return
    chances = rows[horizons].to_numpy(np.float64)
    right = (chances >= 0) & (chances <= 1)
    falling = (np.diff(chances, axis=1, prepend=1.0) <= TOLERANCE) if horizons else right
    wrong = np.flatnonzero(~(right & falling).all(axis=1))
    for row, case in _where(rows, np.isin(np.arange(len(rows)), wrong)):
        found = ", ".join(f"{case[c]:g}" for c in horizons)
        yield f"row {row}: {', '.join(horizons)} are {found}, expected 0 to 1 and not rising with time"


def _check_probabilities(rows: pd.DataFrame, columns: list[str]) -> Iterator[str]:
    p = rows[columns].to_numpy(np.float64)
    right = ((p >= 0) & (p <= 1)).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < TOLERANCE)
    for row, case in _where(rows, ~right):
        found = ", ".join(f"{case[c]:g}" for c in columns)
        yield f"row {row}: probabilities are {found}, expected 0 to 1 with sum 1"
    classes = [c.removeprefix(CLASS_PREFIX) for c in columns]
    for row, case in _where(rows, ~rows["truth"].isin([*classes, ""])):
        yield f"row {row}: truth is {case['truth']!r}, expected {', '.join(map(repr, classes))} or nothing"


def _check_scores(rows: pd.DataFrame, columns: list[str], kind: str) -> Iterator[str]:
    if kind == "multiclass":
        for row, case in _where(rows, rows["score"].notna()):
            yield f"row {row}: score is {case['score']:g}, expected nothing, as there are several classes"
        return
    ranks = np.arange(len(columns))
    expected = rows[columns].to_numpy(np.float64) @ ranks
    what = columns[-1] if kind == "binary" else "the expected rank"
    wrong = ~(np.abs(rows["score"].to_numpy(np.float64) - expected) < TOLERANCE * ranks[-1])
    for (row, case), right in zip(_where(rows, wrong), expected[wrong], strict=True):
        yield f"row {row}: score is {case['score']:g}, expected {what}, that is {right:g}"


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
