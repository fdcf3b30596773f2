"""What came of a training: did it fit its training part, and does what it learned hold for others?"""

from __future__ import annotations

from typing import Literal

from histopress.core.errors import RecipeError

Outcome = Literal["learned", "weak", "generalisation failure", "optimisation failure"]

DOUBT = 1e-3
"""An accuracy is above chance if guessing reached it less often than this (one-sided, exact binomial)."""
FITS = 0.1
"""A training part is fitted from this share of the way from chance to no error on: 55 % of two classes."""
LEARNED = 0.4
"""A task is learned from this share of that way on, by the test part: 70 % of two classes."""


def outcome(
    train_accuracy: float,
    train_count: int,
    test_accuracy: float,
    test_count: int,
    classes: int,
    *,
    train_chance: float = 0.0,
    test_chance: float = 0.0,
) -> Outcome:
    """Tell failures of optimisation from failures of generalisation.

    The test part is asked first, since labels may be wrong in the training part alone:

    - learned: test accuracy is above chance beyond doubt (`DOUBT`), and no less than `LEARNED`;
    - weak: it is above chance beyond doubt, but less than that;
    - generalisation failure: it is not, though the training part is fitted (`DOUBT` and `FITS`): memorised;
    - optimisation failure: the training part is not fitted either.

    Args:
        train_accuracy: 0 to 1, the highest that was reached, so that choosing weights by the tuning part does
            not hide that there were others which fit.
        train_count: pictures behind it.
        test_accuracy: 0 to 1.
        test_count: pictures behind it.
        classes: how many there are.
        train_chance: accuracy of always naming the largest class; 0 for classes alike.
        test_chance: likewise.

    Raises:
        RecipeError: something that cannot be.
    """
    _check(classes, (train_accuracy, test_accuracy, train_chance, test_chance), (train_count, test_count))
    train_chance, test_chance = (chance or 1 / classes for chance in (train_chance, test_chance))
    if above_chance(test_accuracy, test_count, test_chance):
        return "learned" if _way(test_accuracy, test_chance) >= LEARNED else "weak"
    fitted = above_chance(train_accuracy, train_count, train_chance)
    return (
        "generalisation failure"
        if fitted and _way(train_accuracy, train_chance) >= FITS
        else "optimisation failure"
    )


def above_chance(accuracy: float, count: int, chance: float, doubt: float = DOUBT) -> bool:
    """Whether guessing reaches an accuracy on so many pictures less often than `doubt`."""
    from scipy.stats import binom

    return bool(binom.sf(round(accuracy * count) - 1, count, chance) < doubt)


def _way(accuracy: float, chance: float) -> float:
    """From chance (0) to no error (1); nearly so, that a threshold is reached where it is met exactly."""
    return (accuracy - chance) / (1 - chance) + 1e-9


def _check(classes: int, shares: tuple[float, ...], counts: tuple[int, ...]) -> None:
    if classes < 2 or min(counts) < 1 or not all(0 <= share <= 1 for share in shares):
        raise RecipeError(
            f"{classes} classes, accuracies and chances {shares}, of {counts} pictures: expected two classes "
            "or more, shares from 0 to 1, and pictures; correct them"
        )
    if max(shares[2:]) >= 1:
        raise RecipeError("a part holds one class only, so chance is never wrong; expected two or more")
