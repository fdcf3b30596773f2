"""What is trained on: tasks and slides are told apart, joined, and described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import PatchError
from histopress.data.patches import PatchSet
from histopress.data.unlabelled import UnlabelledTiles
from histopress.encoders.training_tiles import TrainingTiles, gather

Written = Callable[..., str]
Made = Callable[..., PatchSet]
SLIDE = "wsi/cmu-1-small-region.svs"
SAMPLING = {"count": 12, "seed": 0, "neighbours": False}


def some_slides(rows: int = 40, slots: int = 1, tile: int = 32) -> UnlabelledTiles:
    """Four drawn slides of equal numbers of rows."""
    pixels = np.random.default_rng(1).integers(0, 256, (rows, slots, tile, tile, 3), np.uint8)
    return UnlabelledTiles((pixels,), np.arange(rows) % 4, ("a", "b", "c", "d"), 0.5, "slides-1")


def test_tasks_come_in_the_order_in_which_they_are_named(written_task: Written, tmp_path: Path) -> None:
    tasks = [written_task(tmp_path / kind, kind=kind) for kind in ("ordinal", "binary")]
    found = gather(tasks, None, 64, 0.5, SAMPLING)
    assert found.names == ["ordinal", "binary"]
    assert [s.tiles.shape for s in found.sets] == [(48, 64, 64, 3)] * 2
    assert found.identities == [s.identity for s in found.sets]
    assert found.slides is None


def test_tasks_are_found_below_the_root_and_by_the_name_of_a_ready_description(shared_data: Path) -> None:
    found = gather(["crc-tissue7"], shared_data, 64, 0.5, SAMPLING)
    assert found.names == ["crc-tissue7"]
    assert "CC BY 4.0" in found.licence


def test_what_is_no_task_is_taken_for_slides(
    written_task: Written, shared_data: Path, tmp_path: Path
) -> None:
    task, slide = written_task(tmp_path / "set"), str(shared_data / SLIDE)
    found = gather([slide, task], None, 64, 0.5, SAMPLING)
    assert found.names == ["binary", "unlabelled slides"]
    assert found.slides is not None and len(found.slides) == 12
    assert found.slides.names == ("cmu-1-small-region",)
    assert len(set(found.identities)) == 2
    other = gather([slide], None, 64, 0.5, {**SAMPLING, "seed": 1})
    assert other.identities[0] not in found.identities


def test_a_name_twice_is_refused(written_task: Written, tmp_path: Path) -> None:
    tasks = [written_task(tmp_path / folder, "colours") for folder in ("one", "two")]
    with pytest.raises(PatchError, match=r"colours, colours, expected a name of its own.*rename one"):
        gather(tasks, None, 64, 0.5, SAMPLING)


def test_nothing_is_refused() -> None:
    with pytest.raises(PatchError, match="nothing to train on; name tasks, or slides"):
        gather([], None, 64, 0.5, SAMPLING)


def test_what_is_neither_task_nor_slide_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="neither a file nor a ready description"):
        gather([str(tmp_path / "absent.toml")], None, 64, 0.5, SAMPLING)


@pytest.mark.parametrize("slots", [1, 2])
def test_slides_join_the_tasks_as_tiles_that_only_train_and_have_no_label(made_set: Made, slots: int) -> None:
    tiles = TrainingTiles([made_set("binary")], some_slides(slots=slots))
    *sets, unlabelled = tiles.with_slides(32)
    assert sets == tiles.sets
    assert np.isnan(unlabelled.targets).all()
    assert len(unlabelled.rows("train")) == len(unlabelled.tiles) == 40
    assert unlabelled.tiles.shape[1:] == (32, 32, 3)
    assert tiles.slides is not None
    np.testing.assert_array_equal(unlabelled.tiles, tiles.slides.blocks[0][:, 0])
    assert unlabelled.groups.tolist()[:5] == ["a", "b", "c", "d", "a"]


def test_without_slides_nothing_joins(made_set: Made) -> None:
    tiles = TrainingTiles([made_set("binary")])
    assert tiles.with_slides(32) is tiles.sets


def test_without_labels_test_parts_are_left_out_and_parts_share_no_slide(made_set: Made) -> None:
    sets = [made_set("binary"), made_set("multiclass", 24, seed=1)]
    found, train, tuning = TrainingTiles(sets, some_slides()).unlabelled(seed=0)
    assert len(found) == 48 + 24 + 40
    parts = np.concatenate([sets[0].parts, sets[1].parts])
    labelled = [rows[rows < 72] for rows in (train, tuning)]
    assert [set(parts[rows]) for rows in labelled] == [{"train"}, {"tuning"}]
    np.testing.assert_array_equal(np.sort(train[train < 72]), np.flatnonzero(parts == "train"))
    np.testing.assert_array_equal(found.take(np.array([50]))[0, 0], sets[1].tiles[2])
    slides = [set(found.sources[rows[rows >= 72]]) for rows in (train, tuning)]
    assert slides[0] and slides[1] and not slides[0] & slides[1]


def test_a_card_tells_of_a_task(made_set: Made) -> None:
    labelled = made_set("multiclass", name="tissue")
    task = replace(labelled.task, licence="CC BY 4.0", citation="Somebody 2020")
    found = TrainingTiles([replace(labelled, task=task)])
    facts = found.facts(found.sets[0], {"tuning": {"tissue": 0.75, "else": 0.1}, "test": {}})
    assert facts == {
        "name": "tissue",
        "kind": "multiclass",
        "classes": ["a", "b", "c"],
        "tiles": {"train": 24, "tuning": 12, "test": 12},
        "groups": 48,
        "licence": "CC BY 4.0",
        "citation": "Somebody 2020",
        "data": "multiclass-0",
        "scores": {"tuning": 0.75},
    }


def test_the_licence_names_that_of_each_task_once(made_set: Made) -> None:
    sets = [made_set("binary"), made_set("ordinal"), made_set("regression")]
    sets[1] = replace(sets[1], task=replace(sets[1].task, licence="research only"))
    assert TrainingTiles(sets).licence == "yours; trained on data under: CC0; research only"
    assert "see the slides" in TrainingTiles([], some_slides()).licence
