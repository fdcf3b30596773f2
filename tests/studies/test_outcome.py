"""Failures of optimisation and of generalisation are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.core.errors import RecipeError
from histopress.studies.outcome import DOUBT, above_chance, outcome


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        (1.0, 0.95, "learned"),
        (1.0, 0.70, "learned"),
        (1.0, 0.69, "weak"),
        (0.52, 0.60, "weak"),
        (1.0, 0.51, "generalisation failure"),
        (0.60, 0.50, "generalisation failure"),
        (1.0, 0.40, "generalisation failure"),
        (0.50, 0.50, "optimisation failure"),
        (0.54, 0.50, "optimisation failure"),
        (0.30, 0.30, "optimisation failure"),
    ],
)
def test_two_classes_alike(train: float, test: float, expected: str) -> None:
    assert outcome(train, 2000, test, 4040, 2) == expected


def test_few_pictures_leave_doubt() -> None:
    assert outcome(0.9, 20, 0.7, 20, 2) == "generalisation failure"
    assert outcome(0.7, 20, 0.7, 20, 2) == "optimisation failure"
    assert outcome(0.7, 20, 0.9, 20, 2) == "learned"


def test_wrong_labels_in_the_training_part_alone_hide_nothing() -> None:
    assert outcome(0.52, 2000, 0.9, 4040, 2) == "learned"


def test_more_classes_have_a_lower_chance() -> None:
    assert outcome(0.3, 2000, 0.5, 2000, 10) == "learned"
    assert outcome(0.3, 2000, 0.3, 2000, 10) == "weak"
    assert outcome(0.3, 2000, 0.1, 2000, 10) == "generalisation failure"
    assert outcome(0.15, 2000, 0.1, 2000, 10) == "optimisation failure"


def test_chance_is_the_share_of_the_largest_class() -> None:
    assert outcome(0.9, 2000, 0.8, 2000, 2, train_chance=0.8, test_chance=0.8) == "generalisation failure"
    assert outcome(0.8, 2000, 0.8, 2000, 2, train_chance=0.8, test_chance=0.8) == "optimisation failure"
    assert outcome(0.8, 2000, 0.9, 2000, 2, train_chance=0.8, test_chance=0.8) == "learned"


def test_guessing_is_hardly_ever_above_chance() -> None:
    guessed = np.random.default_rng(0).binomial(100, 0.5, 20_000) / 100
    taken = [accuracy for accuracy in np.unique(guessed).tolist() if above_chance(accuracy, 100, 0.5)]
    assert np.isin(guessed, taken).mean() < 2 * DOUBT


def test_the_limit_is_that_of_the_exact_binomial() -> None:
    assert above_chance(0.66, 100, 0.5)
    assert not above_chance(0.65, 100, 0.5)
    assert not above_chance(1.0, 9, 0.5)
    assert above_chance(1.0, 10, 0.5)


@pytest.mark.parametrize(
    "wrong",
    [(1.1, 9, 0.5, 9, 2), (0.5, 0, 0.5, 9, 2), (0.5, 9, -0.1, 9, 2), (0.5, 9, 0.5, 9, 1)],
)
def test_what_cannot_be_is_refused(wrong: tuple[float, int, float, int, int]) -> None:
    with pytest.raises(RecipeError, match="expected two classes"):
        outcome(*wrong)
    with pytest.raises(RecipeError, match="one class only"):
        outcome(0.5, 9, 0.5, 9, 2, test_chance=1.0)
