"""Covariates as columns of numbers: standardised, or each value against a first one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Design:
    """What a model is fitted to.

    Attributes:
        names: of the columns.
        values: (kept cases, columns); the first column is the quantity that is asked about.
        kept: (cases,) cases that are in.
        notes: what was done, in words.
    """

    names: tuple[str, ...]
    values: Array
    kept: Flags
    notes: tuple[str, ...]


def design_of(x: Array, name: str, covariates: pd.DataFrame | None, event: Flags) -> Design:
    """The quantity asked about, beside its covariates.

    Numbers are standardised. Text, booleans and numbers with at most two values are levels, each but the
    first a column. Cases of a level without any event are left out: the ratio of such a level is 0, and its
    cases then change no other one.

    Args:
        x: (cases,).
        name: of it.
        covariates: one row a case, in the same order.
        event: (cases,) whether there was one.
    """
    table = pd.DataFrame(index=range(len(x))) if covariates is None else covariates.reset_index(drop=True)
    table = table.rename(columns=str).replace(r"^\s*$", np.nan, regex=True)
    kept = np.isfinite(x) & table.notna().all(axis=1).to_numpy(np.bool_)
    notes = _missing_note(kept)
    levels = {str(c): _text(table[c]) for c in table if _is_levels(table[c][kept])}
    kept, silent = _without_silent(kept, levels, event)
    notes += silent
    terms = [(name, x[kept])]
    for column in table.columns.astype(str):
        own = (
            _against_first(column, levels[column][kept])
            if column in levels
            else _standardised(column, table[column].to_numpy(np.float64)[kept])
        )
        terms += own
        if not own:
            notes.append(f"{column} is the same in all cases that are left, so it is not adjusted for")
    return Design(tuple(n for n, _ in terms), np.stack([v for _, v in terms], axis=1), kept, tuple(notes))


def _against_first(column: str, levels: NDArray[np.str_]) -> list[tuple[str, Array]]:
    first, *rest = sorted(set(levels.tolist()), key=_order) or [""]
    return [(f"{column}: {level} against {first}", (levels == level).astype(np.float64)) for level in rest]


def _standardised(column: str, values: Array) -> list[tuple[str, Array]]:
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return [(f"{column}, per SD of {spread:.3g}", (values - values.mean()) / spread)] if spread > 0 else []


def _missing_note(kept: Flags) -> list[str]:
    lost = int((~kept).sum())
    return [f"{lost} of {len(kept)} cases are left out, as a covariate is missing"] if lost else []


def _is_numbers(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _is_levels(column: pd.Series[Any]) -> bool:
    return not _is_numbers(column) or column.nunique() <= 2


def _text(column: pd.Series[Any]) -> NDArray[np.str_]:
    if _is_numbers(column):
        return np.array([f"{value:g}" for value in column], np.str_)
    return np.array([str(value).strip() for value in column], np.str_)


def _order(level: str) -> tuple[float, str]:
    try:
        return float(level), level
    except ValueError:
        return float("inf"), level


def _without_silent(
    kept: Flags, levels: dict[str, NDArray[np.str_]], event: Flags
) -> tuple[Flags, list[str]]:
    """Leave out the cases of levels without any event, until every level that is left has one."""
    kept, notes = kept.copy(), []
    while event[kept].any():
        silent = next(
            (
                (column, level)
                for column, own in levels.items()
                for level in np.unique(own[kept])
                if not event[kept & (own == level)].any()
            ),
            None,
        )
        if silent is None:
            break
        members = kept & (levels[silent[0]] == silent[1])
        kept &= ~members
        lost = int(members.sum())
        notes.append(f"{lost} cases with {silent[0]} {silent[1]} have no event and are left out")
    return kept, notes
