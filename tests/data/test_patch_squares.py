"""Where tiles lie in a picture, and what they show."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.core.geometry import Box
from histopress.data.patch_squares import field_px, show, squares
from histopress.data.patch_task import PatchTask, Small


def task(small: Small = "fail", stride: float = 1.0, spacing: float = 0.25) -> PatchTask:
    return PatchTask("t", "regression", "table", spacing=spacing, small=small, stride=stride)


@pytest.mark.parametrize("stride", [0.3, 0.5, 1.0, 1.7])
@pytest.mark.parametrize("width", [64.0, 65.83, 128.0])
def test_squares_lie_inside_in_the_middle_on_whole_pixels(width: float, stride: float) -> None:
    area = Box(10, 20, 301, 207)
    found = np.array(squares(area, width, task(stride=stride), "a"))
    exact = found[:, :2] - width / 2
    left, top = exact.round().T
    assert np.abs(exact - np.stack([left, top], 1)).max() < 1e-9
    for start, first, length in ((left, area.x, area.width), (top, area.y, area.height)):
        before, after = start.min() - first, first + length - start.max() - width
        assert before >= 0
        assert after >= 0
        assert after - before < 2  # in the middle
        assert before + after < round(width * stride)  # one more would not fit
        steps = np.diff(np.unique(start))
        assert np.unique(steps).size <= 1
        assert (steps == round(width * stride)).all()


def test_one_side_may_be_short() -> None:
    assert squares(Box(0, 0, 200, 50), 100, task("pad"), "a") == [(50, 25, 100), (150, 25, 100)]
    assert squares(Box(0, 0, 200, 50), 100, task("magnify"), "a") == [
        (25, 25, 50),
        (75, 25, 50),
        (125, 25, 50),
        (175, 25, 50),
    ]


def test_the_field_in_stored_pixels() -> None:
    assert field_px(task(), 64.0) == 256
    assert field_px(task(spacing=0.1), 0.3) == 3  # not 2.9999999999999996
    assert field_px(task(spacing=0.243), 64.0) == pytest.approx(263.374, abs=1e-3)


def test_beyond_its_edges_a_picture_is_mirrored() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    shown = show(picture, (3.5, 2.5, 21), 21)
    np.testing.assert_array_equal(shown, np.pad(picture, ((8, 8), (7, 7), (0, 0)), "symmetric"))


def test_fine_stripes_do_not_alias() -> None:
    picture = np.zeros((120, 120, 3), np.uint8)
    picture[:, ::2] = 255
    shown = show(picture, (60, 60, 100.5), 33).astype(float)
    assert abs(shown - 127.5).max() < 20
