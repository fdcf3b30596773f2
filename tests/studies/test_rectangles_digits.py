"""Stamps of digits: how they are cut, and that no digit is in two parts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import PatchError
from histopress.studies.mnist_files import Digits, read_mnist
from histopress.studies.rectangles import RectanglesRecipe, draw_scene
from histopress.studies.rectangles_digits import PARTS, SHARES, chosen, deal, read_stamps, stamped

MakeDigits = Callable[[int, int], Digits]
WriteDigits = Callable[[Path, int, int], Path]


def test_every_third_pixel_is_kept_and_dark_ones_are_no_ink() -> None:
    digits = np.zeros((2, 28, 28), np.uint8)
    digits[0, 1, 4], digits[0, 25, 1], digits[0, 2, 2] = 64, 255, 255
    digits[1, 1, 1] = 63
    stamps = stamped(digits)
    assert stamps.shape == (2, 9, 9) and set(np.unique(stamps)) == {0, 255}
    assert np.argwhere(stamps).tolist() == [[0, 0, 1], [0, 8, 0]]


def test_parts_hold_every_class_by_their_shares_and_no_digit_twice(
    easy_digits: MakeDigits,
) -> None:
    digits = easy_digits(400, 0)
    dealt = deal(digits, SHARES, seed=3)
    assert {part: len(stamps) for part, stamps in dealt.items()} == {
        "encoder": 120,
        "train": 200,
        "tuning": 80,
    }
    for part, stamps in dealt.items():
        assert np.array_equal(stamps.counts, np.full(10, round(40 * SHARES[part])))
        assert (np.diff(stamps.classes.astype(int)) >= 0).all()
        assert np.array_equal(stamps.classes, digits.labels[stamps.sources])
        assert np.array_equal(stamps.pictures, stamped(digits.pictures[stamps.sources]))
    sources = np.concatenate([stamps.sources for stamps in dealt.values()])
    assert np.array_equal(np.sort(sources), np.arange(400))


def test_the_same_seed_deals_alike_and_another_does_not(easy_digits: MakeDigits) -> None:
    digits = easy_digits(200, 0)
    first, again, other = (deal(digits, SHARES, seed=seed)["train"] for seed in (1, 1, 2))
    assert first.identity == again.identity != other.identity
    assert np.array_equal(first.sources, again.sources)


def test_test_digits_are_those_of_the_test_files(write_digits: WriteDigits, tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "mnist", 200, 60)
    stamps = read_stamps(folder)
    assert set(stamps) == set(PARTS)
    assert np.array_equal(np.sort(stamps["test"].sources), np.arange(60))
    held = read_mnist(folder, "test")
    assert np.array_equal(stamps["test"].pictures, stamped(held.pictures[stamps["test"].sources]))
    learned = [stamps[part].sources for part in ("encoder", "train", "tuning")]
    assert all(not np.intersect1d(a, b).size for a, b in combinations(learned, 2))


def test_a_scene_takes_stamps_of_its_classes_and_every_one_at_some_time(
    easy_digits: MakeDigits,
) -> None:
    stamps = deal(easy_digits(230, 0), {"test": 1.0}, seed=0)["test"]
    recipe = RectanglesRecipe(side=30, digits=600, shortest=4, longest=8)
    seen = np.zeros(len(stamps), np.int64)
    for index in range(40):
        scene = draw_scene(recipe, 0, index)
        rows = chosen(scene, stamps.counts)
        assert np.array_equal(stamps.classes[rows], scene.classes)
        seen += np.bincount(rows, minlength=len(stamps))
    expected = 40 * 600 / len(stamps)
    assert seen.min() > 0.6 * expected and seen.max() < 1.4 * expected


def test_too_few_digits_or_others_are_refused(easy_digits: MakeDigits) -> None:
    with pytest.raises(PatchError, match="none for the"):
        deal(easy_digits(10, 0), SHARES, seed=0)
    with pytest.raises(PatchError, match="28 x 28"):
        deal(Digits(np.zeros((20, 8, 8), np.uint8), np.zeros(20, np.uint8)), SHARES, seed=0)


def test_the_digits_that_are_named_become_the_first_classes(easy_digits: MakeDigits) -> None:
    digits = easy_digits(230, 0)
    plain, named = (deal(digits, SHARES, seed=1, first=first)["train"] for first in ((), (2, 8)))
    order = np.array([2, 8, 0, 1, 3, 4, 5, 6, 7, 9])
    assert np.array_equal(order[named.classes], digits.labels[named.sources])
    assert np.array_equal(np.sort(named.sources), np.sort(plain.sources))
