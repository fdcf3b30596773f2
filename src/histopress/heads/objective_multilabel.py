"""Labels that may come together: a column of lists, or a column of yes and no for each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pandas as pd

from histopress.core.errors import HeadError
from histopress.heads.objective_classes import Binary
from histopress.heads.objective_grammar import Target
from histopress.heads.objective_labels import closest, column, flags, lists, some

log = logging.getLogger(__name__)

FEWEST_CARRIERS = 5
"""Labels of a list that fewer patients have, or lack, are left out, unless they are asked for by name."""


def make_multilabel(target: Target, labels: pd.DataFrame) -> list[Binary]:
    """One binary target for every label, named COLUMN=LABEL, with classes no and yes.

    Raises:
        HeadError: no such label or column, nothing to learn, or columns that do not say yes or no.
    """
    if target.several("columns") and target.several("labels"):
        raise HeadError(
            f"{target.column}:multilabel has labels and columns, expected one of them; leave one out"
        )
    classes = ("no", "yes")
    for name in target.several("columns"):
        flags(column(labels, name), target.column)
    made = [
        Binary(f"{target.column}={name}", classes, reads="flag", column=name)
        for name in target.several("columns")
    ]
    return made or [
        Binary(f"{target.column}={name}", classes, reads="list", column=target.column, label=name)
        for name in _carried(target, column(labels, target.column))
    ]


def _carried(target: Target, cells: pd.Series[Any]) -> Sequence[str]:
    """The labels to learn of a column of lists."""
    given = [own for own in lists(cells) if own is not None]
    counts = pd.Series([label for own in given for label in own], dtype=str).value_counts()
    asked = target.several("labels")
    strange = [label for label in asked if label not in counts]
    if strange:
        raise HeadError(
            f"no patient has label {strange[0]!r} of {target.column}, expected some of "
            f"{some(sorted(counts.index), 20)}{closest(strange[0], counts.index)}"
        )
    enough = (counts >= FEWEST_CARRIERS) & (len(given) - counts >= FEWEST_CARRIERS)
    kept = asked or tuple(sorted(counts.index[enough]))
    if not kept:
        raise HeadError(
            f"{target.column} has no label that at least {FEWEST_CARRIERS} of {len(given)} patients have and "
            f"as many lack ({some(sorted(counts.index))}); name those to learn, as in "
            f"{target.column}:multilabel(labels=A|B)"
        )
    left_out = sorted(set(counts.index) - set(kept))
    if left_out and not asked:
        log.warning(
            "labels of %s that too few patients have or lack are left out: %s",
            target.column,
            some(left_out, 20),
        )
    return kept
