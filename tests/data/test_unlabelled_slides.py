"""Sampled tiles: where they lie, that they are the slide's own pixels, that nothing but the seed decides."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

import histopress.data.unlabelled_slides as module
from histopress.core.errors import PatchError, UnreadableSlideError
from histopress.core.geometry import Box, Spacing
from histopress.data.damage import BadTile, Damage
from histopress.data.slide import open_slide
from histopress.data.tissue import mask_slide
from histopress.data.unlabelled import UnlabelledTiles
from histopress.data.unlabelled_slides import (
    CARD_FILE,
    PLACES_FILE,
    SampleRecipe,
    allot,
    draw_cells,
    draw_pairs,
    sample_slides,
)

RECIPE = SampleRecipe(count=30, tile=64)
PLAIN = replace(RECIPE, tissue=None, count=8, tile=10)


@pytest.fixture(scope="module")
def slides(shared_data: Path) -> list[Path]:
    return [shared_data / "wsi" / name for name in ("cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs")]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unlabelled")


def sample(slides: list[Path], cache: Path, recipe: SampleRecipe = RECIPE) -> UnlabelledTiles:
    return sample_slides(slides, recipe, cache, {slides[-1]: 0.25})


def places(tiles: UnlabelledTiles, cache: Path) -> pd.DataFrame:
    return pd.read_csv(cache / f"unlabelled-{tiles.identity}" / PLACES_FILE)


def picture(path: Path, rows: int, cols: int, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, cols, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_pairs_are_kept_cells_side_by_side() -> None:
    kept = np.random.default_rng(1).random((9, 13)) < 0.5
    pairs = draw_pairs(kept, np.random.default_rng(0))
    assert kept[tuple(pairs[:, 0].T)].all() and kept[tuple(pairs[:, 1].T)].all()
    assert (np.abs(pairs[:, 0] - pairs[:, 1]).sum(axis=1) == 1).all()
    around = np.pad(kept, 1)
    beside = around[:-2, 1:-1] | around[2:, 1:-1] | around[1:-1, :-2] | around[1:-1, 2:]
    assert sorted(map(tuple, pairs[:, 0])) == sorted(map(tuple, np.argwhere(kept & beside)))


def test_every_side_is_drawn_equally_often() -> None:
    pairs = draw_pairs(np.ones((60, 70), bool), np.random.default_rng(3))
    inside = pairs[((pairs[:, 0] > 0) & (pairs[:, 0] < (59, 69))).all(axis=1)]
    steps, counts = np.unique(inside[:, 1] - inside[:, 0], axis=0, return_counts=True)
    assert len(steps) == 4 and np.abs(counts / len(inside) - 0.25).max() < 0.03


def test_a_lone_cell_has_no_neighbour_but_is_a_cell() -> None:
    kept = np.zeros((3, 4), bool)
    assert draw_pairs(kept, np.random.default_rng(0)).shape == (0, 2, 2)
    kept[2, 3] = True
    assert draw_pairs(kept, np.random.default_rng(0)).shape == (0, 2, 2)
    assert draw_cells(kept, np.random.default_rng(0)).tolist() == [[[2, 3]]]


@pytest.mark.parametrize(
    ("available", "count", "expected"),
    [
        ([9, 9, 9], 9, [3, 3, 3]),
        ([9, 1, 9], 9, [4, 1, 4]),
        ([9, 9, 9], 10, [3, 3, 4]),
        ([2, 0, 50], 99, [2, 0, 50]),
        ([], 5, []),
    ],
)
def test_shares_are_equal_as_far_as_there_is_something(
    available: list[int], count: int, expected: list[int]
) -> None:
    assert allot(available, count) == expected


def test_real_slides_give_equal_shares_of_their_own_pixels(slides: list[Path], cache: Path) -> None:
    tiles = sample(slides, cache)
    assert tiles.blocks[0].shape == (30, 2, 64, 64, 3)
    assert np.bincount(tiles.sources).tolist() == [15, 15]
    assert tiles.names == ("cmu-1-small-region", "tcga-cr-7395-01a-01-ts1") and not tiles.failures
    table = places(tiles, cache)
    for name, path, given in zip(tiles.names, slides, (None, 0.25), strict=True):
        with open_slide(path, given) as slide:
            for row in np.flatnonzero(table["slide"] == name)[:4]:
                place, um = table.iloc[row], Spacing.square(table.loc[row, "spacing"])
                for slot, (x, y) in enumerate(
                    ((place["x"], place["y"]), (place["beside_x"], place["beside_y"]))
                ):
                    step = 64 * um.x / slide.spacing.x
                    box = Box(x, y, step, step)
                    np.testing.assert_array_equal(tiles.blocks[0][row, slot], slide.read(box, um))


def test_both_tiles_of_a_row_hold_tissue_and_touch(slides: list[Path], cache: Path) -> None:
    tiles = sample(slides, cache)
    table = places(tiles, cache)
    table = table[table["slide"] == tiles.names[0]]
    away = np.abs(table[["x", "y"]].to_numpy() - table[["beside_x", "beside_y"]].to_numpy())
    assert (np.sort(away, axis=1) == [0, 64]).all()
    with open_slide(slides[0]) as slide:
        mask = mask_slide(slide, RECIPE.tissue or pytest.fail())
        um = slide.spacing.x / mask.spacing.x
        for x, y in table[["beside_x", "beside_y"]].to_numpy() * um:
            part = mask.mask[round(y) : round(y + 64 * um), round(x) : round(x + 64 * um)]
            assert part.mean() > RECIPE.share - 0.2


def test_the_same_seed_gives_the_same_rows_and_another_gives_others(
    slides: list[Path], cache: Path, tmp_path: Path
) -> None:
    first, again = sample(slides, cache), sample(slides, tmp_path)
    assert first.identity == again.identity
    np.testing.assert_array_equal(first.blocks[0], again.blocks[0])
    other = sample(slides, tmp_path, replace(RECIPE, seed=1))
    assert other.identity != first.identity
    assert not np.array_equal(first.blocks[0], other.blocks[0])


def test_what_is_there_is_mapped_and_not_made_again(
    slides: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sample(slides, cache)
    monkeypatch.setattr(module, "open_slide", lambda *_: pytest.fail("opened again"))
    again = sample(slides, cache)
    assert isinstance(again.blocks[0], np.memmap)
    np.testing.assert_array_equal(first.blocks[0], again.blocks[0])
    np.testing.assert_array_equal(first.sources, again.sources)


def test_a_bad_slide_is_listed_and_stops_no_other(slides: list[Path], cache: Path, tmp_path: Path) -> None:
    bad = slides[0].parent / "bad"
    mixed = [bad / "broken.svs", slides[0], tmp_path / "missing.svs"]
    tiles = sample_slides(mixed, replace(RECIPE, count=15), tmp_path)
    assert len(tiles) == 15 and tiles.names == ("cmu-1-small-region",)
    assert [f.item for f in tiles.failures] == [str(mixed[0]), str(mixed[2])]
    assert sample_slides(mixed, replace(RECIPE, count=15), tmp_path).failures == tiles.failures
    alone = sample(slides, cache)
    np.testing.assert_array_equal(tiles.blocks[0], alone.blocks[0][alone.sources == 0])


def test_no_good_slide_is_an_error_with_its_reason(slides: list[Path], tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="states no spacing"):
        sample_slides([slides[1]], RECIPE, tmp_path)
    assert not list(tmp_path.rglob(CARD_FILE))


def test_pictures_without_glass_are_cut_whole(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    wide, small = picture(folder / "wide.png", 27, 43), picture(folder / "small.png", 12, 19, seed=1)
    tiles = sample_slides([folder], PLAIN, tmp_path, 0.5)
    assert tiles.names == ("wide",) and len(tiles) == 8
    assert [Path(f.item) for f in tiles.failures] == [small]
    assert "two tiles side by side" in tiles.failures[0].reason
    pixels = np.asarray(Image.open(wide))
    cut = {pixels[y : y + 10, x : x + 10].tobytes() for y in (0, 10) for x in (0, 10, 20, 30)}
    assert {t.tobytes() for t in tiles.blocks[0][:, 0]} == cut
    single = sample_slides([folder], replace(PLAIN, neighbours=False), tmp_path, 0.5)
    assert single.names == ("small", "wide") and single.slots == 1
    assert np.bincount(single.sources).tolist() == [1, 7] and not single.failures


def test_a_replaced_file_is_sampled_again(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 27, 43)
    first = sample_slides([path], PLAIN, tmp_path, 0.5)
    shutil.copy(picture(tmp_path / "b.png", 27, 43, seed=1), path)
    again = sample_slides([path], PLAIN, tmp_path, 0.5)
    assert first.identity != again.identity
    assert not np.array_equal(first.blocks[0], again.blocks[0])


def test_rows_with_damaged_tiles_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture(tmp_path / "a.png", 27, 43)
    read = module.read_tiles

    def spoilt(slide: object, lattice: object, cells: NDArray[np.int32], *, damage: Damage, **how: object):  # type: ignore[no-untyped-def]
        yield from read(slide, lattice, cells, damage=damage, **how)  # type: ignore[arg-type]
        damage.add(path, BadTile.at(Box(10, 10, 10, 10), UnreadableSlideError("spoilt")), 5)

    monkeypatch.setattr(module, "read_tiles", spoilt)
    tiles = sample_slides([path], PLAIN, tmp_path, 0.5)
    bad = np.asarray(Image.open(path))[10:20, 10:20]
    assert 4 <= len(tiles) < 8
    assert not (tiles.blocks[0] == bad).all(axis=(2, 3, 4)).any()
    table = places(tiles, tmp_path)
    assert len(table) == len(tiles)
    pixels = np.asarray(Image.open(path))
    for row, (x, y) in enumerate(table[["x", "y"]].to_numpy().astype(int)):
        np.testing.assert_array_equal(tiles.blocks[0][row, 0], pixels[y : y + 10, x : x + 10])


def test_a_slide_that_fails_while_it_is_read_leaves_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [picture(tmp_path / f"{name}.png", 27, 43, seed) for seed, name in enumerate("abc")]
    read = module.read_tiles

    def cut_off(slide, *args, **how):  # type: ignore[no-untyped-def]
        if slide.path == paths[1]:
            raise UnreadableSlideError(f"{slide.path} is cut off; copy it again")
        return read(slide, *args, **how)

    monkeypatch.setattr(module, "read_tiles", cut_off)
    tiles = sample_slides(paths, replace(PLAIN, count=9), tmp_path, 0.5)
    assert tiles.names == ("a", "c") and tiles.sources.tolist() == [0, 0, 0, 1, 1, 1]
    assert [(f.stage, f.remedy) for f in tiles.failures] == [("read", "copy it again")]
    assert (tiles.blocks[0] > 0).any(axis=(1, 2, 3, 4)).all()
