"""Balance of classes: as many of either at every share of glass, from all slides and lesions alike."""

from __future__ import annotations

import numpy as np
import pandas as pd

from histopress.studies.ncamelyon_balance import balanced_crops, cues


def drawn(positive: int, negative: int, seed: int = 0) -> pd.DataFrame:
    """Crops of 4 slides of each class in two parts; those with a lesion show less glass."""
    random = np.random.default_rng(seed)
    label = np.repeat([1, 0], [positive, negative])
    slide = random.integers(0, 4, len(label))
    return pd.DataFrame(
        {
            "slide": [f"{'np'[k]}{s}" for k, s in zip(label, slide, strict=True)],
            "part": np.where(slide < 2, "train", "test"),
            "label": label,
            "row": random.permutation(len(label)),
            "col": random.permutation(len(label)),
            "lesion": np.where(label == 1, random.integers(0, 3, len(label)), -1),
            "dark": np.where(label == 1, random.beta(6, 2, len(label)), random.beta(2, 2, len(label))),
            "tissue": random.random(len(label)),
            "around": random.normal(size=len(label)),
            "edge": random.random(len(label)),
            "key": random.random(len(label)),
        }
    )


def test_classes_are_equal_in_every_part_and_bin() -> None:
    crops = drawn(600, 900)
    kept = balanced_crops(crops, 10)
    counts = kept.groupby(["part", "stratum", "label"]).size().unstack()
    assert (counts[0] == counts[1]).all()
    assert cues(crops)["dark"] > 0.7 and abs(cues(kept)["dark"] - 0.5) < 0.03
    every = crops.assign(stratum=np.floor(crops["dark"] * 10).astype(int))
    most = every.groupby(["part", "stratum", "label"]).size().unstack(fill_value=0).min(axis=1).sum()
    assert len(kept) == 2 * most  # no more are thrown away than must be


def test_one_stratum_only_balances_the_classes() -> None:
    kept = balanced_crops(drawn(300, 500), 1)
    assert kept["label"].sum() * 2 == len(kept) and cues(kept)["dark"] > 0.7


def test_crops_without_glass_have_a_bin_of_their_own() -> None:
    crops = drawn(50, 50).assign(dark=lambda t: np.where(t["label"] == 1, 1.0, 0.95))
    assert not len(balanced_crops(crops, 10))


def test_slides_and_lesions_take_turns() -> None:
    crops = drawn(1000, 40)
    crops = crops[crops["label"].eq(0) | ~crops["slide"].eq("p0") | (crops.index < 300)]
    kept = balanced_crops(crops[crops["part"] == "train"], 1)
    positive = kept[kept["label"] == 1]
    assert np.ptp(positive.groupby("slide").size().to_numpy()) <= 1
    assert np.ptp(positive.groupby(["slide", "lesion"]).size().to_numpy()) <= 1


def test_the_order_of_the_rows_does_not_matter() -> None:
    crops = drawn(200, 300)
    pd.testing.assert_frame_equal(balanced_crops(crops, 5), balanced_crops(crops.iloc[::-1], 5))
