"""Test slides made of real tissue: pictures of the sizes, scales and codings that scanners give.

    python benchmarks/slides.py --data REAL.svs --work build/bench [--only a40,g40] [--gigapixels 1,4,16]

a20, a40 and g40 show the same 10 x 7.5 mm of glass with tissue on about half of it: a real region, mirrored,
turned and with the noise of a camera; upsampled where 40x is asked for. r40 and a20r are the same files, but
state the uneven spacings of real scanners. The slides of 1, 4 and 16 gigapixels lay down some hundred encoded
tiles again and again, so that their size costs no encoding; their lower levels show the same as level 0.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from aperio import RGB, STEP, AperioFile, Coding
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from histopress import open_slide
from histopress.core.files import whole
from histopress.core.geometry import Box, Size

TISSUE, GLASS = Box(640, 1920, 1120, 1040), Box(40, 330, 400, 400)
"""Where the region used lies in the real slide, level-0 px: dense cells, and clean glass."""

UM = (10_000, 7_500)
"""Width and height of the glass in um."""

BLOBS = (
    (0.33, 0.27, 0.24, 0.20, 20), (0.62, 0.62, 0.27, 0.26, -15), (0.22, 0.75, 0.13, 0.17, 5),
    (0.84, 0.20, 0.09, 0.14, 0),
)  # fmt: skip
"""Pieces of tissue: centre (down, right) and half axes as shares of the glass; turned by degrees."""


@dataclass(frozen=True)
class Kind:
    """A test slide: um/px and coding; `um` as UM; the name of the slide whose pixels it shares, if any."""

    spacing: float
    coding: Coding
    um: tuple[float, float] = UM
    like: str = ""


KINDS = {
    "a20": Kind(0.5, Coding(240, 70, "420")),
    "a40": Kind(0.25, Coding(240, 70, "420")),
    "g40": Kind(0.25, Coding(256, 91, "422")),
    "a20r": Kind(0.499, Coding(240, 70, "420"), like="a20"),
    "r40": Kind(0.2527, Coding(240, 70, "420"), like="a40"),
    "s40": Kind(0.25, Coding(240, 70, "420"), um=(2_500, 1_875)),
    "t40": Kind(0.25, Coding(240, 70, "420"), um=(1_250, 938)),
}
"""s40 and t40 are small, for slow encoders and for trying out."""

GIGAPIXELS = {1: Size(36_864, 28_672), 4: Size(73_728, 57_344), 16: Size(147_456, 114_688)}
GIGA = Kind(0.25, Coding(256, 88, "420"))


@dataclass(frozen=True)
class Texture:
    """Real pixels at one spacing: dense tissue, and glass."""

    tissue: RGB
    glass: RGB

    @classmethod
    def read(cls, source: Path, times: int) -> Texture:
        """From a real slide of about 0.5 um/px, upsampled so many times."""
        with open_slide(source) as slide:
            cut = [
                slide.stored(0, int(box.x), int(box.y), Size(int(box.width), int(box.height)))
                for box in (TISSUE, GLASS)
            ]
        tissue, glass = (Image.fromarray(a) for a in cut)
        tissue = tissue.resize((tissue.width * times, tissue.height * times), Image.Resampling.BICUBIC)
        smooth = ndimage.gaussian_filter(np.asarray(glass), (3, 3, 0))
        return cls(np.asarray(tissue), smooth)


def outline(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where there is tissue, at any resolution: smooth pieces with uneven edges, some 40 % of the glass."""
    down, right = np.meshgrid(*(np.linspace(0, 1, n, endpoint=False) for n in shape), indexing="ij")
    inside = np.zeros(shape)
    for y, x, half_y, half_x, degrees in BLOBS:
        turn = np.deg2rad(degrees)
        along = (right - x) * np.cos(turn) + (down - y) * np.sin(turn)
        across = (down - y) * np.cos(turn) - (right - x) * np.sin(turn)
        inside = np.maximum(inside, 1.5 - np.hypot(along / half_x, across / half_y))
    uneven = ndimage.zoom(np.random.default_rng(0).standard_normal((24, 32)), 8, order=3)
    places = [np.linspace(0, n - 1, m) for n, m in zip(uneven.shape, shape, strict=True)]
    noise = ndimage.map_coordinates(uneven, np.meshgrid(*places, indexing="ij"), order=1)
    return inside + 0.06 * noise > 0.5


class Canvas:
    """The pixels of a drawn slide, from top to bottom, never more than a band of them."""

    def __init__(self, source: Path, kind: Kind) -> None:
        self.size = Size(*(round(length / kind.spacing) for length in kind.um))
        self.texture = Texture.read(source, times=round(0.5 / kind.spacing))
        self.cell = round(25 / kind.spacing)
        self.mask = outline((self.size.height // self.cell + 1, self.size.width // self.cell + 1))

    @cached_property
    def noise(self) -> NDArray[np.int8]:
        """Of a camera, in levels; 3 standard deviations for tissue."""
        drawn = np.random.default_rng(1).standard_normal((512, 2048, 3), np.float32)
        return np.clip(drawn * 3, -12, 12).astype(np.int8)

    def rows(self, start: int, stop: int) -> RGB:
        """(stop - start, width, 3) uint8."""
        rows, cols = np.arange(start, stop), np.arange(self.size.width)
        tissue = _mirrored(self.texture.tissue, rows, cols)
        glass = _mirrored(self.texture.glass, rows, cols)
        noise = self.noise[rows % 512][:, cols % 2048]
        inside = self.mask[rows // self.cell][:, cols // self.cell, None]
        values = np.where(inside, tissue.astype(np.int16) + noise, glass.astype(np.int16) + noise // 3)
        return np.clip(values, 0, 255).astype(np.uint8)


def _mirrored(texture: RGB, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> RGB:
    """The pixels of a texture that goes on for ever by mirroring."""
    height, width, _ = texture.shape
    down, right = rows % (2 * height), cols % (2 * width)
    return texture[np.minimum(down, 2 * height - 1 - down)][:, np.minimum(right, 2 * width - 1 - right)]


def draw(source: Path, kind: Kind, path: Path) -> None:
    """Draw a slide: level 0 band by band, coarser levels as means of its pixels before JPEG."""
    canvas = Canvas(source, kind)
    smaller: list[RGB] = []

    def tiles() -> Iterator[bytes]:
        side = kind.coding.tile
        for start in range(0, canvas.size.height, side):
            band = canvas.rows(start, min(start + side, canvas.size.height))
            smaller.append(reduced(band))
            yield from kind.coding.tiles(band)

    with whole(path) as partial, partial.open("wb") as file:
        target = AperioFile(file, canvas.size, kind.spacing, kind.coding)
        target.level(canvas.size, tiles())
        pixels = np.concatenate(smaller)
        append_levels(target, [pixels, reduced(pixels)])


def reduced(pixels: RGB) -> RGB:
    """Means of STEP x STEP px."""
    return np.asarray(Image.fromarray(pixels).reduce(STEP))


def append_levels(target: AperioFile, levels: list[RGB]) -> None:
    """Thumbnail, then the coarser levels."""
    append_thumbnail(target, levels[-1])
    for pixels in levels:
        append_level(target, Size(pixels.shape[1], pixels.shape[0]), lambda a, b, p=pixels: p[a:b])


def append_thumbnail(target: AperioFile, pixels: RGB) -> None:
    """The second page of Aperio's files; readers rely on its place."""
    image = Image.fromarray(pixels)
    image.thumbnail((1024, 1024))
    target.thumbnail(np.asarray(image))


def append_level(target: AperioFile, size: Size, rows: Callable[[int, int], RGB]) -> None:
    """A level of which bands of rows are given."""
    side = target.coding.tile
    bands = (rows(top, min(top + side, size.height)) for top in range(0, size.height, side))
    target.level(size, (tile for band in bands for tile in target.coding.tiles(band)))


def restate(original: Path, before: float, path: Path, after: float) -> None:
    """A copy of a slide that states another spacing, of as many digits."""
    old, new = (f"MPP = {spacing:.4f}".encode() for spacing in (before, after))
    with whole(path) as partial:
        shutil.copyfile(original, partial)
        content = np.memmap(partial, np.uint8, "r+")
        data, place = content.tobytes(), 0
        while (place := data.find(old, place)) >= 0:
            content[place : place + len(new)] = np.frombuffer(new, np.uint8)
            place += len(new)
        content.flush()


@dataclass(frozen=True)
class Stock:
    """Encoded tiles, and how each looks on the second level, (tiles, side, side, 3)."""

    streams: list[bytes]
    pieces: RGB

    @classmethod
    def cut(cls, texture: RGB, count: int, noise: float, coding: Coding, seed: int) -> Stock:
        """Cut at random from a texture, turned and mirrored."""
        random = np.random.default_rng(seed)
        streams, pieces = [], []
        for _ in range(count):
            top, left = (random.integers(n - coding.tile) for n in texture.shape[:2])
            tile = np.rot90(texture[top : top + coding.tile, left : left + coding.tile], random.integers(4))
            tile = tile + noise * random.standard_normal(tile.shape)
            tile = np.clip(tile, 0, 255).astype(np.uint8)
            streams += coding.tiles(tile)
            pieces.append(reduced(tile))
        return cls(streams, np.stack(pieces))


def repeat(source: Path, size: Size, kind: Kind, path: Path, distinct: int = 384) -> None:
    """Lay encoded tiles down until a slide of this size is full; about half of it is glass."""
    texture = Texture.read(source, times=2)
    tissue = Stock.cut(texture.tissue, distinct, 3.0, kind.coding, seed=2)
    glass = Stock.cut(np.tile(texture.glass, (2, 2, 1)), 16, 1.0, kind.coding, seed=3)
    streams, pieces = tissue.streams + glass.streams, np.concatenate([tissue.pieces, glass.pieces])
    mask = outline((size.height // kind.coding.tile, size.width // kind.coding.tile))
    random = np.random.default_rng(4)
    plan = np.where(
        mask, random.integers(distinct, size=mask.shape), distinct + random.integers(16, size=mask.shape)
    )
    coarse = np.stack([reduced(piece) for piece in pieces])
    with whole(path) as partial, partial.open("wb") as file:
        target = AperioFile(file, size, kind.spacing, kind.coding)
        target.level(size, (streams[index] for index in plan.ravel()))
        append_thumbnail(target, mosaic(plan, coarse)(0, size.height // STEP**2))
        for looks in (pieces, coarse):
            height, width = (n * looks.shape[1] for n in plan.shape)
            append_level(target, Size(width, height), mosaic(plan, looks))


def mosaic(plan: NDArray[np.int64], looks: RGB) -> Callable[[int, int], RGB]:
    """A plan of tiles, and how each looks (tiles, side, side, 3) -> a function that gives rows of pixels."""
    side = looks.shape[1]

    def rows(start: int, stop: int) -> RGB:
        part = looks[plan[start // side : -(-stop // side)]]
        return part.swapaxes(1, 2).reshape(-1, plan.shape[1] * side, 3)

    return rows


def find(name: str, source: Path, folder: Path) -> Path:
    """The slide of this name, of KINDS or like "4gpx" for gigapixels, in a folder; made if absent."""
    path = folder / f"{name}.svs"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    _maker(name, source, folder)(path)
    return path


def _maker(name: str, source: Path, folder: Path) -> Callable[[Path], None]:
    if name.endswith("gpx"):
        return lambda path: repeat(source, GIGAPIXELS[int(name.removesuffix("gpx"))], GIGA, path)
    kind = KINDS[name]
    if kind.like:
        original = find(kind.like, source, folder)
        return lambda path: restate(original, KINDS[kind.like].spacing, path, kind.spacing)
    return lambda path: draw(source, kind, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a real slide, cmu-1-small-region.svs")
    parser.add_argument("--work", type=Path, default=Path("build/bench"))
    parser.add_argument("--only", default=",".join(KINDS), help="names, by comma")
    parser.add_argument("--gigapixels", default="", help="1, 4 or 16, by comma")
    given = parser.parse_args()
    names = [n for n in given.only.split(",") if n] + [f"{n}gpx" for n in given.gigapixels.split(",") if n]
    for name in names:
        path = find(name, given.data, given.work / "slides")
        print(f"{path}: {path.stat().st_size / 1e6:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
