"""Which of the given files and folders are tables, and which are slides."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from histopress.core.errors import CohortError
from histopress.data.slide_files import MADE_FROM_SLIDES, SUFFIXES, slide_id
from histopress.data.tables import is_table


@dataclass(frozen=True)
class Layout:
    """How files are named where they come from.

    Attributes:
        tables: names of tables that folders are searched for, with * for anything; case does not matter.
        slides: pattern of the ids of slides in folders; files with other ids are no slides of this set.
    """

    tables: tuple[str, ...] = ()
    slides: str = r"(?!.*_mask$).+"


@dataclass(frozen=True)
class Sources:
    """What was given.

    Attributes:
        tables: that were named; if none were, those found in the folders.
        slides: that were named or found in folders and their subfolders, sorted; None where there are none.
    """

    tables: tuple[Path, ...]
    slides: tuple[Path, ...] | None

    @property
    def names(self) -> str:
        """The tables, for messages."""
        return " and ".join(map(str, self.tables))

    def one_table(self) -> Path:
        """The only table.

        Raises:
            CohortError: there are several.
        """
        if len(self.tables) > 1:
            raise CohortError(
                self.names, [f"{len(self.tables)} tables, expected one; name the official one alone"]
            )
        return self.tables[0]


def find_sources(paths: Sequence[Path], layout: Layout) -> Sources:
    """Tell tables from slides, and search folders for both.

    Raises:
        CohortError: a path does not exist, a folder holds nothing of use, or there is no table.
    """
    problems = [f"there is no {path}; check the path" for path in paths if not path.exists()]
    named = [path for path in paths if path.is_file() and is_table(path)]
    slides = [path for path in paths if path.is_file() and not is_table(path)]
    found: list[Path] = []
    for folder in (path for path in paths if path.is_dir()):
        files = list(_files(folder))
        tables = [f for f in files if any(fnmatch(f.name.lower(), name) for name in layout.tables)]
        pictures = [f for f in files if _is_slide(f, layout.slides)]
        if not tables and not pictures:
            problems.append(
                f"{folder} and its subfolders hold no slide of this set and no table named "
                f"{' or '.join(layout.tables) or 'as expected'}; check the folder"
            )
        found += tables
        slides += pictures
    chosen = tuple(dict.fromkeys(named or found))
    if not chosen and not problems:
        problems.append(
            f"no table among {', '.join(map(str, paths))}, expected "
            f"{' or '.join(layout.tables) or 'a clinical table'}; name it"
        )
    if problems:
        raise CohortError("files of the cohort", problems)
    return Sources(chosen, tuple(sorted(set(slides))) or None)


def _files(folder: Path) -> Iterator[Path]:
    for inside, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(inside) / name for name in sorted(names) if not name.startswith("."))


def _is_slide(path: Path, pattern: str) -> bool:
    name = path.name.lower()
    return (
        path.suffix.lower() in SUFFIXES
        and not name.endswith(MADE_FROM_SLIDES)
        and re.fullmatch(pattern, slide_id(path)) is not None
    )
