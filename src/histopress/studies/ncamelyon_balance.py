"""Which of the drawn crops are kept, so that nothing but the lesion tells the classes apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.metrics.scores import auroc

CUES = ("dark", "tissue", "around", "edge")
"""What should tell nothing: share of px that are no glass, share of tissue by its mask, mean green
of what is no lesion, um to the slide's edge."""


FULL = 0.999
"""Share of dark px from which a crop has no glass."""


GROUP = ["part", "stratum", "label"]
PLACE = ["slide", "row", "col", "label"]


def balanced_crops(crops: pd.DataFrame, strata: int) -> pd.DataFrame:
    """As many crops of either class in every part, and in every bin of the share of dark px.

    The larger class is thinned in rounds over its slides, so that a slide gives no more than it must: first
    one crop of each, then a second one, ...; and in the same way over the lesions of a slide. The turns
    within a round are told by `key`, a draw. Lesions lie deep in tissue, other crops also at its border:
    without bins, the share of glass would tell the classes. Px are looked at, not the mask of tissue, which
    is too coarse for it: it closes gaps, and holds a seam of glass.

    Args:
        crops: rows of `Drawn.crops`, with their part.
        strata: bins of equal width, and one more for crops without glass; 1 only balances the classes.

    Returns:
        The rows that are kept, sorted by part, slide, row, col and label.
    """
    ordered = crops.assign(stratum=_strata(crops, strata)).sort_values(["key", *PLACE])
    ordered = _in_rounds(_in_rounds(ordered, [*GROUP, "slide", "lesion"]), [*GROUP, "slide"])
    rank = ordered.groupby(GROUP).cumcount()
    sizes = ordered.groupby(GROUP).size().unstack("label", fill_value=0)
    least = sizes.reindex(columns=[0, 1], fill_value=0).min(axis=1)
    room = [int(least[key]) for key in zip(ordered["part"], ordered["stratum"], strict=True)]
    return ordered[rank.to_numpy() < np.array(room)].sort_values(["part", *PLACE], ignore_index=True)


def _strata(crops: pd.DataFrame, strata: int) -> NDArray[np.int64]:
    dark = crops["dark"].to_numpy()
    if strata == 1:
        return np.zeros(len(crops), np.int64)
    return np.where(dark > FULL, strata, np.floor(dark * strata)).astype(np.int64)


def _in_rounds(ordered: pd.DataFrame, within: list[str]) -> pd.DataFrame:
    """The first row of every group, then the second of every group, ...; otherwise in the order they had."""
    turns = ordered.groupby(within).cumcount().to_numpy()
    return ordered.iloc[np.argsort(turns, kind="stable")]


def cues(crops: pd.DataFrame) -> dict[str, float]:
    """AUROC of lesion against none by each of `CUES`: 0.5 is what none of them should be far from."""
    found: dict[str, float] = {}
    for cue in CUES:
        known = crops[crops[cue].notna()]
        score: Any = auroc(known["label"] == 1, known[cue]) if known["label"].nunique() == 2 else [math.nan]
        found[cue] = round(float(score[0]), 4)
    return found
