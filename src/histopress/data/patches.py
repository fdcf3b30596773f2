"""Labelled patch sets, ready to learn from: tiles of one size and spacing, targets, groups and parts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.cache import cache_folder
from histopress.core.failures import Failure
from histopress.core.recipe import load
from histopress.data.patch_task import Part, PatchTask

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PatchSet:
    """The tiles of one task.

    Attributes:
        task: what they are.
        spacing: um/px of the tiles; where small pictures were magnified, that which was asked for.
        tiles: (n, tile, tile, 3) uint8 RGB, in memory or mapped from a file.
        targets: (n,) float32 indices of classes or numbers; (n, classes) for multilabel; NaN where not known.
        groups: (n,) names of what must never be split.
        parts: (n,) "train", "tuning" or "test".
        names: (n,) unique names of the places.
        identity: digest over task, tile, spacing and the files behind it.
        failures: what could not be read, and is not among the tiles.
    """

    task: PatchTask
    spacing: float
    tiles: NDArray[np.uint8]
    targets: NDArray[np.float32]
    groups: NDArray[np.str_]
    parts: NDArray[np.str_]
    names: NDArray[np.str_]
    identity: str
    failures: tuple[Failure, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Mapped tiles travel to other processes as the name of their file, not as gigabytes of pixels."""
        state, mapped = dict(vars(self)), self.tiles.base
        if isinstance(mapped, np.memmap) and mapped.shape == self.tiles.shape:
            state["tiles"] = str(mapped.filename)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(state["tiles"], str):
            state["tiles"] = np.load(state["tiles"], mmap_mode="r").view(np.ndarray)
        vars(self).update(state)

    def rows(self, part: Part) -> NDArray[np.int64]:
        """Indices of the tiles of a part."""
        return np.flatnonzero(self.parts == part)


def load_task(path: Path) -> PatchTask:
    """Read the description of a task.

    Args:
        path: a TOML or JSON file.

    Raises:
        RecipeError: it is no such file, or holds unknown or impossible settings.
    """
    return load(PatchTask, path)


def load_patches(
    task_file: Path,
    root: Path | None = None,
    tile: int = 128,
    spacing: float = 0.5,
    cache: Path | None = None,
    *,
    verify: bool = False,
) -> PatchSet:
    """The tiles of a task: cut once, and mapped from the cache whenever they are asked for again.

    What cannot be read is left out, listed in `failures`, and counted in a warning.

    Args:
        task_file: see `PatchTask`.
        root: folder below which the folder of the data lies; default: where the task file lies.
        tile: px a side.
        spacing: um/px of the tiles.
        cache: folder that keeps tiles; default: the user's cache folder (HISTOPRESS_CACHE).
        verify: whether the digests of listed files are compared, which takes as long as reading them.

    Raises:
        RecipeError: the task file is wrong.
        PatchError: files are missing, changed, or not of the layout; groups are shared between parts; or no
            tile can be read.
    """
    from histopress.data.patch_cache import is_kept, open_kept
    from histopress.data.patch_cutting import cut_all
    from histopress.data.patch_inputs import check_files, identify
    from histopress.data.patch_set import open_source

    task = load_task(task_file)
    folder = (task_file.parent if root is None else root) / task.folder
    check_files(task, folder, verify)
    with open_source(task, folder) as source:
        identity = identify(source, tile, spacing)
        kept = (cache or cache_folder()) / "patches" / f"{task.name}-{identity}"
        if not is_kept(kept):
            cut_all(source, kept, tile, spacing)
    found = open_kept(kept)
    if found.failures:
        count = len(found.failures)
        log.warning("task %s: %d pictures cannot be read, see %s", task.name, count, kept / "failures.csv")
    names, groups, parts = (found.facts[fact] for fact in ("name", "group", "part"))
    targets = found.targets if task.kind == "multilabel" else found.targets[:, 0]
    return PatchSet(
        task, spacing, found.tiles, targets, groups, parts, names, identity, failures=found.failures
    )
