"""Layout "table": one row a picture, or a box inside a picture; pictures lie in a folder or zip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.errors import CohortError, PatchError
from histopress.core.geometry import Box
from histopress.core.recipe import build
from histopress.data.patch_labels import flags_of, found_by, labels_of, parts_of, pattern_of
from histopress.data.patch_pictures import LabelledPicture, PictureSource
from histopress.data.patch_source import Label
from histopress.data.patch_task import PatchTask
from histopress.data.tables import read_text_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TableLayout:
    """Settings of layout "table": one row a picture, or a box inside a picture. Columns are given by name.

    Attributes:
        table: CSV or Parquet file, below the folder of the data.
        images: folder or zip with the pictures, likewise; empty: that folder itself.
        file: column with the path of the picture below `images`.
        suffix: added to these paths, for example ".tif".
        label: column with the class, or with the number.
        labels: for multilabel, a column of 1 and 0 for each class, in their order.
        mapping: label in the table -> class; "" leaves the row out; others are named as the classes are.
        group: column with the group; empty: see `group_pattern`.
        group_pattern: regular expression for the group in that column, or without one in the path of the
            picture; its brackets count, joined by "/". Where both are empty, every picture is a group.
        part: column with the part; empty: none is stated.
        parts: value in that column -> train, tuning or test; "" leaves the row out.
        x: column with the left edge of a box in px; empty: the whole picture counts.
        y: column with its upper edge.
        size: column with its side.
        only: column -> value that rows must have to be read.
    """

    table: str = "index.csv"
    images: str = ""
    file: str = "file"
    suffix: str = ""
    label: str = "label"
    labels: tuple[str, ...] = ()
    mapping: dict[str, str] = field(default_factory=dict)
    group: str = ""
    group_pattern: str = ""
    part: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    x: str = ""
    y: str = ""
    size: str = ""
    only: dict[str, str] = field(default_factory=dict)


class TableSource(PictureSource):
    """Layout "table"; see `TableLayout`."""

    def __init__(self, task: PatchTask, folder: Path) -> None:
        self.layout = build(TableLayout, task.source, where=f"[source] of task {task.name}")
        self.table = folder / self.layout.table
        if (task.kind == "multilabel") != bool(self.layout.labels):
            raise PatchError(
                f"task {task.name!r} of kind {task.kind} with {len(self.layout.labels)} columns of "
                "labels, expected `source.labels` for multilabel and only for it; mend `kind` or `[source]`"
            )
        super().__init__(task, folder, self.layout.images)

    def files(self) -> Sequence[Path]:
        """See `PatchSource.files`."""
        return [self.table, *super().files()]

    def _pictures(self) -> Iterator[LabelledPicture]:
        table = self._rows()
        where = str(self.table)
        names = [f"{name}{self.layout.suffix}" for name in table[self.layout.file]]
        labels = self._labels(table)
        groups = self._groups(table, names)
        given = list(table[self.layout.part]) if self.layout.part else []
        parts = parts_of(given, self.layout.parts, where)
        boxes = self._boxes(table)
        for index, (name, label) in enumerate(zip(names, labels, strict=True)):
            part = parts[index] if parts else ""
            if label is not None and part is not None:
                yield LabelledPicture(name, label, groups[index], part, boxes[index] if boxes else None)

    def _rows(self) -> pd.DataFrame:
        try:
            table = read_text_table(self.table)
        except CohortError as error:
            raise PatchError(str(error)) from error
        layout = self.layout
        wanted = [layout.file, *(layout.labels or [layout.label]), layout.group, layout.part]
        wanted += [layout.x, layout.y, layout.size, *layout.only]
        missing = [name for name in wanted if name and name not in table]
        if missing:
            raise PatchError(
                f"{self.table}: columns {', '.join(table.columns)}, expected also {', '.join(missing)}; mend "
                "`[source]`"
            )
        for column, value in layout.only.items():
            table = table[table[column] == value]
        if table.empty:
            raise PatchError(f"{self.table}: no row is left by {layout.only}; mend `source.only`")
        return table

    def _labels(self, table: pd.DataFrame) -> list[Label | None]:
        where = str(self.table)
        if not self.layout.labels:
            return labels_of(list(table[self.layout.label]), self.task, self.layout.mapping, where)
        if len(self.layout.labels) != len(self.task.classes):
            raise PatchError(
                f"task {self.task.name!r}: {len(self.layout.labels)} columns of labels, expected one for "
                f"each of {len(self.task.classes)} classes; mend `source.labels`"
            )
        return flags_of([list(table[column]) for column in self.layout.labels], where)

    def _groups(self, table: pd.DataFrame, names: list[str]) -> list[str]:
        words = list(table[self.layout.group]) if self.layout.group else names
        pattern = pattern_of(self.layout.group_pattern, "source.group_pattern")
        groups = [found_by(pattern, word, str(self.table)) for word in words] if pattern else words
        if "" in groups:
            raise PatchError(
                f"{self.table}: row {table.index[groups.index('')]} names no group in column "
                f"{self.layout.group!r}, expected one in every row; fill it in"
            )
        return groups

    def _boxes(self, table: pd.DataFrame) -> list[Box] | None:
        columns = (self.layout.x, self.layout.y, self.layout.size)
        if not any(columns):
            return None
        if not all(columns):
            raise PatchError(
                f"task {self.task.name!r}: `source` names some of x, y and size, expected all three or none"
            )
        try:
            x, y, size = (table[column].astype(float) for column in columns)
        except ValueError as error:
            raise PatchError(f"{self.table}: a box is no number ({error}); mend columns {columns}") from error
        return [Box(left, top, side, side) for left, top, side in zip(x, y, size, strict=True)]
