"""Correction of p for several comparisons: one finding in twenty is nothing where twenty were looked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Correction = Literal["holm", "benjamini-hochberg", "none"]


def corrected(p_values: ArrayLike, correction: Correction) -> Array:
    """Correct p for the number of tests; NaN, of a test that was not possible, counts as no test.

    Args:
        p_values: (tests,).
        correction: "holm" bounds the chance of any false finding, "benjamini-hochberg" the share of false
            ones among the findings.
    """
    p = np.asarray(p_values, np.float64)
    done = np.isfinite(p)
    result = np.full(len(p), np.nan)
    result[done] = CORRECTIONS[correction](p[done])
    return result


def holm(p: Array) -> Array:
    """Step-down form of Bonferroni (Holm, Scand J Stat 1979;6:65).

    Args:
        p: (tests,).
    """
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _in_place(np.minimum(raised, 1.0), order)


def benjamini_hochberg(p: Array) -> Array:
    """Step-up form for the false discovery rate (Benjamini and Hochberg, J R Stat Soc B 1995;57:289).

    Args:
        p: (tests,).
    """
    order = np.argsort(-p, kind="stable")
    raised = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    return _in_place(np.minimum(raised, 1.0), order)


def _in_place(values: Array, order: NDArray[np.intp]) -> Array:
    result = np.empty_like(values)
    result[order] = values
    return result


CORRECTIONS: dict[Correction, Callable[[Array], Array]] = {
    "holm": holm,
    "benjamini-hochberg": benjamini_hochberg,
    "none": lambda p: p,
}
