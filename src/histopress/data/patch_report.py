"""The verb `patches`: what labelled patch sets hold, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from histopress.core.errors import PatchError, RecipeError
from histopress.core.failures import Failure, Failures
from histopress.core.files import write_whole
from histopress.core.recipe import plain
from histopress.data.patch_copies import Copy, as_csv, copies_across_parts, copies_across_sets
from histopress.data.patch_duplicates import BITS, MOST_BITS, looks_of
from histopress.data.patch_sheet import contact_sheet, rows_of_classes
from histopress.data.patch_task import Part
from histopress.data.patches import PatchSet, load_patches, load_task

if TYPE_CHECKING:
    from histopress.data.patch_duplicates import Looks

PARTS: tuple[Part, ...] = ("train", "tuning", "test")
NAMED = 3
"""Copies that are named in the text; the table has all."""


@dataclass(frozen=True)
class PatchesRecipe:
    """Settings of `patches`.

    Attributes:
        tile: px a side.
        spacing: um/px of the tiles.
        bits: of 63 that may differ in tiles that count as copies, 7 at most.
        columns: tiles a class on a contact sheet.
        verify: whether the digests of listed files are compared.
    """

    tile: int = 128
    spacing: float = 0.5
    bits: int = BITS
    columns: int = 10
    verify: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.bits <= MOST_BITS:
            raise RecipeError(f"bits = {self.bits}, expected 0 to {MOST_BITS}; choose another number")


@dataclass(frozen=True)
class TaskReport:
    """What a set holds.

    Attributes:
        name: of the task.
        kind: of label.
        licence: of the data.
        redistributable: whether models trained on them may be given away.
        stored_spacing: um/px, as the task states it; 0 where slides do.
        group: what a group is.
        tiles: class -> part -> number of tiles.
        groups: part -> number of groups.
        imbalance: tiles of the largest class of the training part over those of the smallest that has some.
        untaught: classes without a tile that trains.
        unreadable: pictures that cannot be read.
        copies: tiles that test or tune and have a copy in an earlier part.
        identity: of the set.
        note: of the task.
    """

    name: str
    kind: str
    licence: str
    redistributable: bool
    stored_spacing: float
    group: str
    tiles: dict[str, dict[Part, int]]
    groups: dict[str, int]
    imbalance: float
    untaught: tuple[str, ...]
    unreadable: int
    copies: int
    identity: str
    note: str

    @property
    def text(self) -> str:
        """Lines for people, without a line break at the end."""
        width = max(map(len, [*self.tiles, "class"]))
        rights = "may be given away" if self.redistributable else "not to be given away"
        spacing = f"{self.stored_spacing:g} um/px stored" if self.stored_spacing else "of the slides"
        lines = [
            f"{self.name} ({self.kind})",
            f"  licence    {self.licence}; what is trained on it: {rights}",
            f"  spacing    {spacing}",
            f"  groups     {', '.join(f'{n} {part}' for part, n in self.groups.items())} ({self.group})",
            f"  {'class':<{width}} {''.join(f'{part:>9}' for part in PARTS)}",
            *(
                f"  {name:<{width}} {''.join(f'{counts[part]:>9}' for part in PARTS)}"
                for name, counts in self.tiles.items()
            ),
        ]
        lines += [f"  imbalance  {self.imbalance:.3g} in train"] if self.imbalance > 1 else []
        lines += [f"  PROBLEM    nothing to train on of {', '.join(self.untaught)}"] if self.untaught else []
        lines += [f"  PROBLEM    {self.unreadable} pictures cannot be read"] if self.unreadable else []
        lines += [f"  COPIES     {self.copies} tiles are in an earlier part too"] if self.copies else []
        return "\n".join(lines)


@dataclass(frozen=True)
class PatchesReport:
    """What sets hold, and what is wrong with them.

    Attributes:
        tasks: one report a set that can be loaded.
        copies: across parts of a set and across sets.
        failures: sets that cannot be loaded, files that are not as listed, pictures that cannot be read.
    """

    tasks: tuple[TaskReport, ...]
    copies: tuple[Copy, ...]
    failures: Failures = field(default_factory=Failures)

    @property
    def text(self) -> str:
        """Lines for people, without a line break at the end."""
        parts = [task.text for task in self.tasks]
        if self.copies:
            parts.append("\n".join(_told(self.copies)))
        if self.failures:
            parts.append("\n".join(_failed(failure) for failure in self.failures))
        return "\n\n".join(parts)

    @property
    def facts(self) -> dict[str, Any]:
        """Everything, for machines."""
        facts: dict[str, Any] = plain(
            {"tasks": self.tasks, "copies": self.copies, "failures": list(self.failures)}
        )
        return facts


def _failed(failure: Failure) -> str:
    what = failure.reason if failure.reason.startswith(failure.item) else f"{failure.item}: {failure.reason}"
    return f"FAILED {what}" + (f"; {failure.remedy}" if failure.remedy else "")


def _told(copies: Sequence[Copy]) -> list[str]:
    """One line for each pair of sets, and a few copies."""
    lines = []
    for pair in sorted({(copy.task, copy.other_task) for copy in copies}):
        own = [copy for copy in copies if (copy.task, copy.other_task) == pair]
        where = f"across parts of {pair[0]}" if pair[0] == pair[1] else f"in {pair[0]} and {pair[1]}"
        lines.append(f"{len(own)} tiles have copies {where}:")
        lines += [
            f"  {c.name} ({c.part}) = {c.other_name} ({c.other_part}), {c.bits} bits apart"
            for c in own[:NAMED]
        ]
        lines += [f"  and {len(own) - NAMED} more"] if len(own) > NAMED else []
    return lines


def inspect_patches(
    task_files: Sequence[Path],
    root: Path | None = None,
    output: Path | None = None,
    recipe: PatchesRecipe = PatchesRecipe(),
) -> PatchesReport:
    """Load sets, count what they hold, check their files, and look for copies across parts and sets.

    Args:
        task_files: descriptions; see `PatchTask`.
        root: folder below which the folders of the data lie; default: where each task file lies.
        output: folder for patches.json, copies.csv, failures.csv and a contact sheet of each set; none:
            nothing is written.
        recipe: how.
    """
    failures = Failures()
    found: list[tuple[PatchSet, Looks]] = []
    reports, copies = [], []
    for path in task_files:
        with failures.attempt(str(path)):
            patches = _load(path, root, recipe, failures)
            looks = looks_of(patches.tiles)
            own = copies_across_parts(patches, looks, recipe.bits)
            reports.append(_report(patches, len(own)))
            copies += own
            found.append((patches, looks))
            if output is not None:
                write_whole(output / f"{patches.task.name}.png", contact_sheet(patches, recipe.columns))
    for one, other in combinations(found, 2):
        copies += copies_across_sets(*one, *other, recipe.bits)
    report = PatchesReport(tuple(reports), tuple(copies), failures)
    if output is not None:
        _write(report, output)
    return report


def _load(path: Path, root: Path | None, recipe: PatchesRecipe, failures: Failures) -> PatchSet:
    """Load a set though files differ from those that are listed, as long as they are there."""
    from histopress.data.patch_inputs import check_files, wrong_files

    task = load_task(path)
    folder = (path.parent if root is None else root) / task.folder
    if wrong_files(task, folder, verify=False):
        check_files(task, folder, recipe.verify)
    for problem in wrong_files(task, folder) if recipe.verify else ():
        failures.add(task.name, PatchError(problem))
    patches = load_patches(path, root, recipe.tile, recipe.spacing)
    failures.items += [replace(f, item=f"{task.name}/{f.item}") for f in patches.failures]
    return patches


def _report(patches: PatchSet, copies: int) -> TaskReport:
    task = patches.task
    rows = rows_of_classes(patches)
    tiles = {
        name: {part: int((patches.parts[own] == part).sum()) for part in PARTS} for name, own in rows.items()
    }
    counts = {name: tiles[name]["train"] for name in task.classes}
    taught = [count for count in counts.values() if count]
    return TaskReport(
        name=task.name,
        kind=task.kind,
        licence=task.licence,
        redistributable=task.redistributable,
        stored_spacing=task.spacing,
        group=task.groups,
        tiles=tiles,
        groups={part: len(np.unique(patches.groups[patches.rows(part)])) for part in PARTS},
        imbalance=max(taught, default=0) / min(taught, default=1),
        untaught=tuple(name for name, count in counts.items() if not count),
        unreadable=len(patches.failures),
        copies=copies,
        identity=patches.identity,
        note=task.note,
    )


def _write(report: PatchesReport, output: Path) -> None:
    write_whole(output / "patches.json", json.dumps(report.facts, indent=2) + "\n")
    write_whole(output / "copies.csv", as_csv(report.copies))
    report.failures.write(output)
