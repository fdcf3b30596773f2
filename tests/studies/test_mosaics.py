"""Mosaics show what they say, share nothing between parts, and tell a signal from none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from histopress.core.errors import EncoderError, PatchError, RecipeError
from histopress.data.patch_task import Kind, PatchTask
from histopress.data.patches import PatchSet
from histopress.encoders.encoder import EncoderCard
from histopress.studies import mosaics as mosaics_file
from histopress.studies.mosaic_layout import GLASS, PARTS, focus, outline
from histopress.studies.mosaics import MosaicRecipe, judge_mosaics, lay_out, mosaic_picture

TILE, DIM = 4, 6
CARD = EncoderCard("made-up", "id", spacing=0.5, tile=TILE, dim=DIM, normalisation="none")
FEW = MosaicRecipe(slides=(4, 2, 4), rows=7, cols=9)
QUICK = MosaicRecipe(slides=(24, 8, 24), rows=6, cols=8, share=0.3, epochs=20)


def made_set(
    kind: Kind = "binary", classes: tuple[str, ...] = ("no", "yes"), tiles: int = 360, seed: int = 0
) -> PatchSet:
    """Tiles whose grey is their number; classes and parts by turns, groups of one part each."""
    number = np.arange(tiles)
    group = number // (2 * max(1, len(classes)))
    shades = (number % 200).astype(np.uint8)
    targets = (number % max(1, len(classes))).astype(np.float32)
    return PatchSet(
        task=PatchTask("made", kind, "table", classes, 0.5),
        spacing=0.5,
        tiles=np.broadcast_to(shades[:, None, None, None], (tiles, TILE, TILE, 3)).copy(),
        targets=np.stack([targets, targets], axis=1) if kind == "multilabel" else targets,
        groups=np.array([f"g{g}" for g in group]),
        parts=np.array(PARTS)[group % 3],
        names=np.array([f"t{i}" for i in number]),
        identity=f"{kind}-{tiles}-{seed}",
    )


def codes_of(patches: PatchSet, strength: float) -> NDArray[np.float32]:
    """Noise; tiles of the last class are moved along one direction."""
    codes = np.random.default_rng(3).normal(size=(len(patches.tiles), DIM))
    codes[patches.targets == len(patches.task.classes) - 1, 2] += strength
    return codes.astype(np.float32)


def test_every_tile_comes_from_the_part_of_its_mosaic() -> None:
    patches = made_set()
    laid = lay_out(patches, FEW)
    assert [sum(m.part == part for m in laid) for part in PARTS] == [4, 2, 4]
    assert len({m.name for m in laid}) == len(laid)
    groups = {part: set[str]() for part in PARTS}
    for mosaic in laid:
        assert set(patches.parts[mosaic.rows]) == {mosaic.part}
        groups[mosaic.part] |= set(patches.groups[mosaic.rows])
    assert not groups["train"] & groups["tuning"]
    assert not groups["test"] & (groups["train"] | groups["tuning"])


@pytest.mark.parametrize("share", [0.001, 0.1, 0.4, 1.0])
def test_positive_mosaics_hold_the_stated_share_and_negative_ones_nothing(share: float) -> None:
    patches = made_set()
    for mosaic in lay_out(patches, replace(FEW, share=share)):
        found = int((patches.targets[mosaic.rows] == 1).sum())
        wanted = max(1, round(share * len(mosaic.cells))) if mosaic.label == "positive" else 0
        assert found == wanted
        assert len(mosaic.cells) == len(mosaic.rows) == pytest.approx(0.6 * 7 * 9, abs=1)


def test_a_focus_grows_with_the_share_and_nothing_else_changes() -> None:
    patches = made_set()
    small, large = (lay_out(patches, replace(FEW, share=share)) for share in (0.1, 0.3))
    for one, other in zip(small, large, strict=True):
        if one.label == "negative":
            assert np.array_equal(one.rows, other.rows)
            continue
        planted = [patches.targets[m.rows] == 1 for m in (one, other)]
        assert np.array_equal(one.cells, other.cells)
        assert not (planted[0] & ~planted[1]).any()
        assert np.array_equal(one.rows[planted[0]], other.rows[planted[0]])
        assert np.array_equal(one.rows[~planted[1]], other.rows[~planted[1]])


def test_a_focus_goes_around_glass_and_leaps_only_when_it_must() -> None:
    island = np.array(["###.#", "#.#.#", "#.#.#"])
    cells = np.argwhere(np.array([list(row) for row in island]) == "#").astype(np.int32)
    start = int(np.flatnonzero((cells == [2, 2]).all(axis=1))[0])
    for count in range(1, len(cells) + 1):
        chosen = np.zeros((3, 5), bool)
        chosen[tuple(cells[focus(cells, start, count)].T)] = True
        assert chosen[2, 2]
        assert chosen.sum() == count
        assert ndimage.label(chosen)[1] == (1 if count <= 7 else 2)


def test_an_outline_is_sorted_and_takes_its_share() -> None:
    for seed in range(5):
        cells = outline(9, 11, 0.6, np.random.default_rng(seed))
        assert cells.tolist() == sorted(map(list, cells.tolist()))
        assert len(cells) == pytest.approx(0.6 * 99, abs=1)
    assert len(outline(3, 5, 1.0, np.random.default_rng(0))) == 15


def test_the_same_seed_lays_the_same_mosaics() -> None:
    patches = made_set()
    once, again, other = (lay_out(patches, replace(FEW, seed=seed)) for seed in (5, 5, 6))
    assert all(
        np.array_equal(a.rows, b.rows) and np.array_equal(a.cells, b.cells)
        for a, b in zip(once, again, strict=True)
    )
    assert any(not np.array_equal(a.cells, b.cells) for a, b in zip(once, other, strict=True))


def test_the_control_differs_from_the_real_one_in_its_foci_alone() -> None:
    patches = made_set()
    real, control = (lay_out(patches, replace(FEW, control=c)) for c in (False, True))
    for one, other in zip(real, control, strict=True):
        assert one.label == other.label
        assert not (patches.targets[other.rows] == 1).any()
        planted = patches.targets[one.rows] == 1
        assert np.array_equal(one.rows[~planted], other.rows[~planted])


def test_named_classes_are_found_among_all_others_and_unlabelled_tiles_are_not_laid() -> None:
    patches = made_set("multiclass", ("a", "b", "c", "d"))
    patches.targets[::5] = np.nan
    laid = lay_out(patches, replace(FEW, positive=("b", "d"), share=0.3))
    for mosaic in laid:
        shown = patches.targets[mosaic.rows]
        assert not np.isnan(shown).any()
        assert bool(np.isin(shown, [1, 3]).any()) == (mosaic.label == "positive")
    both = np.concatenate([patches.targets[m.rows] for m in laid])
    assert set(both) == {0, 1, 2, 3}


def test_what_cannot_be_laid_is_told() -> None:
    several = ("a", "b", "c")
    with pytest.raises(PatchError, match="not named"):
        lay_out(made_set("multiclass", several), FEW)
    with pytest.raises(PatchError, match=r"'made' are a, e, expected some"):
        lay_out(made_set("multiclass", several), replace(FEW, positive=("a", "e")))
    with pytest.raises(PatchError, match="not all"):
        lay_out(made_set(), replace(FEW, positive=("no", "yes")))
    with pytest.raises(PatchError, match="kind regression"):
        lay_out(made_set("regression", ()), FEW)
    with pytest.raises(PatchError, match="kind multilabel"):
        lay_out(made_set("multilabel"), FEW)
    lacking = made_set()
    lacking.targets[lacking.parts == "tuning"] = 0
    with pytest.raises(PatchError, match="120 negative and 0 positive tiles in its tuning part"):
        lay_out(lacking, FEW)
    with pytest.raises(RecipeError, match="share 0"):
        MosaicRecipe(share=0)
    with pytest.raises(RecipeError, match="at least 2"):
        MosaicRecipe(slides=(4, 1, 4))


def test_a_picture_shows_each_tile_in_its_cell_and_glass_around() -> None:
    patches = made_set()
    mosaic = lay_out(patches, FEW)[1]
    picture = mosaic_picture(patches, mosaic)
    assert picture.shape == (7 * TILE, 9 * TILE, 3)
    covered = np.zeros(picture.shape[:2], bool)
    for (row, col), tile in zip(mosaic.cells, mosaic.rows, strict=True):
        place = np.s_[row * TILE : (row + 1) * TILE, col * TILE : (col + 1) * TILE]
        covered[place] = True
        assert np.array_equal(picture[place], patches.tiles[tile])
    assert (picture[~covered] == GLASS).all()


def test_a_planted_signal_is_found_and_is_gone_in_the_control(tmp_path: Path) -> None:
    patches = made_set()
    codes = codes_of(patches, strength=8.0)
    found = judge_mosaics(codes, CARD, patches, QUICK, tmp_path).score
    assert found.name == "auroc"
    assert found.value > 0.9
    assert found.low > 0.6
    nothing = judge_mosaics(codes, CARD, patches, replace(QUICK, control=True), tmp_path).score
    assert nothing.low < 0.5 < nothing.high


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patches = made_set()
    codes, recipe = codes_of(patches, 1.0), replace(QUICK, epochs=1)
    first = judge_mosaics(codes, CARD, patches, recipe, tmp_path)
    fresh = judge_mosaics(codes, CARD, patches, recipe, tmp_path / "elsewhere")
    assert fresh.score == first.score
    monkeypatch.setattr(mosaics_file, "lay_out", lambda *_: pytest.fail("done again"))
    again = judge_mosaics(codes, CARD, patches, recipe, tmp_path)
    assert (again.score, again.folder) == (first.score, first.folder)
    for card, other, asked in (
        (replace(CARD, identity="other"), patches, recipe),
        (CARD, replace(patches, identity="other"), recipe),
        (CARD, patches, replace(recipe, share=0.2)),
    ):
        with pytest.raises(pytest.fail.Exception):
            judge_mosaics(codes, card, other, asked, tmp_path)


def test_codes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    patches = made_set()
    codes = codes_of(patches, 1.0)
    with pytest.raises(EncoderError, match=r"\(359, 6\) of 360 tiles"):
        judge_mosaics(codes[1:], CARD, patches, QUICK, tmp_path)
    with pytest.raises(EncoderError, match="do not fit float16"):
        judge_mosaics(codes * 1e5, CARD, patches, QUICK, tmp_path)
