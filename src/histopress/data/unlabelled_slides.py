"""Slides or pictures -> unlabelled tiles with their neighbours, equally from all; kept in a folder."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import NoTissueError, PatchError
from histopress.core.failures import Failure, Failures, stage
from histopress.core.files import quick_hash, whole, write_whole
from histopress.core.geometry import Lattice, Size
from histopress.core.location import Location
from histopress.core.progress import progress
from histopress.core.recipe import digest
from histopress.data.damage import Damage
from histopress.data.slide import Slide, open_slide
from histopress.data.slide_files import find_slides, slide_id
from histopress.data.tiles import BATCH, lay_lattice, read_tiles
from histopress.data.tissue import TissueMask, TissueRecipe, mask_slide
from histopress.data.unlabelled import UnlabelledTiles

log = logging.getLogger(__name__)

TILES_FILE = "tiles.npy"
PLACES_FILE = "places.csv"
CARD_FILE = "card.json"
"""Written last: where it lies, the folder is complete."""

TINY = 1e-6
"""px by which rounding may put the edge of a cell beyond that of its slide."""

DIRECTIONS = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
"""(row, col) from a cell to the cells at its four sides."""


@dataclass(frozen=True)
class SampleRecipe:
    """What is sampled.

    Attributes:
        count: rows in all; fewer where slides hold fewer.
        tile: width and height of a tile in px.
        spacing: um/px.
        neighbours: each row holds a tile, and one that touches it without overlap, on a side that is drawn.
        share: least share of tissue in a tile, 0 to 1.
        seed: the same seed and slides give the same rows.
        tissue: how tissue is told from glass; None for pictures that show nothing else.
        tolerance: the spacing may differ by this share if pixels then need no resampling.
    """

    count: int
    tile: int = 128
    spacing: float = 0.5
    neighbours: bool = True
    share: float = 0.5
    seed: int = 0
    tissue: TissueRecipe | None = field(default_factory=TissueRecipe)
    tolerance: float = 0.02


@dataclass(frozen=True)
class _Drawn:
    """Cells of one slide, (rows, slots, 2) row and col, in the order in which they are wanted."""

    path: Location
    given: float | None
    lattice: Lattice
    cells: NDArray[np.int32]


def sample_slides(
    paths: Sequence[Location],
    recipe: SampleRecipe,
    cache: Path,
    given: float | Mapping[Location, float] | None = None,
    threads: int = 2,
) -> UnlabelledTiles:
    """Draw tiles inside tissue, equally from all slides; those that have fewer give what they have.

    Tiles lie on the lattice that grids have. Each is the first of a row at most once; it may also be a
    neighbour. A slide's rows depend on the seed and its name, and on no other slide.

    Args:
        paths: slides, pictures, and folders of them.
        recipe: what is sampled.
        cache: the tiles are kept in a folder below it, and are mapped from there the next time.
        given: um/px of level 0, for all slides, or for those that state none or a wrong one.
        threads: that read pixels.

    Raises:
        CohortError: a folder holds no slide, or two slides share an id.
        PatchError: not a single slide could be sampled.
    """
    spacings = given if isinstance(given, Mapping) else dict.fromkeys(find_slides(paths), given)
    slides = {path: spacings.get(path) for path in find_slides(paths)}
    known = [[slide_id(p), quick_hash(p) if p.exists() else "missing", um] for p, um in slides.items()]
    identity = digest("unlabelled", recipe, known)
    folder = cache / f"unlabelled-{identity}"
    if not (folder / CARD_FILE).exists():
        _make(slides, recipe, folder, identity, threads)
    return _load(folder)


def _make(
    slides: Mapping[Location, float | None],
    recipe: SampleRecipe,
    folder: Path,
    identity: str,
    threads: int,
) -> None:
    failures = Failures()
    drawn = _draw_all(slides, recipe, failures)
    wanted = allot([len(d.cells) for d in drawn], recipe.count)
    drawn = [_first(d, count) for d, count in zip(drawn, wanted, strict=True) if count]
    places = _read_all(drawn, recipe, folder / TILES_FILE, failures, threads) if drawn else []
    if not places:
        reason = failures.items[0].reason if len(failures) else "no rows were asked for"
        raise PatchError(
            f"none of {len(slides)} slides gave a tile, expected {recipe.count} rows, the first: {reason}; "
            "see the log for the others"
        )
    table = pd.concat(places, ignore_index=True)
    if len(table) < recipe.count:
        log.warning("%d slides hold %d rows, %d were asked for", len(places), len(table), recipe.count)
    failures.write(folder)
    write_whole(folder / PLACES_FILE, table.to_csv(index=False))
    card = {
        "identity": identity,
        "spacing": recipe.spacing,
        "rows": len(table),
        "failures": [asdict(f) for f in failures],
    }
    write_whole(folder / CARD_FILE, json.dumps(card, indent=2) + "\n")


def _load(folder: Path) -> UnlabelledTiles:
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    table = pd.read_csv(io.StringIO((folder / PLACES_FILE).read_text(encoding="utf-8")), dtype={"slide": str})
    sources, names = pd.factorize(table["slide"])
    return UnlabelledTiles(
        blocks=(np.load(folder / TILES_FILE, mmap_mode="r")[: card["rows"]],),
        sources=sources.astype(np.int64),
        names=tuple(map(str, names)),
        spacing=card["spacing"],
        identity=card["identity"],
        failures=tuple(Failure(**f) for f in card["failures"]),
    )


def _draw_all(
    slides: Mapping[Location, float | None], recipe: SampleRecipe, failures: Failures
) -> list[_Drawn]:
    drawn = []
    with progress("find tissue", len(slides), "slides") as bar:
        for path, given in slides.items():
            with failures.attempt(str(path)):
                drawn.append(_draw(path, given, recipe))
            bar.advance(note=path.name)
    return drawn


def _draw(path: Location, given: float | None, recipe: SampleRecipe) -> _Drawn:
    """All rows that a slide can give, in random order."""
    with stage("open"):
        slide = open_slide(path, given)
    with slide, stage("mask"):
        lattice = lay_lattice(slide, recipe.spacing, recipe.tile, recipe.tolerance)
        share = _tissue(slide, recipe.tissue).share(lattice, slide.spacing)
    rng = np.random.default_rng(int(digest(recipe.seed, slide_id(path)), 16))
    kept = (share >= recipe.share) & (share > 0) & _inside(lattice, slide.size)
    cells = draw_pairs(kept, rng) if recipe.neighbours else draw_cells(kept, rng)
    if not len(cells):
        wanted = "two tiles side by side" if recipe.neighbours else "a tile"
        remedy = "sample without neighbours, " if recipe.neighbours else ""
        raise NoTissueError(
            f"{path} does not hold {wanted} of {recipe.tile} px at {recipe.spacing:g} um/px with at least "
            f"{recipe.share:.0%} tissue; {remedy}lower the share, or leave the slide out"
        )
    return _Drawn(path, given, lattice, cells)


def _tissue(slide: Slide, recipe: TissueRecipe | None) -> TissueMask:
    if recipe is not None:
        return mask_slide(slide, recipe, on_bad_tile="skip")
    um = slide.spacing.scaled(slide.size.width, slide.size.height)
    return TissueMask(np.ones((1, 1), bool), um)


def _inside(lattice: Lattice, size: Size) -> NDArray[np.bool_]:
    """(rows, cols) whether a cell lies within the slide, so that none is filled up with white."""
    rows, cols = np.indices(lattice.shape) + 1
    below, right = rows * lattice.step_y, cols * lattice.step_x
    return np.asarray((below <= size.height + TINY) & (right <= size.width + TINY))


def draw_cells(kept: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int32]:
    """Every kept cell, in random order.

    Args:
        kept: (rows, cols).
        rng: draws.

    Returns:
        (cells, 1, 2) row and col.
    """
    return rng.permutation(np.argwhere(kept)).astype(np.int32)[:, None]


def draw_pairs(kept: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int32]:
    """Every kept cell that has a kept one beside it, with one of these, in random order.

    Args:
        kept: (rows, cols).
        rng: draws.

    Returns:
        (pairs, 2, 2) row and col of the cell, and of its neighbour.
    """
    cells = draw_cells(kept, rng)[:, 0]
    around = np.pad(kept, 1)
    sides = cells[:, None] + DIRECTIONS
    chances = rng.random(sides.shape[:2]) * around[sides[..., 0] + 1, sides[..., 1] + 1]
    beside = sides[np.arange(len(cells)), chances.argmax(axis=1)]
    pairs = np.stack([cells, beside], axis=1)
    return np.asarray(pairs[chances.max(axis=1, initial=0) > 0], np.int32)


def allot(available: Sequence[int], count: int) -> list[int]:
    """As equal numbers as can be, at most what is available of each, and `count` in all."""
    given, left = [0] * len(available), count
    for rank, number in enumerate(np.argsort(available, kind="stable").tolist()):
        given[number] = min(available[number], left // (len(available) - rank))
        left -= given[number]
    return given


def _first(drawn: _Drawn, count: int) -> _Drawn:
    return _Drawn(drawn.path, drawn.given, drawn.lattice, drawn.cells[:count])


def _read_all(
    drawn: Sequence[_Drawn], recipe: SampleRecipe, path: Path, failures: Failures, threads: int
) -> list[pd.DataFrame]:
    """Fill the file of tiles; a table of places for each slide. Rows that could not be read are not used."""
    slots, tile = drawn[0].cells.shape[1], recipe.tile
    rows, filled, places = sum(len(d.cells) for d in drawn), 0, []
    with whole(path) as partial, progress("read tiles", len(drawn), "slides") as bar:
        tiles = np.lib.format.open_memmap(partial, "w+", np.uint8, (rows, slots, tile, tile, 3))
        for slide in drawn:
            with failures.attempt(str(slide.path)):
                read = _read(slide, tiles[filled : filled + len(slide.cells)], threads)
                filled += len(read)
                places += [_places(slide, read)] if len(read) else []
            bar.advance(note=slide.path.name)
        tiles.flush()
    return places


def _read(drawn: _Drawn, tiles: NDArray[np.uint8], threads: int) -> NDArray[np.int32]:
    """Put the rows of one slide into an array, good ones first, and return the cells of these."""
    shape, flat = drawn.cells.shape, tiles.reshape(-1, *tiles.shape[2:])
    cells, order = np.unique(drawn.cells.reshape(-1, 2), axis=0, return_inverse=True)
    damage, start = Damage("skip"), 0
    with stage("read"), open_slide(drawn.path, drawn.given) as slide:
        for batch in read_tiles(slide, drawn.lattice, cells, threads=threads, batch=BATCH, damage=damage):
            here = np.flatnonzero((order >= start) & (order < start + len(batch)))
            flat[here] = batch[order[here] - start]
            start += len(batch)
    good = ~np.isin(order, list(damage.cells)).reshape(shape[:2]).max(axis=1)
    if not good.all():
        tiles[: good.sum()] = tiles[good]
    kept: NDArray[np.int32] = drawn.cells[good]
    return kept


def _places(drawn: _Drawn, cells: NDArray[np.int32]) -> pd.DataFrame:
    """Upper left corners in level-0 px: of the tile, and of its neighbour."""
    lattice = drawn.lattice
    table = pd.DataFrame({"slide": [slide_id(drawn.path)] * len(cells)})
    for slot, prefix in zip(range(cells.shape[1]), ("", "beside_"), strict=False):
        table[f"{prefix}x"] = lattice.origin.x + cells[:, slot, 1] * lattice.step_x
        table[f"{prefix}y"] = lattice.origin.y + cells[:, slot, 0] * lattice.step_y
    return table.assign(spacing=lattice.spacing)
