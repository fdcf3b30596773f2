"""Results of a sweep as tables: a row a trial, and means over replicates.

Controls (column `control`: permuted labels, noise for pictures) are never mixed with real trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from histopress.core.errors import RecipeError
from histopress.core.files import whole, write_whole
from histopress.studies.sweep_trial import Result, Trial

CONTROL = "control"
REPLICATE = "replicate"
LEVEL = 0.95
SHARES = (0.0, 1.0)
"""Limits of accuracies and of areas under curves."""

OWN = ("digest", "seconds")


def as_table(trials: Sequence[Trial], results: Mapping[str, Result]) -> pd.DataFrame:
    """One row for every trial that has a result: digest, axes, results, seconds.

    Trials of equal settings share their result and stand in a row each. A result that is named like an axis
    is called `NAME_result`; `seconds` are those that the work tells, or else those of the last attempt.

    Args:
        trials: in the order of the rows.
        results: by name of the trial.
    """
    axes = list(dict.fromkeys(axis for trial in trials for axis in trial.axes))
    rows = [_row(trial, results[trial.name], axes) for trial in trials if trial.name in results]
    told = list(dict.fromkeys(column for row in rows for column in row if column not in (*OWN, *axes)))
    columns = list(dict.fromkeys(["digest", *axes, *told, "seconds"]))
    table = pd.DataFrame(rows, columns=columns)
    for column in columns:
        table[column] = _of_one_kind(table[column], column)
    table.attrs["axes"] = axes
    return table


def _row(trial: Trial, result: Result, axes: Sequence[str]) -> dict[str, Any]:
    values = {f"{name}_result" if name in axes else name: value for name, value in result.values.items()}
    return {"seconds": result.seconds, **values, **trial.axes, "digest": trial.name}


def _of_one_kind(column: pd.Series, name: str) -> pd.Series:
    """Numbers, or words where some of the values are words; a control that is not named is none."""
    if name == CONTROL:
        return column.fillna("").astype(str)
    words = any(isinstance(value, str) for value in column)
    if words:
        return column.map(lambda value: None if pd.isna(value) else str(value)).astype(object)
    return pd.to_numeric(column)


def write_table(table: pd.DataFrame, output: Path) -> None:
    """Write results.parquet and results.csv."""
    with whole(output / "results.parquet") as partial:
        table.to_parquet(partial, index=False)
    write_whole(output / "results.csv", table.to_csv(index=False, lineterminator="\n"))


def panels(table: pd.DataFrame, used: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The table in parts within which only these axes vary, replicates and controls apart.

    Args:
        table: of `as_table`.
        used: axes of a figure or a table.

    Returns:
        What sets a part apart, such as "pooling max, width 0" -> its rows; one nameless part if nothing does.
    """
    left_out = {*used, REPLICATE, CONTROL}
    real = table[controls_of(table) == ""]
    varied = [
        a for a in table.attrs.get("axes", ()) if a not in left_out and real[a].nunique(dropna=False) > 1
    ]
    if not varied:
        return {"": table}
    parts = table.groupby(varied, sort=False, dropna=False)
    told = {", ".join(f"{a} {v}" for a, v in zip(varied, key, strict=True)): part for key, part in parts}
    return {name: part for name, part in told.items() if (controls_of(part) == "").any()}


def means(
    table: pd.DataFrame,
    by: Sequence[str],
    value: str,
    *,
    level: float = LEVEL,
    limits: tuple[float, float] | None = SHARES,
) -> pd.DataFrame:
    """Mean over replicates in every group, with its t interval; a control is a group of its own.

    Args:
        table: a row a trial.
        by: axes that make the groups.
        value: column of results.
        level: of the intervals.
        limits: that no interval passes; those of shares by default, none for numbers without any.

    Returns:
        One row a group, in the order of their values: `by`, control, n, mean, low, high. Groups of one
        replicate have no interval: NaN.

    Raises:
        RecipeError: a column is missing, or something else than replicates differs within a group.
    """
    groups = grouped(table, by, value)
    rows = [(*key, len(v), v.mean(), *_t_limits(v, level, limits)) for key, v in groups.items()]
    return pd.DataFrame(rows, columns=[*by, CONTROL, "n", "mean", "low", "high"])


Groups = dict[tuple[Any, ...], NDArray[np.float64]]


def grouped(table: pd.DataFrame, by: Sequence[str], value: str) -> Groups:
    """(value of each of `by`, control) -> the values of the replicates; rows without a value are left out.

    Raises:
        RecipeError: see `means`.
    """
    check_columns(table, [*by, value])
    known = table.assign(**{CONTROL: controls_of(table)})
    keys = [*by, CONTROL]
    if "digest" in known:
        known = known.drop_duplicates([*keys, "digest"])
    _check_replicates(known, keys)
    known = known[known[value].notna()]
    return {
        tuple(_item(part) for part in key): found[value].to_numpy(float)
        for key, found in known.groupby(keys, sort=True, dropna=False)
    }


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def check_columns(table: pd.DataFrame, wanted: Sequence[str]) -> None:
    """See that a table has these columns.

    Raises:
        RecipeError: one is missing.
    """
    missing = [name for name in wanted if name not in table]
    if missing:
        raise RecipeError(
            f"the table has no column {', '.join(missing)}, expected one among {', '.join(map(str, table))}; "
            "name another column"
        )


def _check_replicates(table: pd.DataFrame, keys: Sequence[str]) -> None:
    """Two rows of one replicate in one group mean that another axis varies unseen."""
    if REPLICATE not in table or not table.duplicated([*keys, REPLICATE]).any():
        return
    axes = table.attrs.get("axes", [])
    inner = table.groupby([*keys, REPLICATE], dropna=False)
    varied = [a for a in axes if a not in (*keys, REPLICATE) and (inner[a].nunique(dropna=False) > 1).any()]
    raise RecipeError(
        f"rows of one replicate differ in {' and '.join(varied) or 'more than the table tells'}, expected "
        f"replicates alone within each {', '.join(keys)}; group by it too, or choose one value (see `panels`)"
    )


def controls_of(table: pd.DataFrame) -> pd.Series:
    """(rows,) the control of every row; empty for real trials."""
    return table[CONTROL].fillna("") if CONTROL in table else pd.Series("", table.index, dtype=object)


def _t_limits(
    values: NDArray[np.float64], level: float, limits: tuple[float, float] | None
) -> tuple[float, float]:
    """Student's t interval of a mean."""
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * float(values.std(ddof=1)) / math.sqrt(n)
    low, high = values.mean() - reach, values.mean() + reach
    if limits is None:
        return float(low), float(high)
    return float(max(low, limits[0])), float(min(high, limits[1]))
