"""What an encoder is trained on: labelled patch sets, and tiles of slides without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.cache import cache_folder
from histopress.core.errors import PatchError
from histopress.data.patch_recipes import find_task, ready_tasks
from histopress.data.patch_task import PatchTask
from histopress.data.patches import PatchSet, load_patches
from histopress.data.unlabelled import UnlabelledTiles, from_patches, hold_out, join
from histopress.data.unlabelled_slides import SampleRecipe, sample_slides


@dataclass(frozen=True)
class TrainingTiles:
    """Tiles to train on.

    Attributes:
        sets: labelled ones.
        slides: unlabelled ones, if slides were given.
        given: the inputs that are tasks, as they were given.
    """

    sets: list[PatchSet] = field(default_factory=list)
    slides: UnlabelledTiles | None = None
    given: tuple[str, ...] = ()

    @property
    def identities(self) -> list[str]:
        """Of all that is behind them."""
        return [s.identity for s in self.sets] + ([self.slides.identity] if self.slides else [])

    @property
    def names(self) -> list[str]:
        """Of the tasks, and of the slides taken together."""
        return [s.task.name for s in self.sets] + (["unlabelled slides"] if self.slides else [])

    @property
    def licence(self) -> str:
        """The licences of the data, which a user has to look at before giving the encoder away."""
        licences = dict.fromkeys(s.task.licence for s in self.sets)
        return f"yours; trained on data under: {'; '.join(licences) or 'see the slides'}"

    def with_slides(self, tile: int) -> list[PatchSet]:
        """The labelled sets, and the slides as one more whose labels are all missing."""
        if self.slides is None:
            return self.sets
        rows = np.arange(len(self.slides))
        tiles = self.slides.take(rows)[:, 0] if self.slides.slots > 1 else self.slides.take(rows)
        tiles = tiles.reshape(-1, tile, tile, 3)
        names = np.array([f"slide tile {row}" for row in rows])
        groups = np.array(self.slides.names)[self.slides.sources]
        return [
            *self.sets,
            PatchSet(
                PatchTask("unlabelled slides", "binary", "slides", ("no", "yes")),
                self.slides.spacing,
                tiles,
                np.full(len(rows), np.nan, np.float32),
                groups,
                np.full(len(rows), "train"),
                names,
                self.slides.identity,
            ),
        ]

    def unlabelled(self, seed: int) -> tuple[UnlabelledTiles, NDArray[np.int64], NDArray[np.int64]]:
        """All tiles without their labels, and the rows to train and to tune with; test parts are left out."""
        parts = [from_patches(s) for s in self.sets] + ([self.slides] if self.slides else [])
        found, start = join(parts), 0
        train, tuning = [], []
        for labelled in self.sets:
            train.append(labelled.rows("train") + start)
            tuning.append(labelled.rows("tuning") + start)
            start += len(labelled.tiles)
        if self.slides:
            for rows, mine in zip(hold_out(self.slides.sources, 0.1, seed), (train, tuning), strict=True):
                mine.append(rows + start)
        return found, np.concatenate(train), np.concatenate(tuning)

    def facts(self, labelled: PatchSet, scores: dict[str, dict[str, float]]) -> dict[str, Any]:
        """What a card tells of a task."""
        task = labelled.task
        return {
            "name": task.name,
            "kind": task.kind,
            "classes": list(task.classes),
            "tiles": {part: len(labelled.rows(part)) for part in ("train", "tuning", "test")},
            "groups": len(set(labelled.groups)),
            "licence": task.licence,
            "citation": task.citation,
            "data": labelled.identity,
            "scores": {part: found[task.name] for part, found in scores.items() if task.name in found},
        }


def gather(
    inputs: Sequence[str], root: Path | None, tile: int, spacing: float, sampling: dict[str, Any]
) -> TrainingTiles:
    """Load tasks, and draw tiles from slides.

    Args:
        inputs: TOML files and names of ready descriptions; whatever else exists is taken for slides.
        root: folder below which the folders of the tasks lie.
        tile: px a side.
        spacing: um/px.
        sampling: settings of `SampleRecipe`.

    Raises:
        PatchError: an input is neither, two tasks share a name, or files are not what they should be.
    """
    tasks: list[str] = []
    slides: list[str] = []
    for name in inputs:
        is_slide = (
            Path(name).exists() and Path(name).suffix not in (".toml", ".json") and name not in ready_tasks()
        )
        (slides if is_slide else tasks).append(name)
    sets = [load_patches(find_task(name), root, tile, spacing) for name in tasks]
    names = [s.task.name for s in sets]
    if len(set(names)) < len(names):
        raise PatchError(
            f"tasks are called {', '.join(names)}, expected a name of its own for each; rename one"
        )
    drawn = None
    if slides:
        recipe = SampleRecipe(tile=tile, spacing=spacing, **sampling)
        drawn = sample_slides([Path(s) for s in slides], recipe, cache_folder() / "patches")
    if not sets and drawn is None:
        raise PatchError("nothing to train on; name tasks, or slides")
    return TrainingTiles(sets, drawn, tuple(tasks))
