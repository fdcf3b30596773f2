"""Every tile of a source, cut by threads ahead of whoever takes them, and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.core.failures import Failures
from histopress.core.progress import progress
from histopress.data.patch_cache import CutTile, keep
from histopress.data.patch_parts import make_parts
from histopress.data.patch_source import PatchSource, Place

CHUNK = 64
"""Places that a thread cuts at a time, so that a picture is mostly decoded once."""

THREADS = 8


def cut_all(source: PatchSource, folder: Path, tile: int, spacing: float) -> None:
    """List the places of a source, share them out to parts, cut them, and keep the tiles in a folder.

    Raises:
        PatchError: there is nothing to cut, groups are shared between parts, or no tile can be read.
    """
    task = source.task
    places = list_places(source, tile * spacing)
    parts = make_parts(places, task)
    failures = Failures()
    outputs = len(task.classes) if task.kind == "multilabel" else 1
    with progress(f"cut {task.name}", len(places), "tiles") as bar:

        def tiles() -> Iterator[CutTile]:
            cuts = cut_ahead(source, places, tile, failures)
            for place, part, pixels in zip(places, parts, cuts, strict=True):
                bar.advance(note=place.file)
                yield CutTile(place, str(part), pixels)

        keep(folder, tile, tiles(), failures, outputs)


def list_places(source: PatchSource, field: float) -> list[Place]:
    """Every place of a source.

    Args:
        source: an open one.
        field: width of a tile in um.

    Raises:
        PatchError: there is none, or names are not unique.
    """
    places = list(source.places(field))
    if not places:
        raise PatchError(
            f"task {source.task.name!r}: no place to cut a tile of {field:g} um from in {source.folder}; "
            "check `[source]`, `spacing` and `small`"
        )
    twice = sorted(name for name, count in Counter(place.name for place in places).items() if count > 1)
    if twice:
        raise PatchError(
            f"task {source.task.name!r}: {len(twice)} places are listed twice, such as "
            f"{', '.join(twice[:5])}, expected each once; remove the repeated rows"
        )
    return places


def cut_ahead(
    source: PatchSource, places: Sequence[Place], tile: int, failures: Failures
) -> Iterator[NDArray[np.uint8] | None]:
    """The pixels of places in their order, cut a few chunks ahead; None where they cannot be read.

    Args:
        source: an open one.
        places: of the source.
        tile: px a side.
        failures: told once of each file and reason.
    """
    chunks = [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]
    told: set[tuple[str, str]] = set()
    with ThreadPoolExecutor(THREADS, "cut") as pool:
        running = [pool.submit(_cut_chunk, source, chunk, tile) for chunk in chunks[:THREADS]]
        for number, chunk in enumerate(chunks):
            cuts = running.pop(0).result()
            if number + THREADS < len(chunks):
                running.append(pool.submit(_cut_chunk, source, chunks[number + THREADS], tile))
            for place, cut in zip(chunk, cuts, strict=True):
                if isinstance(cut, Exception) and (place.file, str(cut)) not in told:
                    told.add((place.file, str(cut)))
                    failures.add(place.file, cut)
                yield None if isinstance(cut, Exception) else cut


def _cut_chunk(
    source: PatchSource, places: Sequence[Place], tile: int
) -> list[NDArray[np.uint8] | Exception]:
    return [_cut(source, place, tile) for place in places]


def _cut(source: PatchSource, place: Place, tile: int) -> NDArray[np.uint8] | Exception:
    """The pixels, or why there are none; whoever takes them lists it."""
    try:
        return source.cut(place, tile)
    except Exception as error:  # noqa: BLE001  # handed on, and recorded as a failure
        return error
