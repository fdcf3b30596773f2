"""Pictures and slides that labelled places lie in: which there are, and the pixels of places."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath

from histopress.core.errors import CohortError, PatchError, SlideError, SpacingError, UnreadableSlideError
from histopress.core.geometry import Spacing
from histopress.data.open_slides import OpenSlides
from histopress.data.patch_frames import Frame, box_of
from histopress.data.patch_labels import found_by, parts_of, pattern_of
from histopress.data.patch_source import PatchSource, Place
from histopress.data.patch_squares import NEARLY, show
from histopress.data.patch_task import PatchTask
from histopress.data.slide import RGB, Slide, open_slide
from histopress.data.tables import read_text_table


@dataclass(frozen=True)
class SlideLayout:
    """Settings that say which pictures there are, shared by layouts of places in pictures.

    Attributes:
        pictures: patterns of paths below the folder of the data, such as "images/*.tif"; ** is any folder.
        table: CSV or Parquet file; if given, only pictures that it names are read.
        file: column of it with their names without ending.
        only: column -> value that rows of the table must have.
        group_pattern: regular expression for the group in the path of a picture; its brackets count, joined
            by "/"; empty: every picture is a group.
        parts: pattern of paths -> train, tuning or test; "" leaves the picture out; the first that fits
            counts.
    """

    pictures: tuple[str, ...] = ()
    table: str = ""
    file: str = "file"
    only: dict[str, str] = field(default_factory=dict)
    group_pattern: str = ""
    parts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A picture or slide of the set.

    Attributes:
        file: path below the folder of the data.
        group: what must never be split.
        part: as stated, or "".
    """

    file: str
    group: str
    part: str


class SlideSource(PatchSource):
    """What layouts of places in pictures have in common; `layout` holds their settings."""

    layout: SlideLayout

    def __init__(self, task: PatchTask, folder: Path) -> None:
        super().__init__(task, folder)
        if task.kind in ("regression", "multilabel"):
            raise PatchError(
                f"task {task.name!r} is of kind {task.kind}, expected binary, multiclass or ordinal, which "
                f'layout {task.layout!r} can say; use layout "table"'
            )
        self._slides = OpenSlides(self._opened)
        self._unreadable: dict[str, str] = {}

    def close(self) -> None:
        """Let go of the slides."""
        self._slides.close()

    def files(self) -> Sequence[Path]:
        """See `PatchSource.files`: the table, the pictures, and what lies beside them."""
        table = [self.folder / self.layout.table] if self.layout.table else []
        pictures = [self.folder / picture.file for picture in self.pictures]
        return table + pictures + [path for path in map(self.companion, self.pictures) if path.is_file()]

    @abstractmethod
    def companion(self, picture: Picture) -> Path:
        """The file with the labels of a picture."""

    @cached_property
    def pictures(self) -> Sequence[Picture]:
        """The pictures with group and part, by name, without those that are left out.

        Raises:
            PatchError: there are none, or none is named by the table.
        """
        return self.grouped(self._names())

    def grouped(self, names: Sequence[str]) -> list[Picture]:
        """Pictures with group and part, without those that are left out.

        Args:
            names: paths below the folder of the data.
        """
        where = f"`source.parts` of task {self.task.name!r}"
        pattern = pattern_of(self.layout.group_pattern, "source.group_pattern")
        words = [self._part(name) for name in names] if self.layout.parts else [""] * len(names)
        parts = parts_of(words, {"": ""}, where) if self.layout.parts else words
        return [
            Picture(name, found_by(pattern, name, str(self.folder)) if pattern else name, part)
            for name, part in zip(names, parts, strict=True)
            if part is not None
        ]

    def _part(self, name: str) -> str:
        for pattern, part in self.layout.parts.items():
            if fnmatchcase(name, pattern):
                return part
        raise PatchError(
            f"{self.folder}/{name}: no pattern of {', '.join(self.layout.parts)} fits, expected a part for "
            'every picture; complete `source.parts`, for example with "*" = "train"'
        )

    def _names(self) -> list[str]:
        patterns = " or ".join(self.layout.pictures) or "nothing"
        found = {path for pattern in self.layout.pictures for path in self.folder.glob(pattern)}
        names = sorted(path.relative_to(self.folder).as_posix() for path in found if path.is_file())
        if not names:
            raise PatchError(
                f"{self.folder}: no file like {patterns}, expected the pictures of task {self.task.name!r}; "
                f"put them there or mend `source.pictures`. {self.task.origin}"
            )
        if self.layout.table:
            listed = set(_column(self.folder / self.layout.table, self.layout.file, self.layout.only))
            names = [name for name in names if PurePosixPath(name).stem in listed]
            if not names:
                raise PatchError(
                    f"{self.folder / self.layout.table}: names none of the pictures {patterns} (such as "
                    f"{sorted(listed)[:1]}), expected their names without ending in column "
                    f"{self.layout.file!r}; mend `source`"
                )
        return names

    def beside(self, picture: Picture, template: str, setting: str) -> Path:
        """The file that belongs to a picture.

        Args:
            picture: whose.
            template: its path below the folder of the data, with {stem}, {name} and {folder} of the picture
                (its name without and with ending, and that of the folder it lies in).
            setting: name of the template, for errors.

        Raises:
            PatchError: the template holds other words.
        """
        path = PurePosixPath(picture.file)
        try:
            words = template.format(stem=path.stem, name=path.name, folder=path.parent.name)
        except (KeyError, IndexError, ValueError) as error:
            raise PatchError(
                f"`source.{setting}` = {template!r}: {error} is unknown, expected {{stem}}, {{name}} or "
                "{folder}; mend it"
            ) from error
        return self.folder / words

    def _opened(self, file: str) -> Slide:
        slide = open_slide(self.folder / file, self.task.spacing or None)
        try:
            slide.spacing  # noqa: B018  # raises if there is none
        except SpacingError:
            slide.close()
            raise
        return slide

    @contextmanager
    def opened(self, file: str) -> Iterator[Slide]:
        """A slide, open within the block.

        Args:
            file: path below the folder of the data.

        Raises:
            PatchError: it cannot be opened or read, or its spacing is neither stated nor plausible.
        """
        with patch_errors(), self._slides.use(file) as slide:
            yield slide

    def attempted(self, picture: Picture, field: float) -> list[Place]:
        """The places of a picture; of one that cannot be read one place, which fails when it is cut.

        Args:
            picture: which.
            field: width of a tile in um.
        """
        try:
            with self.opened(picture.file) as slide:
                frame = self._frame(picture, slide, field)
                return list(self.places_on(picture, slide, frame)) if frame else []
        except PatchError as error:
            if not isinstance(error.__cause__, UnreadableSlideError):
                raise
            self._unreadable[picture.file] = str(error)
            return [Place(picture.file, picture.file, math.nan, picture.group, picture.part)]

    @abstractmethod
    def places_on(self, picture: Picture, slide: Slide, frame: Frame) -> Iterable[Place]:
        """The places of a picture in a stable order, none twice.

        Args:
            picture: which.
            slide: the same, open.
            frame: what a tile is on it.
        """

    def _frame(self, picture: Picture, slide: Slide, field: float) -> Frame | None:
        """What a tile is on a picture; None if the picture is to be left out as it shows less."""
        frame = Frame.on(slide, field)
        if frame.fits < NEARLY and self.task.small == "fail":
            raise PatchError(
                f"{self.folder}/{picture.file}: {frame.size}, expected at least {frame.width:g} x "
                f"{frame.height:g} px, which a tile shows; ask for smaller tiles, or set `small` to "
                '"magnify", "pad" or "leave-out"'
            )
        if frame.fits < NEARLY and self.task.small == "leave-out":
            return None
        return frame if self.task.small == "pad" else frame.scaled(frame.fits)

    def place(self, picture: Picture, label: float, left: float, top: float, frame: Frame) -> Place:
        """A place from the upper left corner of its tile."""
        name = f"{picture.file}@{left:.10g},{top:.10g}"
        x, y = float(left) + frame.width / 2, float(top) + frame.height / 2
        return Place(name, picture.file, label, picture.group, picture.part, x, y, frame.width)

    def cut(self, place: Place, tile: int) -> RGB:
        """See `PatchSource.cut`; stored pixels are taken as they are if spacings differ by 2 % at most."""
        if place.file in self._unreadable:
            raise PatchError(self._unreadable[place.file])
        with self.opened(place.file) as slide:
            box = box_of(slide, place, tile)
            if box.x < 0 or box.y < 0:
                whole = slide.stored(0, 0, 0, slide.size)
                return show(whole, (place.x, place.y, place.width), tile)
            pixel = Spacing(box.width / tile * slide.spacing.x, box.height / tile * slide.spacing.y)
            return slide.read(box, pixel)


@contextmanager
def patch_errors() -> Iterator[None]:
    """What is wrong with one slide or table is wrong with the set."""
    try:
        yield
    except (SlideError, CohortError) as error:
        raise PatchError(str(error)) from error


def _column(path: Path, column: str, only: dict[str, str]) -> list[str]:
    """Cells of a column in the rows that have the wanted values."""
    with patch_errors():
        table = read_text_table(path)
    missing = [name for name in (column, *only) if name not in table]
    if missing:
        raise PatchError(
            f"{path}: columns {', '.join(map(str, table))}, expected also {', '.join(missing)}; "
            "mend `[source]`"
        )
    for name, value in only.items():
        table = table[table[name] == value]
    return [str(cell) for cell in table[column]]
