"""Pure noise: nothing in a picture tells its label."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from histopress.core.errors import RecipeError
from histopress.metrics.scores import auroc
from histopress.studies.noise_pictures import NoisePictures
from histopress.studies.pictures import Pictures

SMALL = NoisePictures(height=9, width=14, channels=3, count=301, seed=3)


def test_the_published_size_is_the_default() -> None:
    noise = NoisePictures()
    assert isinstance(noise, Pictures)
    assert (len(noise), noise.shape, noise.o2i) == (11_276, (512, 512, 1), 0.0)


def test_labels_are_half_and_half_and_known_without_drawing() -> None:
    assert np.bincount(SMALL.labels).tolist() == [151, 150]
    assert [SMALL.draw(row).label for row in range(50)] == SMALL.labels[:50].tolist()
    assert SMALL.labels.tolist() != sorted(SMALL.labels) and 0 < SMALL.labels[::2].mean() < 1


def test_pixels_are_uniform_and_there_is_no_object() -> None:
    samples = [SMALL.draw(row) for row in range(100)]
    pixels = np.stack([s.picture for s in samples])
    assert pixels.shape == (100, 9, 14, 3) and pixels.dtype == np.uint8 and pixels.flags.writeable
    counts = np.bincount(pixels.ravel(), minlength=256)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 340  # chi squared of 255, p = 0.0003
    assert all(s.boxes.shape == (0, 4) for s in samples)


def test_brightness_does_not_tell_the_label() -> None:
    means = [float(SMALL.draw(row).picture.mean()) for row in range(301)]
    assert abs(auroc(SMALL.labels == 1, means)[0] - 0.5) < 0.1


def test_the_same_number_gives_the_same_picture_anywhere() -> None:
    there = pickle.loads(pickle.dumps(SMALL))
    assert np.array_equal(there.draw(17).picture, SMALL.draw(17).picture)
    others = [
        NoisePictures(9, 14, 3, 301, 4),
        NoisePictures(9, 14, 3, 301, 3, "test"),
    ]
    for other in others:
        assert other.identity != SMALL.identity
        assert not np.array_equal(other.draw(17).picture, SMALL.draw(17).picture)
        assert other.labels.tolist() != SMALL.labels.tolist()


def test_labels_handed_out_can_be_changed_without_harm() -> None:
    SMALL.labels[:] = 7
    assert set(SMALL.labels) == {0, 1}


def test_a_number_beyond_the_last_is_no_picture() -> None:
    with pytest.raises(IndexError, match="picture 301 of 301"):
        SMALL.draw(301)


@pytest.mark.parametrize("settings", [{"height": 0}, {"channels": 2}, {"count": 0}, {"seed": -1}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match="expected 1 or more"):
        NoisePictures(**settings)
