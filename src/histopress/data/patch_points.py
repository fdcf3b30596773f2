"""Layout "points": pictures or slides with lists of labelled points, such as mitotic figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.core.recipe import build
from histopress.data.patch_areas import tissue_of
from histopress.data.patch_frames import Floats, Frame, generator
from histopress.data.patch_labels import labels_of
from histopress.data.patch_point_lists import Point, read_midog, read_rows, read_table
from histopress.data.patch_slides import Picture, SlideLayout, SlideSource
from histopress.data.patch_source import Place
from histopress.data.patch_task import PatchTask
from histopress.data.slide import Slide

TRIES = 64
"""Places that are looked at for each one that is to be drawn."""

MIDOG = ("1", "2")
"""Numbers of mitotic figures, and of cells that only look like them."""


@dataclass(frozen=True)
class PointLayout(SlideLayout):
    """Settings of layout "points", beyond those of `SlideLayout`.

    Points of the background (cells that only look like the wanted ones) are taken as they are listed; further
    background is drawn at random on tissue. No tile of the background shows a point of another class.

    Attributes:
        format: tupac16, a file of "row,column" lines for each picture; midog, one JSON file; csv, one table
            with the columns file, x, y and label.
        points: path of that file below the folder of the data; for tupac16 with {stem}, {name} and {folder}
            of the picture: where it is missing, there are no points.
        images: folder of the pictures that midog and csv files name; tupac16 has `pictures`.
        mapping: label in the file -> class; "" leaves it out. Of MIDOG, 1 is the second class, 2 the first.
        background: class of tissue without points; empty: the first.
        drawn: places of the background drawn for each point of another class in a picture.
        least: places of the background drawn in every picture, whether it has points or not; leave it at 0 if
            there may be pictures that nobody looked at.
        distance: least um from a place of the background to a point of another class; it is never less than
            half the diagonal of a tile.
        tissue: least share of tissue in drawn places; 0 draws them anywhere.
        seed: of the draws.
    """

    format: Literal["tupac16", "midog", "csv"] = "csv"
    points: str = "points.csv"
    images: str = ""
    mapping: dict[str, str] = field(default_factory=dict)
    background: str = ""
    drawn: float = 1.0
    least: int = 0
    distance: float = 0.0
    tissue: float = 0.5
    seed: int = 0


class PointSource(SlideSource):
    """Layout "points"; see `PointLayout`."""

    layout: PointLayout

    def __init__(self, task: PatchTask, folder: Path) -> None:
        super().__init__(task, folder)
        self.layout = build(PointLayout, task.source, where=f"[source] of task {task.name}")
        background = self.layout.background or task.classes[0]
        if background not in task.classes:
            raise PatchError(
                f"task {task.name!r}: `source.background` = {background!r}, expected one of "
                f"{', '.join(task.classes)}; mend it"
            )
        self.background = task.classes.index(background)

    def companion(self, picture: Picture) -> Path:
        """See `SlideSource.companion`."""
        return self.beside(picture, self.layout.points, "points")

    def files(self) -> Sequence[Path]:
        """See `PatchSource.files`."""
        return list(dict.fromkeys(super().files()))

    def _names(self) -> list[str]:
        if self.layout.format == "tupac16":
            return super()._names()
        missing = [name for name in self._listed if not (self.folder / name).is_file()]
        if missing:
            raise PatchError(
                f"{self.folder}: {len(missing)} of {len(self._listed)} pictures that {self.layout.points} "
                f"names are missing, such as {missing[0]}; put them there or mend `source.images`. "
                f"{self.task.origin}"
            )
        return sorted(self._listed)

    @cached_property
    def _listed(self) -> dict[str, list[Point]]:
        """Path of a picture -> its points, where one file lists those of all."""
        read = read_midog if self.layout.format == "midog" else read_table
        listed = read(self.folder / self.layout.points)
        return {f"{self.layout.images}/{name}".lstrip("/"): points for name, points in listed.items()}

    @cached_property
    def _points(self) -> dict[str, list[Point]]:
        if self.layout.format != "tupac16":
            return self._listed
        other = next(name for label, name in enumerate(self.task.classes) if label != self.background)
        files = {picture.file: self.companion(picture) for picture in self.pictures}
        if not any(path.is_file() for path in files.values()):
            raise PatchError(
                f"{next(iter(files.values()))}: there is no such file, nor one for any other picture, "
                f"expected lists of points; mend `source.points`. {self.task.origin}"
            )
        return {name: read_rows(path, other) if path.is_file() else [] for name, path in files.items()}

    def places(self, field: float) -> Sequence[Place]:
        """See `PatchSource.places`: by picture, listed points first."""
        found = [place for picture in self.pictures for place in self.attempted(picture, field)]
        if not found:
            raise PatchError(
                f"{self.folder / self.layout.points}: no point in {len(self.pictures)} pictures, expected "
                "some; is it the right file?"
            )
        return found

    def places_on(self, picture: Picture, slide: Slide, frame: Frame) -> Iterable[Place]:
        """See `SlideSource.places_on`: points first, then what is drawn."""
        x, y, labels = self._labelled(picture, slide)
        lefts, tops = frame.inside(x - frame.width / 2, y - frame.height / 2)
        positive = labels != self.background
        points = np.stack([x[positive], y[positive]], axis=1)
        apart = self._apart(lefts, tops, points, frame, slide) & ~positive
        count = max(self.layout.least, round(self.layout.drawn * len(points)))
        rows = np.stack([lefts, tops, labels], axis=1)
        listed = np.concatenate([rows[positive], rows[apart]])
        drawn = [(*corner, self.background) for corner in self._drawn(picture, slide, frame, points, count)]
        found: dict[str, Place] = {}
        for left, top, label in [*listed, *drawn]:
            place = self.place(picture, float(label), left, top, frame)
            found.setdefault(place.name, place)
        return found.values()

    def _labelled(self, picture: Picture, slide: Slide) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """X, y and class of the points in a picture."""
        points = self._points[picture.file]
        mapping = dict(self.layout.mapping)
        if self.layout.format == "midog" and not mapping:
            mapping = dict(zip(MIDOG, reversed(self.task.classes[:2]), strict=True))
        where = f"{self.folder / self.layout.points}, {picture.file}"
        labels = labels_of([point.word for point in points], self.task, mapping, where)
        known = [
            (point.x, point.y, label)
            for point, label in zip(points, labels, strict=True)
            if isinstance(label, float) and not math.isnan(label)
        ]
        outside = [p for p in known if not (0 <= p[0] <= slide.size.width and 0 <= p[1] <= slide.size.height)]
        if outside:
            raise PatchError(
                f"{where}: {len(outside)} of {len(known)} points lie outside of {slide.size}, such as x "
                f"{outside[0][0]:g}, y {outside[0][1]:g}, expected px of the picture; are x and y swapped?"
            )
        table = np.array(known, np.float64).reshape(-1, 3)
        return table[:, 0], table[:, 1], table[:, 2].astype(np.int64)

    def _apart(
        self, lefts: Floats, tops: Floats, points: Floats, frame: Frame, slide: Slide
    ) -> NDArray[np.bool_]:
        """(n,) whether tiles are far enough from (m, 2) points."""
        half = np.array([frame.width, frame.height]) / 2
        um = np.array([slide.spacing.x, slide.spacing.y])
        centres = (np.stack([lefts, tops], axis=1) + half) * um
        least = max(self.layout.distance, float(np.hypot(*(half * um))))
        gaps = centres[:, None] - points[None] * um
        apart: NDArray[np.bool_] = (np.hypot(gaps[..., 0], gaps[..., 1]) >= least).all(axis=1)
        return apart

    def _drawn(
        self, picture: Picture, slide: Slide, frame: Frame, points: Floats, count: int
    ) -> list[tuple[float, float]]:
        """Corners of tiles of the background, in the order they were drawn; fewer if there is no room."""
        if not count:
            return []
        random = generator(self.layout.seed, picture.file)
        room = np.maximum(0, [frame.size.width - frame.width, frame.size.height - frame.height])
        lefts, tops = frame.inside(*(random.random((TRIES * count, 2)) * room).T)
        kept = self._apart(lefts, tops, points, frame, slide)
        if self.layout.tissue > 0:
            kept &= tissue_of(slide).shares(lefts, tops, frame) >= self.layout.tissue
        corners = zip(lefts[kept].tolist(), tops[kept].tolist(), strict=True)
        return list(dict.fromkeys(corners))[:count]
