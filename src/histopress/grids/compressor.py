"""One slide -> one stored grid: locked, resumed where it stopped, skipped when it is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

import histopress
from histopress.core.cache import cache_folder
from histopress.core.errors import GridError, NoTissueError, UnreadableSlideError
from histopress.core.failures import stage
from histopress.core.files import quick_hash
from histopress.core.location import Location, State, Url, state_of
from histopress.core.memory import resident_bytes
from histopress.core.progress import Progress
from histopress.core.recipe import digest, plain
from histopress.data.damage import Damage
from histopress.data.mask_files import read_mask
from histopress.data.slide import Slide, open_slide
from histopress.data.tiles import lay_lattice, read_tiles, select_cells
from histopress.data.tissue import TissueMask, mask_slide
from histopress.encoders.engine import Engine
from histopress.grids import store
from histopress.grids.compress import CompressRecipe, Resources
from histopress.grids.early import EarlyMasks
from histopress.grids.grid import GridHeader, SlideIdentity
from histopress.grids.jobs import Job
from histopress.grids.ready import Clock, Done, Ready

BATCH = 64
"""Tiles an encoder is given at once, at least."""

LEAST_MEMORY = 96 << 20
"""Bytes of pixels below which a budget cannot push."""

WORK = ".work"


class Compressor:
    """Compresses slides, one at a time, with one encoder into one folder."""

    def __init__(
        self,
        engine: Engine,
        output: Location,
        recipe: CompressRecipe,
        resources: Resources,
        *,
        work: Path | None = None,
        early: EarlyMasks | None = None,
    ) -> None:
        """Prepare.

        Args:
            engine: that encodes.
            output: folder of the grids.
            recipe: settings that shape the grids.
            resources: settings that do not.
            work: folder for unfinished grids; see `work_folder` for where it is otherwise.
            early: masks that are being made.
        """
        self.engine = engine
        self.output = output
        self.work = work or work_folder(output)
        self.recipe = recipe
        self.resources = resources
        self.slides_left = 1
        self._early = early or {}
        self._tiles_of_slides: list[int] = []
        self._batch = _batch_for(engine)
        self._memory = max(LEAST_MEMORY, (int(resources.memory * 1e9) - resident_bytes()) // 2)

    def get_ready(self, job: Job, wait: bool = True) -> Ready | Done:
        """Open a slide, lock it, and find its tissue, unless its grid is there. Safe in another thread.

        Args:
            job: the slide.
            wait: for another process that holds the slide; without, `filelock.Timeout` is raised.

        Raises:
            SlideError: the slide cannot be compressed; see the kinds of it.
            GridError: a grid of other settings is in the way.
        """
        with ExitStack() as held:
            with stage("open"):
                state = state_of(job.path)
                slide = held.enter_context(self.opened(job))
                self.work.mkdir(parents=True, exist_ok=True)
                lock = self.work / f"{job.slide}.lock"
                held.enter_context(FileLock(lock, timeout=-1 if wait else 0, thread_local=False))
                header = self._header(job, slide)
                known = self._tiles_on_disk(job, header)
                self._sweep(job, finished=known is not None)
            if known is not None:
                return Done(known, skipped=True)
            with stage("mask"):
                cells, tissue = self._cells(job, slide, state, header)
            return Ready(job, slide, state, header, cells, tissue, held.pop_all())

    def compress(self, ready: Ready | Done, bar: Progress) -> Done:
        """Encode the cells of a slide and store its grid.

        Args:
            ready: from `get_ready`; closed at the end, whatever happens.
            bar: told of tiles.

        Raises:
            SlideError: pixels cannot be decoded, or the file changed meanwhile.
            EncoderError: the encoder failed.
        """
        if isinstance(ready, Done):
            return ready
        with ready.held:
            self._expect(len(ready.cells), bar)
            return self._encoded(ready, bar)

    def opened(self, job: Job) -> Slide:
        """The slide of a job, as the recipe wants it read."""
        return open_slide(job.path, job.spacing, self.recipe.reader, self.recipe.pixels)

    def _header(self, job: Job, slide: Slide) -> GridHeader:
        """Everything that names the grid, before any pixel is read."""
        card, recipe = self.engine.card, self.recipe
        settings: dict[str, Any] = {
            "tissue_share": recipe.tissue_share,
            "reader": slide.facts.reader,
            "pixels": slide.pixels,
            "on_bad_tile": recipe.on_bad_tile,
            "precision": self.engine.choice.precision,
        }
        if job.mask is None:
            settings["tissue"] = plain(recipe.tissue)
        elif job.mask.exists():
            settings["mask"] = quick_hash(job.mask)
        identity = SlideIdentity(job.slide, slide.size, slide.spacing, quick_hash(job.path))
        lattice = lay_lattice(slide, card.spacing, card.tile, recipe.spacing_tolerance)
        return GridHeader(
            lattice=lattice,
            slide=identity,
            encoder=asdict(card),
            identity=digest(identity, card.identity, settings, lattice),
            settings=settings,
            version=histopress.__version__,
            engine=plain(self.engine.choice),
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
        if found.identity == header.identity and not (found.damage and _is_newer(job.path, path)):
            return store.count_tiles(path)
        if self.resources.overwrite or found.identity == header.identity:
            return None
        raise GridError(
            f"{path} was made with other settings ({_difference(found, header)}); "
            "name another output folder, or replace it with --overwrite"
        )

    def _sweep(self, job: Job, finished: bool) -> None:
        """Remove what a killed process left of this slide, which is ours alone now."""
        if isinstance(self.output, Path):
            for partial in self.output.glob(f".{escape(job.slide)}.grid.zarr.*.partial.zip"):
                partial.unlink(missing_ok=True)
        if finished:
            shutil.rmtree(self.work / job.slide, ignore_errors=True)

    def _cells(
        self, job: Job, slide: Slide, state: State, header: GridHeader
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        mask = self._mask(job, slide, state)
        cells, tissue = select_cells(mask, header.lattice, slide.spacing, self.recipe.tissue_share)
        if not len(cells) and mask.damage:
            raise UnreadableSlideError(
                f"{job.path}: no tissue is left, as {mask.damage[0]}; copy the slide again from its source"
            )
        if not len(cells):
            raise NoTissueError(
                f"{job.path}: no cell holds {self.recipe.tissue_share:.0%} tissue; look at it with "
                "`histopress mask`, lower --tissue-share, or give a mask"
            )
        return cells, tissue

    def _mask(self, job: Job, slide: Slide, state: State) -> TissueMask:
        if job.mask is not None:
            return read_mask(job.mask, slide.size, slide.spacing)
        if job.slide in self._early:
            seen, mask = self._early.pop(job.slide).result()
            if seen == state:
                return mask
        return mask_slide(slide, self.recipe.tissue, self.recipe.on_bad_tile)

    def _encoded(self, ready: Ready, bar: Progress) -> Done:
        job = ready.job
        with stage("write"):
            writer = store.GridWriter(
                self.work / job.slide,
                ready.header,
                ready.cells,
                ready.tissue,
                self.engine.card.dim,
                source=ready.state,
            )
        damage = Damage(self.recipe.on_bad_tile, first=writer.rows_done)
        bar.advance(writer.rows_done)
        clock = Clock()
        with ThreadPoolExecutor(1, thread_name_prefix="write") as pool:
            written: Future[None] | None = None
            for codes in self.codes(ready, writer.rows_done, damage, clock):
                if written:
                    written.result()
                ready.check_unchanged()
                written = pool.submit(_append, writer, codes, damage)
                bar.advance(len(codes), note=job.slide)
            if written:
                written.result()
        ready.check_unchanged()
        path = self.output / f"{job.slide}{store.FOLDER_SUFFIX if self.resources.folders else store.SUFFIX}"
        with stage("write"):
            left_out = writer.finish(path)
            store.discard_twin(path)
        return Done(len(ready.cells) - left_out, False, left_out, clock.encoding, clock.waiting)

    def codes(self, ready: Ready, first: int, damage: Damage, clock: Clock) -> Iterator[NDArray[np.float32]]:
        """Codes in chunks as the store wants them, from batches that divide a chunk.

        Args:
            ready: slide, lattice and cells.
            first: number of the first cell that is encoded, a multiple of `store.CHUNK`.
            damage: told of what cannot be decoded.
            clock: told of how long it takes.

        Yields:
            (store.CHUNK, dim) float32; the last has what is left.
        """
        tiles = read_tiles(
            ready.slide,
            ready.header.lattice,
            ready.cells[first:],
            threads=self.resources.threads,
            batch=self._batch,
            damage=damage,
            memory=self._memory,
        )
        codes: list[NDArray[np.float32]] = []
        for batch in clock.waited_for(tiles):
            with stage("encode"), clock:
                codes.append(self.engine.encode(batch))
            if sum(map(len, codes)) >= store.CHUNK:
                yield np.concatenate(codes)
                codes = []
        if codes:
            yield np.concatenate(codes)

    def _expect(self, tiles: int, bar: Progress) -> None:
        """Slides to come are thought to be as large as the mean of those seen."""
        self._tiles_of_slides.append(tiles)
        seen = self._tiles_of_slides
        bar.expect(round(sum(seen) + sum(seen) / len(seen) * (self.slides_left - 1)))


def _is_newer(slide: Location, grid: Location) -> bool:
    """Whether a slide was touched since its grid was made, be it by a copy that keeps the older time."""
    made = grid.modified() if isinstance(grid, Url) else grid.stat().st_mtime_ns
    if isinstance(slide, Url):
        return slide.modified() > made
    found = slide.stat()
    return max(found.st_mtime_ns, found.st_ctime_ns) > made


def work_folder(output: Location) -> Path:
    """Where what is not whole yet lies: beside grids on a disk; for those in a store, in the user's cache."""
    if isinstance(output, Url):
        return cache_folder() / "unfinished" / digest(str(output))
    return output / WORK


def _append(writer: store.GridWriter, codes: NDArray[np.float32], damage: Damage) -> None:
    with stage("write"):
        writer.append(codes, damage)


def _batch_for(engine: Engine) -> int:
    """Tiles an engine is given at once: enough for all its threads; a power of two, as it divides a chunk."""
    if engine.choice.device != "cpu":
        return store.CHUNK
    return min(store.CHUNK, max(BATCH, 1 << (engine.choice.batch - 1).bit_length()))


def _difference(found: GridHeader, wanted: GridHeader) -> str:
    """The first thing in which two headers differ, in words."""
    for name in ("slide", "encoder", "lattice", "settings"):
        before, after = plain(getattr(found, name)), plain(getattr(wanted, name))
        for key in after:
            if before.get(key) != after[key]:
                return f"{name} {key}: {before.get(key)!r} there, {after[key]!r} asked"
    return "its identity differs"
