"""Which slides are asked about: grids, slides, folders and cohort tables, brought together by slide id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from histopress.core.errors import CohortError, GridError
from histopress.core.location import Location, location
from histopress.data.cohort import read_cohort
from histopress.data.slide_files import find_slides, slide_id
from histopress.data.tables import is_table
from histopress.grids.store import FOLDER_SUFFIX, SUFFIX, find_grids, grid_path, is_grid


@dataclass
class Question:
    """One slide to answer for.

    Attributes:
        slide: its id.
        patient: as a cohort table says; none where none does.
        labels: likewise, column -> value, of the columns that the run learned from.
        grid: its stored grid, if there is one.
        file: the slide itself, if it was named.
        spacing: um/px of level 0 that a table gives.
        mask: of tissue that a table gives.
    """

    slide: str
    patient: str | None = None
    labels: dict[str, Any] = field(default_factory=dict)
    grid: Path | None = None
    file: Location | None = None
    spacing: float | None = None
    mask: str = ""

    @property
    def existing_grid(self) -> Path:
        """Its stored grid.

        Raises:
            GridError: there is none.
        """
        if self.grid is None:
            raise GridError(
                f"slide {self.slide} has neither a grid nor a file, expected one; name its grid, or the "
                "folder of grids, as well"
            )
        return self.grid


@dataclass
class Questions:
    """Questions by slide id, in the order in which slides are named; tables add what they know."""

    columns: Sequence[str]
    by_slide: dict[str, Question] = field(default_factory=dict)

    def of(self, slide: str) -> Question:
        """The question about a slide, new if need be."""
        return self.by_slide.setdefault(slide, Question(slide))

    def add_grid(self, path: Path) -> None:
        """Ask about a stored grid."""
        name = path.name.removesuffix(SUFFIX).removesuffix(FOLDER_SUFFIX)
        question = self.of(name)
        if question.grid not in (None, path):
            raise CohortError(
                str(path), [f"slide {name!r} has another grid at {question.grid}, expected one; name one"]
            )
        question.grid = path

    def add_table(self, path: Path) -> None:
        """Ask about all slides of a cohort table."""
        cohort = read_cohort(path)
        columns = [column for column in self.columns if column in cohort.table]
        cohort.labels(columns)
        for row in cohort.table.to_dict("records"):
            question = self.of(row["slide"])
            question.patient = row["patient"]
            question.labels = {c: row[c] for c in columns if _given(row[c]) is not None}
            question.file = _file(row["path"]) if row["path"] else question.file
            question.spacing = _given(row.get("spacing"))
            question.mask = str(row.get("mask", ""))


def _file(path: str) -> Location:
    found = location(path)
    return found.absolute() if isinstance(found, Path) else found


def find_questions(paths: Sequence[Path], columns: Sequence[str], grids: Path | None) -> list[Question]:
    """All slides that some paths lead to.

    Args:
        paths: stored grids, slides, folders of either, cohort tables.
        columns: of labels.
        grids: folder where grids of these slides may lie already.

    Raises:
        CohortError: a table has problems, a folder holds nothing, or two grids share a slide id.
    """
    questions = Questions(columns)
    for path in paths:
        if is_table(path):
            questions.add_table(path)
        elif is_grid(path):
            questions.add_grid(path)
        elif path.is_dir() and (inside := find_grids(path)):
            for grid in inside:
                questions.add_grid(grid)
        else:
            for file in find_slides([path]):
                questions.of(slide_id(file)).file = file.absolute()
    for question in questions.by_slide.values():
        if question.grid is None and grids is not None:
            path = grid_path(grids, question.slide)
            question.grid = path if path.exists() else None
    return list(questions.by_slide.values())


def _given(value: Any) -> Any:
    """A cell of a table, none where it is empty."""
    missing = value is None or value == "" or (isinstance(value, float) and np.isnan(value))
    return None if missing else value
