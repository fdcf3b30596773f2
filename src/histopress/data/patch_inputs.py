"""The files behind labelled patches: whether they are there and as listed, and a digest over them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from histopress.core.errors import PatchError
from histopress.core.files import quick_hash
from histopress.core.recipe import digest
from histopress.data.patch_source import PatchSource
from histopress.data.patch_task import PatchTask

REVISION = 1
"""Raised when the same files and settings give other tiles, labels or parts."""

FEW = 2000
"""Of sets with more files only so many, the largest, are looked into; for the rest name and size must do."""


def wrong_files(task: PatchTask, folder: Path, verify: bool = True) -> list[str]:
    """What is wrong with the listed files, each with what to do; empty if nothing is.

    Args:
        task: lists them, with or without a digest.
        folder: of the data.
        verify: whether digests are compared.
    """
    problems = []
    remedy = f"get it from {task.origin}" if task.origin else "get it again"
    for name, wanted in task.files.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{path}: missing, expected a file; {remedy}")
        elif verify and wanted and (found := _sha256(path)) != wanted.lower():
            problems.append(
                f"{path}: sha256 is {found}, expected {wanted}: another version or a damaged copy; {remedy}"
            )
    return problems


def check_files(task: PatchTask, folder: Path, verify: bool) -> None:
    """See `wrong_files`.

    Raises:
        PatchError: anything is wrong.
    """
    if problems := wrong_files(task, folder, verify):
        raise PatchError("\n  - ".join([f"task {task.name!r}: {len(problems)} wrong files", *problems]))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identify(source: PatchSource, tile: int, spacing: float) -> str:
    """The digest that tiles are kept under; equal on any machine for equal files and settings.

    Args:
        source: an open one.
        tile: px a side.
        spacing: um/px of the tiles.
    """
    task = replace(
        source.task,
        licence="",
        redistributable=False,
        citation="",
        origin="",
        note="",
        spacing_note="",
        files={},
        folder="",
    )
    sized = sorted(((path.stat().st_size, path) for path in source.files()), reverse=True)
    files = [
        [path.relative_to(source.folder).as_posix(), size, quick_hash(path) if index < FEW else ""]
        for index, (size, path) in enumerate(sized)
    ]
    return digest(REVISION, task, tile, spacing, sorted(files))
