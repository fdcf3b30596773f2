"""Slides that tell their own scale, found by id in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import GridError
from histopress.core.geometry import Size, Spacing
from histopress.data.write_slide import write_slide
from histopress.grids.exchange_scale import SlideFolder


def slide(path: Path, spacing: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_slide(path, Size(96, 64), Spacing.square(spacing), np.full((64, 96, 3), 200, np.uint8))


def test_slides_are_found_by_id_in_nested_folders(tmp_path: Path) -> None:
    slide(tmp_path / "deep" / "er" / "a.1.ome.tif", 0.5)
    known = SlideFolder(tmp_path, None)("a.1")
    assert known is not None
    assert (known.size, known.spacing.mean) == (Size(96, 64), pytest.approx(0.5, rel=1e-4))
    assert len(known.hash) == 16
    given = SlideFolder(tmp_path, 0.3)("a.1")
    assert given is not None
    assert given.spacing == Spacing.square(0.3)
    assert SlideFolder(None, None)("a.1") is None


def test_scans_go_before_pictures_and_equal_scans_are_refused(tmp_path: Path) -> None:
    slide(tmp_path / "one" / "a.svs", 0.5)
    (tmp_path / "a.png").write_bytes(b"a preview, never opened")
    assert SlideFolder(tmp_path, None)("a") is not None
    slide(tmp_path / "two" / "a.svs", 0.25)
    with pytest.raises(GridError, match=r"found .*one.*a.svs and .*two.*a.svs"):
        SlideFolder(tmp_path, None)("a")
    with pytest.raises(GridError, match="found none among 1"):
        SlideFolder(tmp_path, None)("b")
