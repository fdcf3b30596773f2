"""Layout "masks": pictures or slides, each with a picture of labels of the same or another resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError, SlideError
from histopress.core.geometry import Size
from histopress.core.recipe import build
from histopress.data.patch_areas import LARGEST, Area, AreaLayout, AreaSource, Layer
from histopress.data.patch_frames import Frame
from histopress.data.patch_slides import Picture
from histopress.data.patch_task import PatchTask
from histopress.data.picture_slide import PictureSlide
from histopress.data.slide import Slide, open_slide

BAND = 512
"""Rows of a mask that are decoded at once."""

DECODED = 4 * LARGEST
"""px of the finest level of a mask that is decoded, if there is a coarser one."""

Values = NDArray[np.uint8]


@dataclass(frozen=True)
class MaskLayout(AreaLayout):
    """Settings of layout "masks", beyond those of `AreaLayout` and `SlideLayout`.

    Attributes:
        mask: path of the mask of a picture below the folder of the data, with {stem}, {name} and {folder} of
            the picture. Of colour masks the first channel counts, of palettes the number of the colour.
        values: class -> values of the mask; other values belong to no class.
        missing: pictures without a mask are an error, or left out.
    """

    mask: str = "{stem}_mask.png"
    values: dict[str, tuple[int, ...]] = field(default_factory=dict)
    missing: Literal["fail", "leave-out"] = "fail"


class MaskSource(AreaSource):
    """Layout "masks"; see `MaskLayout`."""

    layout: MaskLayout

    def __init__(self, task: PatchTask, folder: Path) -> None:
        super().__init__(task, folder)
        self.layout = build(MaskLayout, task.source, where=f"[source] of task {task.name}")
        self._seen: set[int] = set()
        if set(self.layout.values) != set(task.classes):
            raise PatchError(
                f"task {task.name!r}: `source.values` names {', '.join(self.layout.values) or 'nothing'}, "
                f"expected values for each of {', '.join(task.classes)}; complete it"
            )

    def companion(self, picture: Picture) -> Path:
        """See `SlideSource.companion`."""
        return self.beside(picture, self.layout.mask, "mask")

    def areas(self, picture: Picture, slide: Slide, frame: Frame) -> Sequence[Area]:
        """See `AreaSource.areas`."""
        path = self.companion(picture)
        if not path.is_file():
            if self.layout.missing == "leave-out":
                return ()
            raise PatchError(
                f"{path}: there is no such mask of {picture.file}, expected one for every picture; mend "
                '`source.mask`, or set `source.missing` = "leave-out"'
            )
        values = read_labels(path, slide.size)
        self._seen.update(np.unique(values[::16, ::16]).tolist())
        steps = (slide.size.width / values.shape[1], slide.size.height / values.shape[0])
        return [
            Area(label, ((Layer(_among(values, self.layout.values[name]), *steps), self.layout.share),))
            for label, name in enumerate(self.task.classes)
        ]

    def seen(self) -> str:
        """See `AreaSource.seen`."""
        return f"values {', '.join(map(str, sorted(self._seen))) or 'of no mask'} in masks"


def _among(values: Values, wanted: Sequence[int]) -> NDArray[np.bool_]:
    table = np.zeros(256, bool)
    table[list(wanted)] = True
    chosen: NDArray[np.bool_] = table[values]
    return chosen


def read_labels(path: Path, size: Size) -> Values:
    """The labels that cover a slide, (rows, cols) uint8, of very large masks every second, third, ... px.

    Args:
        path: PNG, TIFF or anything that is read as a slide.
        size: of the slide.

    Raises:
        PatchError: it cannot be read, or is of another shape than the slide.
    """
    try:
        with open_slide(path, 1.0) as mask:
            _check_shape(path, mask.size, size)
            return _stored_values(path) if isinstance(mask, PictureSlide) else _level_values(mask)
    except SlideError as error:
        raise PatchError(f"{error} (as a mask of labels)") from error


def _check_shape(path: Path, mask: Size, size: Size) -> None:
    ratio = (mask.width / size.width) / (mask.height / size.height)
    if abs(ratio - 1) > 0.01 + 1 / mask.width + 1 / mask.height:
        raise PatchError(
            f"{path}: {mask}, expected the aspect ratio of its picture of {size}; is it the mask of "
            "another one?"
        )


def _stored_values(path: Path) -> Values:
    """Numbers as a plain picture stores them: of a palette the indices."""
    from PIL import Image

    with Image.open(path) as picture:
        values = np.asarray(picture)
    values = (values if values.ndim == 2 else values[..., 0]).astype(np.uint8)
    keep = _every(Size(values.shape[1], values.shape[0]))
    return values[keep // 2 :: keep, keep // 2 :: keep]


def _level_values(mask: Slide) -> Values:
    """First channel of the finest level that can be decoded in reasonable time, band by band."""
    fine = [n for n, level in enumerate(mask.levels) if level.size.width * level.size.height <= DECODED]
    number = fine[0] if fine else len(mask.levels) - 1
    size = mask.levels[number].size
    keep = _every(size)
    band = math.ceil(BAND / keep) * keep
    rows = []
    for top in range(0, size.height, band):
        pixels = mask.stored(number, 0, top, Size(size.width, min(band, size.height - top)))
        rows.append(pixels[min(keep // 2, len(pixels) - 1) :: keep, keep // 2 :: keep, 0])
    return np.concatenate(rows)


def _every(size: Size) -> int:
    return max(1, math.ceil(math.sqrt(size.width * size.height / LARGEST)))
