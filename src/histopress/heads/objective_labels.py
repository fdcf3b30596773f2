"""Columns of labels as people write them: classes, numbers, yes or no, lists, times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import HeadError
from histopress.data.tables import is_missing

YES = frozenset({"1", "true", "t", "yes", "y", "positive", "pos", "present"})
NO = frozenset({"0", "false", "f", "no", "n", "negative", "neg", "absent"})
HAPPENED = frozenset(
    [
        "dead",
        "death",
        "died",
        "deceased",
        "dead of disease",
        "dead with tumor",
        "event",
        "recurred",
        "recurrence",
        "relapse",
        "relapsed",
        "progression",
        "progressed",
        "recurred/progressed",
    ]
)
OPEN = frozenset(
    [
        "alive",
        "living",
        "alive or dead tumor free",
        "censored",
        "no event",
        "event-free",
        "diseasefree",
        "disease-free",
        "disease free",
        "progression-free",
        "recurrence-free",
        "not recurred",
    ]
)
"""Words for yes and no, and for an event and none, in lower case."""

NONE_OF_THEM = "-"
"""A cell of a list of labels that says that none of them applies; an empty one says nothing."""

_CODED = re.compile(r"([01]):.*")


def column(labels: pd.DataFrame, name: str) -> pd.Series[Any]:
    """A column.

    Raises:
        HeadError: there is none of this name.
    """
    if name not in labels:
        raise HeadError(
            f"there is no column {name!r}, expected one of {some(map(str, labels), 12)}"
            f"{closest(name, labels)}"
        )
    return labels[name]


def label_text(label: Any) -> str:
    """A label as the name of a class, "" where there is none; whole numbers without a decimal point."""
    if label is None or label is pd.NA or label is pd.NaT:
        return ""
    if isinstance(label, float | np.floating):
        if np.isnan(label):
            return ""
        return str(int(label)) if float(label).is_integer() else str(label)
    text = str(label).strip()
    return "" if is_missing(text) else text


def texts(cells: pd.Series[Any]) -> list[str]:
    """Every cell as text."""
    return [label_text(cell) for cell in cells]


def is_number(label: Any) -> bool:
    """Whether a label is a number; True and False are none."""
    return isinstance(label, Real) and not isinstance(label, bool | np.bool_)


def numbers(cells: pd.Series[Any], target: str, kind: str = "regression") -> NDArray[np.float64]:
    """(patients,) with NaN where there is none.

    Raises:
        HeadError: a cell holds something else, or is infinite.
    """
    written = texts(cells)
    found = pd.to_numeric(pd.Series(written, index=cells.index), errors="coerce").to_numpy(np.float64)
    given = np.array([text != "" for text in written], np.bool_)
    refuse(cells, given & ~np.isfinite(found), target, f"to be {kind}", "finite numbers")
    return found


def flags(cells: pd.Series[Any], target: str, kind: str = "multilabel") -> NDArray[np.float64]:
    """(patients,) 1 for yes, 0 for no, NaN where there is none.

    Raises:
        HeadError: a word that is neither.
    """
    return _either(cells, target, (YES, NO), f"to be {kind}", "1 and 0, or yes and no")


def events(cells: pd.Series[Any], target: str, *, censored: bool = False) -> NDArray[np.float64]:
    """(patients,) 1 for an event, 0 for a time that ends without one, NaN where nothing is said.

    Args:
        cells: 1 and 0, yes and no, dead and alive, event and censored, ...; also "1:DECEASED".
        target: for messages.
        censored: the column says whether a time is censored, so 1 and yes mean no event.

    Raises:
        HeadError: a word that is none of these.
    """
    yes, no = (NO, YES) if censored else (YES, NO)
    plain = cells.map(lambda cell: _CODED.sub(r"\1", label_text(cell)))
    expected = "1 and 0, yes and no, dead and alive or event and censored"
    return _either(plain, target, (HAPPENED | yes, OPEN | no), "to be survival", expected)


def lists(cells: pd.Series[Any]) -> list[frozenset[str] | None]:
    """The labels in every cell, separated by ; or |. `-` holds none; an empty cell is None."""
    found = [re.split(r"\s*[;|]\s*", text) if text else None for text in texts(cells)]
    return [None if own is None else frozenset(own) - {"", NONE_OF_THEM} for own in found]


def refuse(cells: pd.Series[Any], wrong: NDArray[np.bool_], target: str, use: str, expected: str) -> None:
    """Complain of some cells, if there are any.

    Raises:
        HeadError: with what they hold, and of which patients.
    """
    if wrong.any():
        held = sorted({str(cell) for cell in cells[wrong]})
        who = list(dict.fromkeys(map(str, cells.index[wrong])))
        name = target if cells.name in (None, target) else f"{cells.name} of {target}"
        raise HeadError(
            f"{name} is {use} but holds {some(held)} (patient {some(who)}), expected {expected}; "
            "correct the table, or leave these patients out"
        )


def closest(name: str, known: Any) -> str:
    """`; did you mean ...?` where a name is close to a known one."""
    near = get_close_matches(name, [str(k) for k in known], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def some(names: Any, most: int = 5) -> str:
    """The first few of several names."""
    listed: Sequence[str] = list(names)
    return ", ".join(listed[:most]) + (", ..." if len(listed) > most else "")


def _either(
    cells: pd.Series[Any], target: str, known: tuple[frozenset[str], frozenset[str]], use: str, expected: str
) -> NDArray[np.float64]:
    yes, no = known
    words = [text.lower() for text in texts(cells)]
    wrong = np.array([word not in {"", *yes, *no} for word in words], np.bool_)
    refuse(cells, wrong, target, use, expected)
    return np.array([np.nan if word == "" else float(word in yes) for word in words])
