"""Signals from words: effects, codes, grids and folders of tiles, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histopress.core.errors import EncoderError, GridError, PatchError, RecipeError
from histopress.encoders.encoder import save_encoder
from histopress.encoders.untrained import mean_rgb
from histopress.grids.store import grid_path, write_grid
from histopress.studies.drawn_grids import Drawing
from histopress.studies.planting_load import load_signal
from histopress.studies.planting_negatives import drawn_negatives
from histopress.studies.planting_signal import EffectSignal, TileSignal

COLOURS = ((200, 30, 90), (10, 120, 250))


@pytest.fixture
def grids(tmp_path: Path) -> Path:
    """A folder as `compress` leaves it: a grid, and its encoder."""
    folder, encoder = tmp_path / "grids", mean_rgb(0.5, 16)
    drawing = Drawing("colours", encoder.card.identity, 3, 16, 0.5)
    cells = np.argwhere(np.ones((3, 5))).astype(np.int32)
    codes = np.random.default_rng(0).random((15, 3)).astype(np.float32)
    write_grid(grid_path(folder, "a"), drawing.grid("a", (3, 5), cells, codes))
    save_encoder(encoder, folder / "encoder")
    return folder


def tiles(folder: Path, width: int = 16, height: int = 16) -> Path:
    folder.mkdir()
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (width, height), colour).save(folder / f"{number}.png")
    return folder


def test_effects() -> None:
    assert load_signal("effect:2.5") == EffectSignal(2.5, 0.1, 0)
    assert load_signal("effect:-1:0.5", seed=3) == EffectSignal(-1.0, 0.5, 3)


@pytest.mark.parametrize(
    "text", ["effect", "effect:", "effect:much", "effect:1:2:3", "effect:1:0", "effect:nan"]
)
def test_effects_that_are_none(text: str) -> None:
    with pytest.raises(RecipeError, match="expected"):
        load_signal(text)


def test_codes_come_from_npy_and_npz(tmp_path: Path, grids: Path) -> None:
    codes = np.random.default_rng(1).random((7, 3))
    np.save(tmp_path / "a.npy", codes)
    np.savez(tmp_path / "b.npz", codes=codes, labels=np.arange(7))
    for name in ("a.npy", "b.npz"):
        found = load_signal(str(tmp_path / name), grids)
        assert isinstance(found, TileSignal) and found.codes.dtype == np.float32
        assert np.allclose(found.codes, codes)


def test_all_cells_of_a_grid_are_the_signal(grids: Path) -> None:
    found = load_signal(str(grid_path(grids, "a")), grids)
    assert isinstance(found, TileSignal) and found.codes.shape == (15, 3)


@pytest.mark.parametrize("size", [(16, 16), (40, 21)])
def test_tiles_are_encoded_as_the_grids_were(tmp_path: Path, grids: Path, size: tuple[int, int]) -> None:
    found = load_signal(str(tiles(tmp_path / "tiles", *size)), grids, device="cpu")
    assert isinstance(found, TileSignal)
    assert np.allclose(found.codes, np.array(COLOURS) / 255, atol=1e-6)
    assert found.encoder == mean_rgb(0.5, 16).card.identity


def test_what_does_not_fit_is_told(tmp_path: Path, grids: Path) -> None:
    np.save(tmp_path / "wide.npy", np.ones((2, 9)))
    np.save(tmp_path / "flat.npy", np.ones(9))
    np.savez(tmp_path / "two.npz", a=np.ones((2, 3)), b=np.ones((2, 3)))
    np.save(tmp_path / "gap.npy", np.full((2, 3), np.nan))
    (tmp_path / "text.npy").write_text("no codes")
    told = {
        "wide.npy": "have 9 numbers, those of the grids in .* 3",
        "flat.npy": "expected numbers .tiles, dim.",
        "two.npz": "holds a, b, expected one array",
        "gap.npy": "expected finite numbers",
        "text.npy": "cannot be read as codes",
    }
    for name, words in told.items():
        with pytest.raises(GridError, match=words):
            load_signal(str(tmp_path / name), grids)
    drawn, _ = drawn_negatives(1, cells=9, dim=3)
    write_grid(grid_path(tmp_path, "other"), drawn["needles-000000"])
    with pytest.raises(GridError, match="expected one encoder"):
        load_signal(str(grid_path(tmp_path, "other")), grids)
    with pytest.raises(RecipeError, match="names nothing that is there"):
        load_signal(str(tmp_path / "nowhere"), grids)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(RecipeError, match=r"is a \.txt file"):
        load_signal(str(tmp_path / "notes.txt"), grids)


def test_tiles_need_the_encoder_of_the_grids(tmp_path: Path, grids: Path) -> None:
    with pytest.raises(PatchError, match="is 12 x 30 px, expected 16 x 16 px or more"):
        load_signal(str(tiles(tmp_path / "small", 12, 30)), grids)
    with pytest.raises(EncoderError, match="no grids are named"):
        load_signal(str(tmp_path / "small"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(PatchError, match="no picture"):
        load_signal(str(tmp_path / "empty"), grids)
