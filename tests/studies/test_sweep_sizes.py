from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from histopress.studies.sweep_sizes import minimal_size

SIZES = (1400, 2819, 5638, 11276)


def learning(replicates: int = 3, spread: float = 0.03) -> pd.DataFrame:
    """Accuracy that grows with the size, at the later sizes the smaller the object is."""
    random, rows = np.random.default_rng(0), []
    for o2i, shift in ((0.19, 0.3), (0.012, 0.1), (0.0007, 0.0)):
        for step, size in enumerate(SIZES):
            for replicate in range(replicates):
                accuracy = 0.5 + shift * (step + 1) / 2 + random.normal(0, spread)
                rows.append((o2i, size, "", replicate, accuracy))
    rows += [(0.012, 11276, "permuted", n, 0.5) for n in range(replicates)]
    return pd.DataFrame(rows, columns=["o2i", "train_size", "control", "replicate", "test_accuracy"])


def test_the_smallest_size_that_does() -> None:
    found = minimal_size(learning(spread=0.0), 0.62).set_index(["o2i", "control"])
    assert found["size"].to_dict() == {
        (0.0007, ""): math.inf,
        (0.012, ""): 5638.0,
        (0.012, "permuted"): math.inf,
        (0.19, ""): 1400.0,
    }
    assert found["told"].tolist() == [">11276", "5638", ">11276", "1400"]


def test_more_is_never_reached_with_less() -> None:
    thresholds = np.linspace(0.5, 1.1, 25)
    found = [minimal_size(learning(), float(t), resamples=200) for t in thresholds]
    for column in ("size", "low", "high"):
        values = np.stack([table[column].to_numpy() for table in found])
        assert (values[1:] >= values[:-1]).all(), column


def test_intervals_are_sizes_and_hold_what_was_found() -> None:
    accuracy = {1400: (0.5, 0.52, 0.54), 2819: (0.55, 0.65, 0.75), 5638: (0.8, 0.82, 0.84)}
    rows = [(0.1, size, n, a) for size, found in accuracy.items() for n, a in enumerate(found)]
    table = pd.DataFrame(rows, columns=["o2i", "train_size", "replicate", "test_accuracy"])
    found = minimal_size(table, 0.64)
    assert found[["size", "low", "high"]].to_numpy().tolist() == [[2819.0, 2819.0, 5638.0]]
    pd.testing.assert_frame_equal(found, minimal_size(table, 0.64))
    above = minimal_size(table, 0.83)
    assert above[["size", "high"]].to_numpy().tolist() == [[math.inf, math.inf]]
    assert above["low"][0] == 5638.0


def test_one_run_a_size_has_no_interval() -> None:
    found = minimal_size(learning(replicates=1), 0.62)
    assert found[["low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize("by", [("o2i",), ("o2i", "head")])
def test_groups(by: tuple[str, ...]) -> None:
    table = pd.concat([learning().assign(head=head) for head in ("cnn", "mean")][: len(by)])
    found = minimal_size(table, by=by)
    assert list(found) == [*by, "control", "size", "low", "high", "largest", "told"]
    assert len(found) == 4 * len(by)
