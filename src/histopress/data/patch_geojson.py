"""Layout "geojson": slides with drawn regions, from QuPath (GeoJSON) or ASAP (XML)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.core.recipe import build
from histopress.data.outlines import Polygon, fill
from histopress.data.patch_annotations import Region, read_asap, read_geojson
from histopress.data.patch_areas import LARGEST, Area, AreaLayout, AreaSource, Layer, tissue_of
from histopress.data.patch_frames import Frame
from histopress.data.patch_slides import Picture
from histopress.data.patch_task import PatchTask
from histopress.data.slide import Slide

FINE = 32
"""px of a layer that a tile is wide, unless the slide is too large for it."""


@dataclass(frozen=True)
class GeoJsonLayout(AreaLayout):
    """Settings of layout "geojson", beyond those of `AreaLayout` and `SlideLayout`.

    Attributes:
        annotations: path of the file of a picture below the folder of the data, with {stem}, {name} and
            {folder} of the picture.
        format: geojson as QuPath writes it, or asap for the XML files of ASAP.
        names: class -> names of its regions; a class that is not named here has regions of its own name.
        cut: names of regions that are cut out of all others.
        outside: class of tissue that no region touches, if there is one.
        tissue: least share of tissue in its tiles.
        missing: pictures without a file are an error, have no regions ("empty"), or are left out.
    """

    annotations: str = "{stem}.geojson"
    format: Literal["geojson", "asap"] = "geojson"
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    cut: tuple[str, ...] = ()
    outside: str = ""
    tissue: float = 0.5
    missing: Literal["fail", "empty", "leave-out"] = "fail"


class GeoJsonSource(AreaSource):
    """Layout "geojson"; see `GeoJsonLayout`."""

    layout: GeoJsonLayout

    def __init__(self, task: PatchTask, folder: Path) -> None:
        super().__init__(task, folder)
        self.layout = build(GeoJsonLayout, task.source, where=f"[source] of task {task.name}")
        self._seen: Counter[str] = Counter()
        unknown = sorted({*self.layout.names, self.layout.outside} - {*task.classes, ""})
        if unknown:
            raise PatchError(
                f"task {task.name!r}: `source` names {', '.join(unknown)}, expected only "
                f"{', '.join(task.classes)}; mend `names` or `outside`"
            )

    def companion(self, picture: Picture) -> Path:
        """See `SlideSource.companion`."""
        return self.beside(picture, self.layout.annotations, "annotations")

    def areas(self, picture: Picture, slide: Slide, frame: Frame) -> Sequence[Area]:
        """See `AreaSource.areas`."""
        regions = self._regions(picture)
        if regions is None:
            return ()
        _check_place(self.companion(picture), regions, frame)
        self._seen.update(region.name for region in regions)
        step = _step(frame)
        shape = (math.ceil(frame.size.height / step), math.ceil(frame.size.width / step))
        away = _filled([r for r in regions if r.name in self.layout.cut], step, shape)
        areas = []
        for label, name in enumerate(self.task.classes):
            if name != self.layout.outside:
                own = self.layout.names.get(name, (name,))
                inside = _filled([r for r in regions if r.name in own], step, shape)
                areas.append(Area(label, ((Layer(inside & ~away, step, step), self.layout.share),)))
        areas += self._outside(slide, regions, step, shape)
        return sorted(areas, key=lambda area: area.label)

    def _outside(
        self, slide: Slide, regions: Sequence[Region], step: float, shape: tuple[int, int]
    ) -> list[Area]:
        if not self.layout.outside:
            return []
        free = Layer(~_filled(regions, step, shape), step, step)
        needs = ((tissue_of(slide), self.layout.tissue), (free, 1.0))
        return [Area(self.task.classes.index(self.layout.outside), needs)]

    def _regions(self, picture: Picture) -> list[Region] | None:
        path = self.companion(picture)
        if not path.is_file() and self.layout.missing != "fail":
            return [] if self.layout.missing == "empty" else None
        return read_asap(path) if self.layout.format == "asap" else read_geojson(path)

    def seen(self) -> str:
        """See `AreaSource.seen`."""
        names = ", ".join(
            f"{name or 'without a class'} ({count})" for name, count in self._seen.most_common(10)
        )
        return f"regions {names}" if names else "no regions"


def _step(frame: Frame) -> float:
    """Level-0 px that a px of a layer is wide."""
    least = math.sqrt(frame.size.width * frame.size.height / LARGEST)
    return max(1.0, least, min(frame.width, frame.height) / FINE)


def _filled(regions: Sequence[Region], step: float, shape: tuple[int, int]) -> NDArray[np.bool_]:
    return fill([_scaled(region.polygon, step) for region in regions], shape)


def _scaled(polygon: Polygon, step: float) -> Polygon:
    return Polygon(polygon.outer / step, tuple(hole / step for hole in polygon.holes))


def _check_place(path: Path, regions: Sequence[Region], frame: Frame) -> None:
    """Regions of another slide, or in other units, mostly show by where they lie."""
    if not regions:
        return
    points = np.concatenate([region.polygon.outer for region in regions])
    limit = np.array([frame.size.width, frame.size.height])
    outside = 1 - ((points >= -1) & (points <= limit + 1)).all(axis=1).mean()
    if outside > 0.5:
        raise PatchError(
            f"{path}: {outside:.0%} of its points lie outside of the slide of {frame.size}, expected its "
            "level-0 px; does it belong to another slide?"
        )
