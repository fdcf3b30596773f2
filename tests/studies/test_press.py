"""Pictures -> grids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from histopress.core.errors import RecipeError
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import encode
from histopress.studies.crops import coloured
from histopress.studies.pictures import Sample
from histopress.studies.press import PressRule, cut, press


@dataclass(frozen=True)
class Grey:
    """Pictures of one height and width, of random grey."""

    height: int = 70
    width: int = 100
    count: int = 3
    identity: str = "grey"
    o2i: float = 0.0

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, 1

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.arange(self.count) % 2

    def __len__(self) -> int:
        return self.count

    def draw(self, index: int) -> Sample:
        random = np.random.default_rng(index)
        return Sample(random.integers(0, 256, self.shape, np.uint8), index % 2, np.empty((0, 4), np.int64))


@pytest.mark.parametrize(("tile", "overlap", "shape"), [(32, 1, (3, 4)), (32, 2, (4, 6)), (128, 1, (1, 1))])
def test_every_px_lies_in_a_tile_and_tiles_are_where_the_lattice_says(
    tile: int, overlap: int, shape: tuple[int, int]
) -> None:
    picture = np.random.default_rng(0).integers(1, 256, (70, 100, 1), np.uint8)
    rule = PressRule(tile, overlap)
    assert rule.shape(70, 100) == shape
    tiles = cut(picture, rule).reshape(*shape, tile, tile, 1)
    seen = np.zeros_like(picture)
    for row in range(shape[0]):
        for col in range(shape[1]):
            y, x = row * rule.step, col * rule.step
            part = picture[y : y + tile, x : x + tile]
            assert np.array_equal(tiles[row, col, : part.shape[0], : part.shape[1]], part)
            assert not tiles[row, col, part.shape[0] :].any()
            seen[y : y + tile, x : x + tile] = 1
    assert seen.all()


def test_an_object_of_half_a_tile_lies_in_one_whole_tile_where_they_overlap_by_half() -> None:
    rule, side = PressRule(32, 2), 16
    for top in range(70 - side):
        starts = np.arange(rule.shape(70, 70)[0]) * rule.step
        assert ((starts <= top) & (top + side <= starts + rule.tile)).any()


def test_a_grid_holds_the_codes_of_the_tiles() -> None:
    pictures, rule = Grey(), PressRule(64, 1, 2)
    encoder = load_encoder("mean-rgb")
    grids = list(press("set", pictures, encoder, rule))
    assert [g.slide.slide for g in grids] == ["set-0", "set-1", "set-2"]
    assert [g.shape for g in grids] == [rule.shape(70, 100)] * 3
    codes = encode(encoder, coloured(cut(pictures.draw(1).picture, rule), 2))
    assert np.array_equal(grids[1].features, codes.astype(np.float16))
    assert len({g.identity for g in grids}) == 3
    assert grids[0].lattice.box(0, 1).x == pytest.approx(64)


def test_tiles_must_be_as_large_as_the_encoder_takes() -> None:
    with pytest.raises(RecipeError, match="takes tiles of 128 px"):
        next(press("set", Grey(), load_encoder("mean-rgb"), PressRule(64)))
    with pytest.raises(RecipeError, match="divisor"):
        PressRule(64, 3)
