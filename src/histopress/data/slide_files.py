"""Which files are slides, and what a slide is called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from histopress.core.errors import CohortError
from histopress.core.location import Location, Url, location

L = TypeVar("L", Path, Location)

SLIDES = frozenset(
    {".svs", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".svslide", ".bif", ".czi", ".zvi", ".dcm"}
)
PICTURES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp"})
SUFFIXES = SLIDES | PICTURES
"""Endings that a folder is searched for; a file that is named itself may have any."""

DOUBLE = (".ome.tif", ".ome.tiff")

MADE_FROM_SLIDES = (".mask.png", ".overlay.jpg")
"""Endings of pictures that lie beside slides and are none."""


def slide_id(path: str | Location) -> str:
    """The name of a slide: its file name without the ending, also without a double one such as .ome.tif."""
    name = location(path).name
    double = next((d for d in DOUBLE if name.lower().endswith(d)), None)
    return name[: -len(double)] if double else Path(name).stem


def find_slides(paths: Sequence[L]) -> list[L]:
    """Files as they are named, and the slides in folders of disks and stores, sorted.

    Subfolders are not searched. A path that does not exist stays in the list, and fails with its reason.

    Raises:
        CohortError: a folder holds no slide, or two files would have the same id, and so the same output.
    """
    problems: list[str] = []
    found: list[L] = []
    for path in paths:
        if not _is_folder(path):
            found.append(path)
        elif inside := sorted(p for p in _files_in(path) if _looks_like_slide(p)):
            found += inside  # type: ignore[arg-type]  # of the kind of their folder
        else:
            problems.append(
                f"no slide in the folder {path}; expected files ending in {' '.join(sorted(SUFFIXES))}"
            )
    found = list(dict.fromkeys(found))
    if problems := problems + _same_ids(found):
        raise CohortError("slides", problems)
    return found


def _is_folder(path: Location) -> bool:
    """Whether it is; a store is not asked about addresses that end like a slide."""
    named = isinstance(path, Url) and path.suffix.lower() in SUFFIXES
    return not named and path.is_dir()


def _files_in(folder: Location) -> Sequence[Location]:
    if isinstance(folder, Url):
        return folder.files()
    return [path for path in folder.iterdir() if path.is_file()]


def _looks_like_slide(path: Location) -> bool:
    name = path.name.lower()
    return (
        path.suffix.lower() in SUFFIXES and not name.startswith(".") and not name.endswith(MADE_FROM_SLIDES)
    )


def _same_ids(paths: Sequence[Location]) -> list[str]:
    same: dict[str, list[Location]] = defaultdict(list)
    for path in paths:
        same[slide_id(path)].append(path)
    return [
        f"{' and '.join(map(str, files))} would both be named {name!r}; rename one, or run them apart"
        for name, files in same.items()
        if len(files) > 1
    ]
