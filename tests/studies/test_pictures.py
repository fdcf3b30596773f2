"""Choices of pictures and other labels for them: what every simulated data set relies on."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from histopress.core.errors import RecipeError
from histopress.studies.noise_pictures import NoisePictures
from histopress.studies.pictures import (
    Chosen,
    Pictures,
    Relabelled,
    Sample,
    balanced,
    drawn,
    mislabelled,
    permuted,
)

BASE = NoisePictures(height=4, width=6, channels=3, count=120, seed=5)


@dataclass(frozen=True)
class Uneven:
    """Three classes of 60, 30 and 10 pictures."""

    identity: str = "uneven"
    shape: tuple[int, int, int] = (2, 3, 1)
    o2i: float = 0.25

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.repeat([0, 1, 2], [60, 30, 10])

    def __len__(self) -> int:
        return 100

    def draw(self, index: int) -> Sample:
        return Sample(
            np.full(self.shape, index, np.uint8), int(self.labels[index]), np.empty((0, 4), np.int64)
        )


def test_a_choice_is_the_pictures_chosen_in_its_order() -> None:
    chosen = Chosen(BASE, (7, 3, 7))
    assert isinstance(chosen, Pictures) and len(chosen) == 3 and chosen.shape == BASE.shape
    assert chosen.o2i == BASE.o2i and Chosen(Uneven(), (1,)).o2i == 0.25
    assert chosen.labels.tolist() == BASE.labels[[7, 3, 7]].tolist()
    assert np.array_equal(chosen.draw(1).picture, BASE.draw(3).picture)
    assert np.array_equal(drawn(chosen, [0, 2])[0], drawn(chosen, [0, 2])[1])
    assert len({chosen.identity, BASE.identity, Chosen(BASE, (3, 7, 7)).identity}) == 3


def test_sizes_of_training_are_balanced_and_nested() -> None:
    sizes = [balanced(Uneven(), count, seed=3) for count in (3, 9, 18, 30)]
    for chosen, count in zip(sizes, (3, 9, 18, 30), strict=True):
        assert len(chosen) == count == len(set(chosen.rows))
        assert np.bincount(chosen.labels).tolist() == [count // 3] * 3
    for fewer, more in pairwise(sizes):
        assert more.rows[: len(fewer)] == fewer.rows


def test_other_seeds_choose_others() -> None:
    assert balanced(BASE, 40, seed=1) == balanced(BASE, 40, seed=1)
    assert set(balanced(BASE, 40, seed=1).rows) != set(balanced(BASE, 40, seed=2).rows)


@pytest.mark.parametrize("count", [2, 33])
def test_more_than_there_are_or_fewer_than_classes_are_refused(count: int) -> None:
    with pytest.raises(RecipeError, match="10 of class 2"):
        balanced(Uneven(), count, seed=0)


def test_permuted_labels_are_the_same_ones_dealt_anew() -> None:
    null = permuted(BASE, seed=4)
    assert sorted(null.labels) == sorted(BASE.labels)
    assert (null.labels == BASE.labels).mean() == 0.5  # of two equal classes
    assert null == permuted(BASE, seed=4) and null.identity != permuted(BASE, seed=5).identity
    assert np.array_equal(null.draw(9).picture, BASE.draw(9).picture)
    assert [null.draw(row).label for row in range(120)] == null.labels.tolist()


def test_every_true_class_gets_the_permuted_labels_in_the_same_shares() -> None:
    truth, null = Uneven().labels, permuted(Uneven(), seed=1).labels
    assert sorted(null) == sorted(truth)
    for true in range(3):
        shares = np.bincount(null[truth == true], minlength=3) / (truth == true).sum()
        assert np.abs(shares - [0.6, 0.3, 0.1]).max() <= 0.1


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_exactly_that_share_of_labels_is_wrong(share: float) -> None:
    wrong = mislabelled(Uneven(), share, seed=2)
    assert (wrong.labels != Uneven().labels).sum() == round(100 * share)
    assert set(wrong.labels) <= {0, 1, 2}


def test_a_larger_share_keeps_the_wrong_labels_of_a_smaller_one() -> None:
    few, many = (np.flatnonzero(mislabelled(BASE, share, 2).labels != BASE.labels) for share in (0.1, 0.4))
    assert set(few) < set(many)


def test_wrong_labels_are_spread_over_the_other_classes() -> None:
    labels = mislabelled(Uneven(), 1.0, seed=1).labels[:60]
    assert 15 < (labels == 1).sum() < 45 and (labels == 0).sum() == 0


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_outside_of_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(RecipeError, match="from 0 to 1"):
        mislabelled(BASE, share, seed=0)


def test_wrappers_travel_to_other_processes() -> None:
    nested = permuted(balanced(BASE, 30, seed=1), seed=2)
    there = pickle.loads(pickle.dumps(nested))
    assert isinstance(there, Relabelled) and there == nested and there.identity == nested.identity
    assert np.array_equal(there.draw(11).picture, nested.draw(11).picture)
