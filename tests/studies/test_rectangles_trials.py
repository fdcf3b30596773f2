"""What a trial of rectangles does: labels of the control, scores, sizes told apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import EncoderError
from histopress.heads.train_recipe import TrainRecipe
from histopress.studies.end_to_end_result import Answers
from histopress.studies.pictures import Part
from histopress.studies.rectangles import RectanglesRecipe, draw_scene
from histopress.studies.rectangles_recipe import CellEncoderRecipe
from histopress.studies.rectangles_stamped import CodeBook, StampedGrids
from histopress.studies.rectangles_trials import (
    CellTrial,
    GridTrial,
    by_lesion,
    nearest,
    picture_seed,
    picture_table,
    read_books,
    scored,
)

SCENE = RectanglesRecipe(side=24, digits=300, labels=3, shortest=4, longest=12)
CELLS = CellTrial("vae", SCENE, CellEncoderRecipe(), 0, (0, 1, 2), "content", 0)
TRIAL = GridTrial(CELLS, SCENE, (4, 8, 12), 60, 12, 30, "", TrainRecipe(seed=1))


def test_parts_and_replicates_hold_different_pictures() -> None:
    seeds = [picture_seed(part, n) for part in ("encoder", "train", "tuning", "test") for n in range(3)]
    assert len(set(seeds)) == 12


def test_the_table_knows_the_labels_of_the_pictures() -> None:
    table = picture_table(TRIAL)
    assert table["split"].value_counts().to_dict() == {"train": 60, "test": 30, "tuning": 12}
    for part, count in (("train", 60), ("test", 30)):
        labels = table.loc[table["split"] == part, "label"].astype(int).tolist()
        assert labels == [draw_scene(SCENE, picture_seed(part, 1), index).label for index in range(count)]


def test_larger_training_sets_hold_the_smaller_ones() -> None:
    few, many = (picture_table(replace(TRIAL, train=count)).set_index("slide")["label"] for count in (30, 60))
    assert few.equals(many[few.index])


def test_permuted_labels_leave_the_test_part_alone_and_keep_the_balance() -> None:
    real, dealt = picture_table(TRIAL), picture_table(replace(TRIAL, control="permuted"))
    for part in ("train", "tuning", "test"):
        before, after = (table.loc[table["split"] == part, "label"].tolist() for table in (real, dealt))
        assert sorted(before) == sorted(after)
        assert (before == after) == (part == "test")


def answers(share: float, classes: int, count: int = 1000) -> Answers:
    labels = np.arange(count) % classes
    right = np.arange(count) < share * count
    said = np.where(right, labels, (labels + 1) % classes)
    return Answers(labels.astype(np.int64), np.eye(classes)[said])


def parts(train: float, test: float, classes: int) -> dict[Part, Answers]:
    return {
        "train": answers(train, classes),
        "tuning": answers(test, classes),
        "test": answers(test, classes),
    }


def test_what_a_bag_tells_is_not_called_learned() -> None:
    assert scored(parts(0.5, 0.5, 10))["outcome"] == "bag alone"
    assert scored(parts(0.9, 0.8, 10))["outcome"] == "learned"
    assert scored(parts(0.9, 0.1, 10))["outcome"] == "generalisation failure"
    assert scored(parts(0.5, 0.5, 2))["outcome"] == "optimisation failure"
    assert scored(parts(0.9, 0.6, 2))["outcome"] == "weak"
    assert scored(parts(0.9, 0.6, 2))["chance"] == 0.5


def test_accuracy_is_told_by_size() -> None:
    book = CodeBook(np.zeros((10, 1), np.float16), np.ones(10, np.int64), "none")
    source = StampedGrids("test", SCENE, picture_seed("test", 1), book)
    longs = np.array([source.scene_of(index).tilted.long for index in range(30)])
    labels = np.arange(30) % 3
    small = longs < 6
    said = np.where(small, (labels + 1) % 3, labels)  # wrong wherever the lesion is small
    told = by_lesion(TRIAL, source, Answers(labels.astype(np.int64), np.eye(3)[said]))
    assert told["accuracy_4"] == 0 and told["accuracy_12"] == 1
    assert sum(told[f"pictures_{lesion}"] for lesion in (4, 8, 12)) == 30  # type: ignore[misc]
    assert by_lesion(replace(TRIAL, lesions=()), source, answers(1, 3)) == {}


def test_sizes_are_compared_by_ratios() -> None:
    assert nearest(np.array([4, 5, 6, 8, 9, 10, 12]), (4, 8, 12)).tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_grids_of_an_encoder_that_failed_say_so(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="could not be trained"):
        read_books(tmp_path, {})
