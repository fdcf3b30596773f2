"""Which files are slides, and what a slide is called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from histopress.core.errors import CohortError

SUFFIXES = frozenset(
    ".svs .tif .tiff .ndpi .vms .vmu .scn .mrxs .svslide .bif .czi .zvi .dcm .png .jpg .jpeg .bmp".split()
)
"""Endings that a folder is searched for; a file that is named itself may have any."""

DOUBLE = (".ome.tif", ".ome.tiff")


def slide_id(path: str | Path) -> str:
    """The name of a slide: its file name without the ending, also without a double one such as .ome.tif."""
    name = Path(path).name
    double = next((d for d in DOUBLE if name.lower().endswith(d)), None)
    return name[: -len(double)] if double else Path(name).stem


def find_slides(paths: Sequence[Path]) -> list[Path]:
    """Files as they are named, and the slides in folders, sorted; subfolders are not searched.

    A path that does not exist stays in the list, so that it fails with its reason.

    Raises:
        CohortError: two files would have the same id, and so the same output.
    """
    found: list[Path] = []
    for path in paths:
        found += _in_folder(path) if path.is_dir() else [path]
    found = list(dict.fromkeys(found))
    _check_ids(found)
    return found


def _in_folder(folder: Path) -> list[Path]:
    return sorted(
        p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()
    )


def _check_ids(paths: Sequence[Path]) -> None:
    same: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        same[slide_id(path)].append(path)
    problems = [
        f"{' and '.join(map(str, files))} would both be named {name!r}; rename one, or run them apart"
        for name, files in same.items()
        if len(files) > 1
    ]
    if problems:
        raise CohortError("slides", problems)
