"""Small patch sets whose labels can be learned from the tiles, for tests of training."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from PIL import Image

from histopress.data.patch_task import Kind, PatchTask
from histopress.data.patches import PatchSet

CLASSES = {"binary": ("no", "yes"), "regression": (), "multilabel": ("red", "blue")}


class Made(Protocol):
    def __call__(
        self, kind: Kind = "binary", count: int = 48, tile: int = 32, seed: int = 0, name: str = ""
    ) -> PatchSet: ...


def make_set(
    kind: Kind = "binary", count: int = 48, tile: int = 32, seed: int = 0, name: str = ""
) -> PatchSet:
    """Tiles whose colour tells the label: red for the first class, green, then blue; one group a tile."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2 if kind in ("binary", "multilabel") else 3, count)
    tiles = rng.integers(90, 130, (count, tile, tile, 3))
    tiles[np.arange(count), :, :, labels] += 60
    targets = labels.astype(np.float32)
    if kind == "multilabel":
        targets = np.stack([labels == 0, labels == 1], 1).astype(np.float32)
    parts = np.array(["train", "train", "tuning", "test"])[np.arange(count) % 4]
    names = np.array([f"{kind} {row}" for row in range(count)])
    classes = CLASSES.get(kind, ("a", "b", "c"))
    task = PatchTask(name or kind, kind, "table", classes, 0.5, licence="CC0")
    return PatchSet(task, 0.5, tiles.astype(np.uint8), targets, names, parts, names, f"{kind}-{seed}")


@pytest.fixture(scope="session")
def made_set() -> Made:
    """Makes a set of a kind of label."""
    return make_set


TASK = """
name = "{name}"
kind = "{kind}"
classes = {classes}
spacing = 0.5
layout = "table"
licence = "{licence}"
citation = "Somebody, {name}, 2020"
[source]
part = "part"
"""


class Written(Protocol):
    def __call__(
        self, folder: Path, name: str = "", kind: Kind = "binary", count: int = 48, licence: str = "CC0"
    ) -> str: ...


def write_task(
    folder: Path, name: str = "", kind: Kind = "binary", count: int = 48, licence: str = "CC0"
) -> str:
    """Pictures of 72 x 64 px in a folder, a table of them and their description, whose path is returned.

    Their colours tell the labels, as in `make_set`; half of them train, a quarter tunes, a quarter tests.
    """
    made, classes = make_set(kind, count, 72), CLASSES.get(kind, ("a", "b", "c"))
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file,label,part"]
    for row, (tile, target, part) in enumerate(zip(made.tiles, made.targets, made.parts, strict=True)):
        Image.fromarray(tile[:64]).save(folder / f"{row}.png")
        rows.append(f"{row}.png,{classes[int(target)] if classes else target},{part}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    words = TASK.format(name=name or kind, kind=kind, classes=list(classes), licence=licence)
    (folder / "task.toml").write_text(words.replace("'", '"'))
    return str(folder / "task.toml")


@pytest.fixture(scope="session")
def written_task() -> Written:
    """Writes a set of a kind of label to a folder."""
    return write_task
