"""One slide -> one stored grid: locked, resumed where it stopped, skipped when it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

import histopress
from histopress.core.errors import GridError, NoTissueError
from histopress.core.files import quick_hash
from histopress.core.geometry import Lattice
from histopress.core.progress import Progress
from histopress.core.recipe import digest, plain
from histopress.data.mask_files import read_mask
from histopress.data.slide import Slide, open_slide
from histopress.data.tiles import read_tiles, select_cells
from histopress.data.tissue import TissueMask, mask_slide
from histopress.encoders.encoder import Encoder, encode
from histopress.grids import store
from histopress.grids.compress import CompressRecipe, Resources
from histopress.grids.grid import GridHeader, SlideIdentity
from histopress.grids.jobs import Job

BATCH = 64
"""Tiles an encoder sees at once; fixed, since the last bits of a code can depend on it."""

WORK = ".work"


@dataclass(frozen=True)
class Done:
    """What became of one slide: its tiles, and whether its grid was there already."""

    tiles: int
    skipped: bool


class Compressor:
    """Compresses slides, one at a time, with one encoder into one folder."""

    def __init__(self, encoder: Encoder, output: Path, recipe: CompressRecipe, resources: Resources) -> None:
        self.encoder = encoder
        self.output = output
        self.recipe = recipe
        self.resources = resources
        self.slides_left = 1
        self._tiles_of_slides: list[int] = []

    def compress(self, job: Job, bar: Progress, wait: bool = True) -> Done:
        """Compress one slide, unless its grid is there.

        Args:
            job: the slide.
            bar: told of tiles.
            wait: for another process that holds the slide; without, `filelock.Timeout` is raised.

        Raises:
            SlideError: the slide cannot be compressed; see the kinds of it.
            GridError: a grid of other settings is in the way.
        """
        work = self.output / WORK
        work.mkdir(exist_ok=True)
        with (
            open_slide(job.path, spacing=job.spacing) as slide,
            FileLock(work / f"{job.slide}.lock", timeout=-1 if wait else 0),
        ):
            header = self._header(job, slide)
            known = self._tiles_on_disk(job, header)
            if known is not None:
                return Done(known, skipped=True)
            return Done(self._fresh(job, slide, header, bar), skipped=False)

    def _header(self, job: Job, slide: Slide) -> GridHeader:
        """Everything that names the grid, before any pixel is read."""
        card = self.encoder.card
        settings: dict[str, Any] = {"tissue_share": self.recipe.tissue_share}
        if job.mask is None:
            settings["tissue"] = plain(self.recipe.tissue)
        elif job.mask.exists():
            settings["mask"] = quick_hash(job.mask)
        identity = SlideIdentity(job.slide, slide.size, slide.spacing, quick_hash(job.path))
        lattice = Lattice.over(slide.size, slide.spacing, card.spacing, card.tile)
        return GridHeader(
            lattice=lattice,
            slide=identity,
            encoder=asdict(card),
            identity=digest(identity, card.identity, settings, lattice),
            settings=settings,
            version=histopress.__version__,
        )

    def _tiles_on_disk(self, job: Job, header: GridHeader) -> int | None:
        """How many tiles the stored grid has, if it is the wanted one; None when it must be made."""
        path = store.grid_path(self.output, job.slide)
        if not path.exists():
            return None
        try:
            found = store.read_header(path)
        except GridError:
            if self.resources.overwrite:
                return None
            raise
        if found.identity == header.identity:
            return store.count_tiles(path)
        if self.resources.overwrite:
            return None
        raise GridError(
            f"{path} was made with other settings ({_difference(found, header)}); "
            "name another output folder, or replace it with --overwrite"
        )

    def _fresh(self, job: Job, slide: Slide, header: GridHeader, bar: Progress) -> int:
        mask = self._mask(job, slide)
        cells, tissue = select_cells(mask, header.lattice, slide.spacing, self.recipe.tissue_share)
        if not len(cells):
            raise NoTissueError(
                f"{job.path}: no cell holds {self.recipe.tissue_share:.0%} tissue; look at it with "
                "`histopress mask`, lower --tissue-share, or give a mask"
            )
        self._expect(len(cells), bar)
        writer = store.GridWriter(
            self.output / WORK / job.slide, header, cells, tissue, self.encoder.card.dim
        )
        bar.advance(writer.rows_done)
        for codes in self._encode(slide, header.lattice, cells[writer.rows_done :]):
            writer.append(codes)
            bar.advance(len(codes), note=job.slide)
        suffix = store.FOLDER_SUFFIX if self.resources.folders else store.SUFFIX
        writer.finish(self.output / f"{job.slide}{suffix}")
        return len(cells)

    def _mask(self, job: Job, slide: Slide) -> TissueMask:
        if job.mask is None:
            return mask_slide(slide, self.recipe.tissue)
        return read_mask(job.mask, slide.size, slide.spacing)

    def _encode(
        self, slide: Slide, lattice: Lattice, cells: NDArray[np.int32]
    ) -> Iterator[NDArray[np.float32]]:
        """Codes in chunks as the store wants them, from batches of `BATCH` tiles."""
        runs = read_tiles(slide, lattice, cells, threads=self.resources.threads)
        codes: list[NDArray[np.float32]] = []
        for batch in _batches(runs):
            codes.append(encode(self.encoder, batch, device=self.resources.device))
            if sum(map(len, codes)) == store.CHUNK:
                yield np.concatenate(codes)
                codes = []
        if codes:
            yield np.concatenate(codes)

    def _expect(self, tiles: int, bar: Progress) -> None:
        """Slides to come are thought to be as large as the mean of those seen."""
        self._tiles_of_slides.append(tiles)
        seen = self._tiles_of_slides
        bar.expect(round(sum(seen) + sum(seen) / len(seen) * (self.slides_left - 1)))


def _batches(runs: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Runs of any length -> batches of exactly `BATCH` tiles, but for the last."""
    waiting: list[NDArray[np.uint8]] = []
    count = 0
    for run in runs:
        waiting.append(run)
        count += len(run)
        while count >= BATCH:
            tiles = np.concatenate(waiting)
            yield tiles[:BATCH]
            waiting, count = [tiles[BATCH:]], count - BATCH
    if count:
        yield np.concatenate(waiting)


def _difference(found: GridHeader, wanted: GridHeader) -> str:
    """The first thing in which two headers differ, in words."""
    for name in ("slide", "encoder", "lattice", "settings"):
        before, after = plain(getattr(found, name)), plain(getattr(wanted, name))
        for key in after:
            if before.get(key) != after[key]:
                return f"{name} {key}: {before.get(key)!r} there, {after[key]!r} asked"
    return "its identity differs"
