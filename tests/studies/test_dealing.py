"""Drawing evenly and dealing labels anew, over classes of any sizes."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.studies.dealing import dealt_anew, even_order

LABELS = {
    "even": np.repeat([0, 1], 20),
    "rare": np.repeat(["negative", "positive"], [37, 3]),
    "three": np.resize([0, 1, 1, 2, 2, 2], 41),
    "one": np.zeros(7, np.int64),
}


@pytest.mark.parametrize("kind", LABELS)
def test_the_first_rows_hold_every_class_in_its_share(kind: str) -> None:
    labels = LABELS[kind]
    order = even_order(labels, np.random.default_rng(3))
    assert sorted(order) == list(range(len(labels)))
    for count in range(1, len(labels) + 1):
        for c in np.unique(labels):
            expected = count * np.mean(labels == c)
            assert abs(np.sum(labels[order[:count]] == c) - expected) < 1.01


def test_which_rows_of_a_class_come_first_is_chance() -> None:
    labels = LABELS["even"]
    first = [even_order(labels, np.random.default_rng(seed))[0] for seed in range(200)]
    assert set(first) == set(range(20))  # of the first class, each of its rows some time


@pytest.mark.parametrize("kind", LABELS)
def test_labels_dealt_anew_are_the_same_ones_in_equal_shares(kind: str) -> None:
    labels = LABELS[kind]
    dealt = dealt_anew(labels, np.random.default_rng(1))
    assert sorted(dealt) == sorted(labels)
    for truth in np.unique(labels):
        own = dealt[labels == truth]
        for c in np.unique(labels):
            assert abs(np.sum(own == c) - len(own) * np.mean(labels == c)) < 1.01


def test_every_label_gets_anywhere() -> None:
    labels = LABELS["even"]
    dealt = np.stack([dealt_anew(labels, np.random.default_rng(seed)) for seed in range(200)])
    assert np.all((dealt.mean(0) > 0.3) & (dealt.mean(0) < 0.7))
    assert len(np.unique(dealt, axis=0)) == 200
