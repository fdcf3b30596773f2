"""Other settings on the same folder: never the old grids without a word, never a mixture of both."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from histopress.core.errors import GridError
from histopress.data.tissue import TissueRecipe
from histopress.encoders.engine import Engine
from histopress.grids import compress as compress_module
from histopress.grids import compressor, store
from histopress.grids.compress import CompressRecipe, Resources, compress

MakeSlide = Callable[..., Path]
BEFORE = CompressRecipe(encoder="mean-rgb")
CHANGES = {
    "tissue_share": (replace(BEFORE, tissue_share=0.9), "settings tissue_share: 0.25 there, 0.9 asked"),
    "pixels": (replace(BEFORE, pixels="exact"), "settings pixels: 'scaled' there, 'exact' asked"),
    "reader": (replace(BEFORE, reader="openslide"), "settings reader: 'histopress' there"),
    "on_bad_tile": (replace(BEFORE, on_bad_tile="white"), "settings on_bad_tile: 'skip' there"),
    "tissue": (replace(BEFORE, tissue=TissueRecipe(faint=0.02)), "settings tissue: "),
    "spacing": (replace(BEFORE, spacing=0.25), "slide spacing: "),
    "mask": (replace(BEFORE, mask=Path("masks")), "settings mask: None there"),
    "spacing_tolerance": (replace(BEFORE, spacing_tolerance=0.0), "lattice "),
}
OVERWRITE = Resources(overwrite=True)


@pytest.fixture
def slide(tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A slide whose spacing is given as 0.505 um/px, and a mask for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "CHUNK", 16)
    monkeypatch.setattr(compressor, "BATCH", 16)
    (tmp_path / "masks").mkdir()
    mask = np.zeros((12, 15), np.uint8)
    mask[2:8, 3:9] = 255
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    (tmp_path / "cohort.csv").write_text("patient,slide,spacing\np,slides/a.tiff,0.505\n")
    return make_slide("a", 1, 12, 15)


def press(slide: Path, output: str, recipe: CompressRecipe, resources: Resources | None = None) -> str:
    """The reason why the slide failed, empty if it did not."""
    given = recipe if recipe.spacing else replace(recipe, spacing=0.505)
    summary = compress([slide], Path(output), given, resources)
    rows = list(csv.DictReader(Path(output, "failures.csv").read_text().splitlines()))
    assert len(rows) == len(summary.failures)
    return " ".join(f"{row['reason']}; {row['remedy']}" for row in rows)


def grid_in(output: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.find_grids(Path(output))}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_setting_is_named_and_replaces_only_when_asked(slide: Path, name: str) -> None:
    changed, difference = CHANGES[name]
    assert not press(slide, "out", BEFORE)
    assert not press(slide, "straight", changed)
    before = grid_in("out")
    reason = press(slide, "out", changed)
    assert "was made with other settings" in reason
    assert difference in reason
    assert "--overwrite" in reason
    assert grid_in("out") == before
    assert not press(slide, "out", changed, OVERWRITE)
    assert grid_in("out") == grid_in("straight") != before
    assert not press(slide, "out", changed)
    assert "was made with other settings" in press(slide, "out", BEFORE)


@pytest.mark.parametrize("name", CHANGES)
def test_an_unfinished_grid_of_other_settings_is_not_taken_up(
    slide: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, _ = CHANGES[name]
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "encode", failing_at(5))
        assert "stopped here" in press(slide, "out", BEFORE)
    press(slide, "out", changed)
    press(slide, "straight", changed)
    assert grid_in("out") == grid_in("straight")


def failing_at(number: int) -> Callable[[Engine, Any], Any]:
    """What encodes, but for one batch."""
    encode, calls = Engine.encode, []

    def fail(self: Engine, tiles: Any) -> Any:
        calls.append(len(tiles))
        if len(calls) == number:
            raise RuntimeError("stopped here")
        return encode(self, tiles)

    return fail


def test_a_tolerance_that_changes_nothing_is_no_change(slide: Path) -> None:
    press(slide, "out", BEFORE)
    assert compress([slide], Path("out"), replace(BEFORE, spacing=0.505, spacing_tolerance=0.03)).skipped == 1


def test_a_changed_mask_is_noticed(slide: Path) -> None:
    recipe = replace(BEFORE, mask=Path("masks"))
    assert not press(slide, "out", recipe)
    Image.fromarray(np.full((12, 15), 255, np.uint8)).save("masks/a.png")
    assert "settings mask: " in press(slide, "out", recipe)


def test_another_encoder_is_refused(slide: Path) -> None:
    press(slide, "out", BEFORE)
    before = grid_in("out")
    other = replace(BEFORE, encoder="mean-rgb:tile=64")
    with pytest.raises(GridError, match="holds grids of encoder mean-rgb "):
        press(slide, "out", other)
    assert grid_in("out") == before
    assert not press(slide, "out", other, OVERWRITE)
    assert not press(slide, "straight", other)
    assert grid_in("out") == grid_in("straight")
    with pytest.raises(GridError, match="holds grids of encoder mean-rgb:tile=64"):
        press(slide, "out", BEFORE)


def test_an_overwrite_that_stopped_leaves_no_mixture(
    slide: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One slide has its new grid, the other its old one, which is told as soon as anybody asks."""
    slides = [slide, make_slide("b", 2, 12, 15)]
    recipe, other = replace(BEFORE, spacing=0.505), replace(BEFORE, spacing=0.505, encoder="mean-rgb:tile=64")
    compress(slides, Path("out"), recipe)
    with monkeypatch.context() as patch:
        encode, calls = Engine.encode, []

        def stop(self: Engine, tiles: Any) -> Any:
            calls.append(len(tiles))
            if sum(calls) > 500:
                raise KeyboardInterrupt
            return encode(self, tiles)

        patch.setattr(Engine, "encode", stop)
        with pytest.raises(KeyboardInterrupt):
            compress(slides, Path("out"), other, OVERWRITE)
    assert sorted(grid_in("out")) == ["a.grid.zarr.zip", "b.grid.zarr.zip"]
    with pytest.raises(GridError, match="holds grids of encoder"):
        compress(slides, Path("out"), recipe)
    summary = compress(slides, Path("out"), other)
    assert (summary.skipped, len(summary.failures)) == (1, 1)
    assert "encoder" in next(iter(summary.failures)).reason
    compress(slides, Path("out"), other, OVERWRITE)
    compress(slides, Path("straight"), other)
    assert grid_in("out") == grid_in("straight")


def test_another_precision_is_named(slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    press(slide, "out", BEFORE)
    start = compress_module.start_engine

    def half(*arguments: Any, **options: Any) -> Engine:
        engine = start(*arguments, **options)
        engine.choice = replace(engine.choice, precision="bf16")
        return engine

    monkeypatch.setattr(compress_module, "start_engine", half)
    assert "settings precision: 'fp32' there, 'bf16' asked" in press(slide, "out", BEFORE)


def test_the_other_form_of_a_grid_does_not_stay_beside_the_new_one(slide: Path) -> None:
    changed, _ = CHANGES["tissue_share"]
    press(slide, "out", BEFORE, Resources(folders=True))
    assert "other settings" in press(slide, "out", changed)
    assert not press(slide, "out", changed, OVERWRITE)
    assert [path.name for path in store.find_grids(Path("out"))] == ["a.grid.zarr.zip"]
    assert not press(slide, "out", changed)
    assert not press(slide, "out", BEFORE, Resources(folders=True, overwrite=True))
    assert [path.name for path in store.find_grids(Path("out"))] == ["a.grid.zarr"]
    assert store.read_header(Path("out", "a.grid.zarr")).settings["tissue_share"] == 0.25


def test_a_grid_that_was_damaged_on_the_disk_is_told_and_replaced(slide: Path) -> None:
    press(slide, "out", BEFORE)
    stored, whole = Path("out", "a.grid.zarr.zip"), grid_in("out")
    content = stored.read_bytes()
    for damaged in (b"", content[:100], content[: len(content) // 2], content[:-1]):
        stored.write_bytes(damaged)
        assert "--overwrite" in press(slide, "out", BEFORE)
        assert stored.read_bytes() == damaged
        assert not press(slide, "out", BEFORE, OVERWRITE)
        assert grid_in("out") == whole
