"""Crops -> PNG tiles in folders by part and class, with their lesion masks and a table; and back."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import RunError
from histopress.core.files import write_whole
from histopress.core.progress import progress
from histopress.core.run import Run
from histopress.core.summary import Summary
from histopress.data.tables import read_text_table
from histopress.studies.ncamelyon import CHANNELS, NO_BOXES, CamelyonCrops, boxes_of
from histopress.studies.pictures import Sample

CLASSES = ("normal", "lesion")
TABLE_FILE = "tiles.csv"
MASKS = "masks"
"""Beside the folder of each part, so that nothing takes masks for a class."""


@dataclass(kw_only=True)
class TilesSummary(Summary):
    """What was written.

    Attributes:
        part: of the crops.
        tiles: in the folder, earlier ones included.
    """

    part: str
    tiles: int = 0

    @property
    def headline(self) -> str:
        """One line."""
        return f"{self.tiles} tiles of part {self.part} in {self.output}"


def write_tiles(pictures: CamelyonCrops, folder: Path) -> TilesSummary:
    """Write a part as `PART/CLASS/SLIDE-ROW-COL.png`, `masks/PART/` (lesions white) and `PART/tiles.csv`.

    Tiles that are there already are left as they are. Tiles that fail are listed in `PART/failures.csv`; the
    table comes last, and only when none has failed.

    Args:
        pictures: crops of a part.
        folder: made if absent; parts share it.

    Raises:
        RunError: the folder holds the same part of another plan.
    """
    inputs = {"pictures": pictures.identity, "shape": list(pictures.shape), "o2i": pictures.o2i}
    run = Run.start(folder / pictures.part, {"part": pictures.part}, inputs)
    summary = TilesSummary(output=folder / pictures.part, part=pictures.part)
    table = pictures.table
    files = [_file(row) for row in table[["label", "slide", "row", "col"]].itertuples(index=False)]
    if run.done:
        summary.tiles = len(files)
        return summary
    with progress("write tiles", len(files), "tiles") as bar:
        for index, file in enumerate(files):
            with summary.failures.attempt(file):
                _keep(pictures, index, folder, file)
                summary.tiles += 1
            bar.advance()
    summary.write()
    if not len(summary.failures):
        listed = table.drop(columns="mask")
        listed.insert(0, "file", files)
        run.write(TABLE_FILE, listed.to_csv(index=False, lineterminator="\n"))
        run.finish()
    return summary


def _file(row: Any) -> str:
    return f"{CLASSES[row.label]}/{row.slide}-{row.row}-{row.col}.png"


def _keep(pictures: CamelyonCrops, index: int, folder: Path, file: str) -> None:
    """One tile, its mask before it, unless it is there."""
    tile = folder / pictures.part / file
    if tile.exists():
        return
    sample = pictures.draw(index)
    if sample.label:
        mask = pictures.mask(index).astype(np.uint8) * np.uint8(255)
        write_whole(folder / MASKS / pictures.part / tile.name, _png(mask))
    write_whole(tile, _png(sample.picture))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


@dataclass(frozen=True)
class CamelyonTiles:
    """The same crops as they were written: the slides are not needed any more.

    Attributes:
        folder: of one part, as `write_tiles` made it.
    """

    folder: Path

    @property
    def identity(self) -> str:
        """That of the crops that were written: pixels are the same."""
        return str(_inputs(self.folder)["pictures"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every tile."""
        height, width, _ = _inputs(self.folder)["shape"]
        return (height, width, CHANNELS)

    @property
    def o2i(self) -> float:
        """Geometric middle of the band."""
        return float(_inputs(self.folder)["o2i"])

    @property
    def labels(self) -> NDArray[np.int64]:
        """(tiles,) 1 for a tile with a lesion, 0 for one without."""
        return _table(self.folder)["label"].to_numpy(np.int64)

    def __len__(self) -> int:
        return len(_table(self.folder))

    def draw(self, index: int) -> Sample:
        """The tile of this number."""
        file, label = _rows(self.folder)[index]
        tile = self.folder / file
        if not label:
            return Sample(_pixels(tile), label, NO_BOXES.copy())
        mask = _pixels(self.folder.parent / MASKS / self.folder.name / tile.name) > 0
        return Sample(_pixels(tile), label, boxes_of(mask))


def _pixels(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as picture:
        return np.array(picture)


@lru_cache(maxsize=16)
def _inputs(folder: Path) -> dict[str, Any]:
    run = Run.load(folder)
    if not run.done:
        raise RunError(f"{folder} is not complete, expected {TABLE_FILE}; write the tiles again")
    inputs: dict[str, Any] = run.record["inputs"]
    return inputs


@lru_cache(maxsize=16)
def _rows(folder: Path) -> list[tuple[str, int]]:
    table = _table(folder)
    return list(zip(table["file"], table["label"].astype(int), strict=True))


@lru_cache(maxsize=16)
def _table(folder: Path) -> pd.DataFrame:
    _inputs(folder)
    return read_text_table(folder / TABLE_FILE)
