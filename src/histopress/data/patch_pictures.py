"""Labelled pictures in a folder or zip, cut into tiles, whatever lists them."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.core.geometry import Box
from histopress.data.patch_source import Label, PatchSource, Place
from histopress.data.patch_squares import field_px, show, squares
from histopress.data.patch_task import PatchTask
from histopress.data.picture_store import PictureStore


@dataclass(frozen=True)
class LabelledPicture:
    """A picture, or a box of it, before tiles are laid over it.

    Attributes:
        file: its name in the store.
        label: see `Label`.
        group: what must never be split.
        part: as stated, or "".
        box: px of the picture; None for all of it.
    """

    file: str
    label: Label
    group: str
    part: str
    box: Box | None = None


class PictureSource(PatchSource):
    """Pictures with labels, cut into tiles; `_pictures` lists them."""

    def __init__(self, task: PatchTask, folder: Path, images: str) -> None:
        super().__init__(task, folder)
        self.images = images
        self.store = PictureStore(folder / images)
        self._last = threading.local()

    def close(self) -> None:
        """Let go of the zip."""
        self.store.close()

    @abstractmethod
    def _pictures(self) -> Iterable[LabelledPicture]: ...

    def files(self) -> Sequence[Path]:
        """See `PatchSource.files`."""
        if self.store.is_zip:
            return [self.store.path]
        return self.store.files(sorted({picture.file for picture in self._pictures()}))

    def places(self, field: float) -> Sequence[Place]:
        """See `PatchSource.places`; a picture that cannot be opened gets one place, which cannot be cut."""
        width = field_px(self.task, field)
        return [place for picture in self._pictures() for place in self._laid(picture, width)]

    def _laid(self, picture: LabelledPicture, width: float) -> Iterator[Place]:
        file = f"{self.images}/{picture.file}" if self.images else picture.file
        facts = (picture.label, picture.group, picture.part)
        area = picture.box or self._area(picture.file)
        if area is None:
            yield Place(file, file, *facts)
            return
        for square in squares(area, width, self.task, f"{self.store.path}/{picture.file}"):
            yield Place("{}@{:.10g},{:.10g}".format(file, *square), file, *facts, *square)

    def _area(self, name: str) -> Box | None:
        try:
            return Box.whole(self.store.size(name))
        except PatchError:  # told when it is cut
            return None

    def cut(self, place: Place, tile: int) -> NDArray[np.uint8]:
        """See `PatchSource.cut`; each thread keeps the picture that it decoded last."""
        name = place.file.removeprefix(f"{self.images}/") if self.images else place.file
        if getattr(self._last, "name", None) != name:
            self._last.name, self._last.pixels = None, None
            self._last.pixels = self.store.pixels(name)
            self._last.name = name
        return show(self._last.pixels, (place.x, place.y, place.width), tile)
