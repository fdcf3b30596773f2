"""What the verb `patches` tells of sets, and what it finds wrong with them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from histopress.core.errors import RecipeError
from histopress.data.patch_report import PatchesRecipe, inspect_patches

TASK = """
name = "{name}"
kind = "{kind}"
classes = {classes}
spacing = 0.5
layout = "table"
folder = "{name}"
licence = "CC BY 4.0"
redistributable = true
groups = "patient"
[files]
"index.csv" = "{digest}"
[source]
part = "part"
group = "who"
{source}
"""

SMALL = PatchesRecipe(tile=32, columns=3)


def texture(seed: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC))


def write(
    root: Path,
    name: str = "one",
    *,
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4, 5),
    kind: str = "binary",
    classes: str = '["benign", "malignant"]',
    labels: tuple[str, ...] = ("benign", "malignant"),
    source: str = "",
) -> Path:
    """Six pictures: three train, one tunes, two test."""
    folder = root / name
    folder.mkdir(parents=True)
    rows = ["file,label,p,q,part,who"]
    for index, seed in enumerate(seeds):
        Image.fromarray(texture(seed)).save(folder / f"{index}.png")
        part = ("train", "train", "train", "tuning", "test", "test")[index]
        rows.append(f"{index}.png,{labels[index % len(labels)]},{index % 2},1,{part},P{index}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    digest = hashlib.sha256((folder / "index.csv").read_bytes()).hexdigest()
    path = root / f"{name}.toml"
    path.write_text(TASK.format(name=name, kind=kind, classes=classes, digest=digest, source=source))
    return path


def test_a_sound_set(tmp_path: Path) -> None:
    report = inspect_patches([write(tmp_path)], None, tmp_path / "out", SMALL)
    assert len(report.failures) == 0
    assert report.copies == ()
    (task,) = report.tasks
    assert task.tiles == {
        "benign": {"train": 2, "tuning": 0, "test": 1},
        "malignant": {"train": 1, "tuning": 1, "test": 1},
    }
    assert task.groups == {"train": 3, "tuning": 1, "test": 2}
    assert task.imbalance == 2
    for word in (
        "one (binary)",
        "CC BY 4.0",
        "0.5 um/px",
        "3 train, 1 tuning, 2 test (patient)",
        "may be given",
    ):
        assert word in report.text
    told = json.loads((tmp_path / "out" / "patches.json").read_text())
    assert told == json.loads(json.dumps(report.facts))
    assert told["tasks"][0]["identity"] == task.identity


def test_the_sheet_shows_a_row_for_each_class(tmp_path: Path) -> None:
    inspect_patches([write(tmp_path)], None, tmp_path / "out", SMALL)
    sheet = np.asarray(Image.open(tmp_path / "out" / "one.png"))
    assert sheet.shape == (2 * 124 + 4, 3 * 100 + 4, 3)
    tile = np.asarray(Image.fromarray(texture(0)).resize((96, 96), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(sheet[28:124, 4:100], tile)
    letters = sheet[4:24]
    assert letters.min() < 60  # a name is written


def test_copies_across_parts_and_sets_are_named(tmp_path: Path) -> None:
    first = write(tmp_path, "one", seeds=(0, 1, 2, 3, 1, 5))  # 4.png tests and is 1.png, which trains
    second = write(tmp_path, "two", seeds=(10, 11, 12, 13, 14, 3))
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(texture(3))[:, ::-1]))
    file = io.BytesIO()
    turned.save(file, "JPEG", quality=80)
    (tmp_path / "two" / "5.png").write_bytes(file.getvalue())
    report = inspect_patches([first, second], None, tmp_path / "out", SMALL)
    assert [task.copies for task in report.tasks] == [1, 0]
    with (tmp_path / "out" / "copies.csv").open() as table:
        rows = [
            (r["task"], r["name"], r["part"], r["other_task"], r["other_name"]) for r in csv.DictReader(table)
        ]
    assert rows == [
        ("one", "4.png@16,16", "test", "one", "1.png@16,16"),
        ("one", "3.png@16,16", "tuning", "two", "5.png@16,16"),
    ]
    assert "1 tiles have copies across parts of one" in report.text
    assert "3.png@16,16 (tuning) = 5.png@16,16 (test)" in report.text
    assert len(report.failures) == 0


def test_changed_missing_and_unreadable_files_and_wrong_tasks_are_failures(tmp_path: Path) -> None:
    changed, damaged, missing = (write(tmp_path, name) for name in ("changed", "damaged", "missing"))
    with (tmp_path / "changed" / "index.csv").open("a") as file:
        file.write("5.png,benign,0,1,test,P5\n".replace("5.png", "9.png"))
    (tmp_path / "damaged" / "2.png").write_bytes(b"nothing")
    (tmp_path / "missing" / "index.csv").unlink()
    tasks = [changed, damaged, missing, tmp_path / "none.toml"]
    report = inspect_patches(tasks, None, tmp_path / "out", SMALL)
    assert [task.name for task in report.tasks] == ["changed", "damaged"]
    reasons = [f"{failure.item} {failure.reason}" for failure in report.failures]
    assert len(reasons) == 5
    for reason, words in zip(
        reasons, ("sha256 is", "9.png", "2.png", "index.csv: missing", "cannot read recipe"), strict=True
    ):
        assert words in reason
    assert report.tasks[1].unreadable == 1
    assert report.text.count("FAILED") == 5
    with (tmp_path / "out" / "failures.csv").open() as table:
        assert len(list(csv.DictReader(table))) == 5


def test_a_class_that_nothing_teaches_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path, classes='["benign", "malignant", "rare"]', kind="multiclass")
    (task,) = inspect_patches([path], recipe=SMALL).tasks
    assert task.untaught == ("rare",)
    assert "nothing to train on of rare" in task.text


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"kind": "multilabel", "classes": '["p", "q"]', "source": 'labels = ["p", "q"]'}, {"p": 1, "q": 3}),
        (
            {"kind": "regression", "classes": "[]", "labels": ("0.5", "1", "2", "3", "4", "")},
            {"0.5 to 1": 2, "2 to 2": 1, "3 to 3": 0, "4 to 4": 0, "not known": 0},
        ),
    ],
)
def test_other_kinds_of_labels(tmp_path: Path, options: dict[str, str], rows: dict[str, int]) -> None:
    report = inspect_patches([write(tmp_path, **options)], None, tmp_path / "out", SMALL)  # type: ignore[arg-type]
    assert {name: counts["train"] for name, counts in report.tasks[0].tiles.items()} == rows
    assert (tmp_path / "out" / "one.png").is_file()


def test_more_bits_than_can_be_searched_are_a_wrong_recipe() -> None:
    with pytest.raises(RecipeError, match="bits = 8, expected 0 to 7"):
        PatchesRecipe(bits=8)
