"""The first mask is made ahead, only where it is of use, and only for the file that is compressed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import UnreadableSlideError
from histopress.data.slide import open_slide
from histopress.data.tissue import mask_slide
from histopress.grids.compress import CompressRecipe, compress
from histopress.grids.early import start_mask
from histopress.grids.jobs import find_jobs
from histopress.grids.store import read_grid

MakeSlide = Callable[..., Path]


def test_the_mask_of_the_first_slide_is_the_one_that_would_be_made(
    tmp_path: Path, make_slide: MakeSlide
) -> None:
    recipe = CompressRecipe(encoder="mean-rgb")
    jobs = find_jobs([make_slide("a", 1), make_slide("b", 2)], None, None)
    early = start_mask(jobs, tmp_path / "out", recipe)
    assert list(early) == ["a"]
    _, mask = early["a"].result(timeout=60)
    with open_slide(jobs[0].path, pixels=recipe.pixels) as slide:
        assert np.array_equal(mask.mask, mask_slide(slide, recipe.tissue).mask)


def test_none_is_made_where_it_would_be_of_no_use(tmp_path: Path, make_slide: MakeSlide) -> None:
    path = make_slide("a")
    assert start_mask([], tmp_path, CompressRecipe(encoder="mean-rgb")) == {}
    assert (
        start_mask(find_jobs([path], None, tmp_path / "masks"), tmp_path, CompressRecipe(encoder="mean-rgb"))
        == {}
    )
    compress([path], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    assert (
        start_mask(find_jobs([path], None, None), tmp_path / "out", CompressRecipe(encoder="mean-rgb")) == {}
    )


def test_a_slide_that_cannot_be_read_fails_where_it_is_opened(tmp_path: Path) -> None:
    broken = tmp_path / "a.svs"
    broken.write_bytes(b"no image")
    early = start_mask(find_jobs([broken], None, None), tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    with pytest.raises(UnreadableSlideError):
        early["a"].result(timeout=60)
    (failure,) = compress([broken], tmp_path / "out", CompressRecipe(encoder="mean-rgb")).failures
    assert failure.stage == "open"


def test_a_mask_of_another_file_of_the_same_name_is_not_used(
    tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slide is replaced while libraries are loaded: its mask is made anew."""
    path = make_slide("a", 1, rows=9, cols=12)
    expected = compress([path], tmp_path / "expected", CompressRecipe(encoder="mean-rgb"))
    assert expected.tiles == 7 * 9
    whole = path.read_bytes()
    make_slide("a", 1)
    from histopress.encoders import catalogue

    load = catalogue.load_encoder

    def slow(name: str) -> object:
        make_copy(tmp_path, whole).replace(path)
        return load(name)

    monkeypatch.setattr(catalogue, "load_encoder", slow)
    compress([path], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    assert len(read_grid(tmp_path / "out" / "a.grid.zarr.zip")) == 7 * 9


def make_copy(folder: Path, content: bytes) -> Path:
    (folder / "copy").write_bytes(content)
    return folder / "copy"
