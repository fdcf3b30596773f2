"""The tiles of a task on disk: one folder an identity, with tiles.npy, rows.csv and failures.csv.

`rows.csv` is written last, and says by being there that all is whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.core.failures import Failure, Failures
from histopress.core.files import whole, write_whole
from histopress.data.patch_source import Label, Place

FACTS = ("name", "group", "part")


@dataclass(frozen=True)
class CutTile:
    """One tile on its way to the disk.

    Attributes:
        place: what it shows.
        part: train, tuning or test.
        pixels: (tile, tile, 3) uint8; None where they could not be read.
    """

    place: Place
    part: str
    pixels: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Kept:
    """What is in such a folder.

    Attributes:
        tiles: (n, tile, tile, 3) uint8, mapped from the file, read-only.
        targets: (n, numbers of a label) float32.
        facts: name, group, part -> (n,) text.
        failures: what could not be read.
    """

    tiles: NDArray[np.uint8]
    targets: NDArray[np.float32]
    facts: dict[str, NDArray[np.str_]]
    failures: tuple[Failure, ...]


def is_kept(folder: Path) -> bool:
    """Whether the folder is whole."""
    return (folder / "rows.csv").is_file()


def open_kept(folder: Path) -> Kept:
    """Open such a folder; tiles are read when they are used.

    Raises:
        PatchError: its files do not belong together.
    """
    import pandas as pd

    try:
        tiles = np.load(folder / "tiles.npy", mmap_mode="r").view(np.ndarray)
        rows = pd.read_csv(folder / "rows.csv", dtype=str, keep_default_na=False)
        targets = rows.drop(columns=list(FACTS)).to_numpy(np.float32)
        facts = {name: rows[name].to_numpy(np.str_) for name in FACTS}
        failures = tuple(_failures(folder / "failures.csv"))
    except (OSError, ValueError, KeyError) as error:
        raise PatchError(
            f"{folder}: the kept tiles cannot be read ({error}); delete the folder and run again"
        ) from error
    if len(tiles) != len(rows):
        raise PatchError(
            f"{folder}: {len(tiles)} tiles and {len(rows)} rows, expected as many; delete the folder and run "
            "again"
        )
    return Kept(tiles, targets, facts, failures)


def _failures(path: Path) -> Iterator[Failure]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in list(csv.reader(file))[1:]:
            yield Failure(*row)


def keep(folder: Path, tile: int, cuts: Iterable[CutTile], failures: Failures, outputs: int) -> None:
    """Write such a folder while tiles are cut, so that they need not fit into memory.

    Args:
        folder: to write.
        tile: px a side.
        cuts: of which those without pixels are left out.
        failures: filled while `cuts` is gone through.
        outputs: numbers a label.

    Raises:
        PatchError: no tile has pixels.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FACTS, *(f"target_{number}" for number in range(outputs))])
    with _tiles_file(folder / "tiles.npy", tile) as file:
        for cut in cuts:
            if cut.pixels is not None:
                file.write(np.ascontiguousarray(cut.pixels).data)
                writer.writerow([cut.place.name, cut.place.group, cut.part, *_numbers(cut.place.label)])
        if failures and text.getvalue().count("\n") == 1:
            first = failures.items[0]
            raise PatchError(f"no tile can be read; the first: {first.item}: {first.reason}; {first.remedy}")
    failures.write(folder)
    write_whole(folder / "rows.csv", text.getvalue())


def _numbers(label: Label) -> list[str]:
    return [repr(float(number)) for number in (label if isinstance(label, tuple) else (label,))]


@contextmanager
def _tiles_file(path: Path, tile: int) -> Iterator[BinaryIO]:
    """A .npy file to write tiles to one after the other; their number is filled in at the end."""
    with whole(path) as partial, partial.open("wb") as file:
        _header(file, (0, tile, tile, 3))
        start = file.tell()
        yield file
        count = (file.tell() - start) // (tile * tile * 3)
        file.seek(0)
        _header(file, (count, tile, tile, 3))  # NumPy leaves room for a longer first number


def _header(file: BinaryIO, shape: Sequence[int]) -> None:
    facts = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(file, facts)
