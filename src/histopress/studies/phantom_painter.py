"""Scene and cells -> pixels, block by block: two stains are laid down, then coloured through one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Size
from histopress.studies.phantom_camera import Packed, colour_noise, colour_table, shaded, shading
from histopress.studies.phantom_cells import Cells, benign_nuclei, red_cells
from histopress.studies.phantom_fields import at
from histopress.studies.phantom_maps import SIDE, DepthMap, Layer, SmoothMap
from histopress.studies.phantom_plan import MASK_STEP, PhantomSlide
from histopress.studies.phantom_scene import Scene, lay_out
from histopress.studies.phantom_textures import BLOCK, DIRECTIONS, MARGIN, Grey, Seamless, textures
from histopress.studies.phantom_tumour import grow, plant, tumour_cells

if TYPE_CHECKING:
    from histopress.data.slide import RGB

CHUNK = 1000
"""Cells that are pasted at a time."""


class Painting:
    """One slide: laid out and populated at once, its pixels painted when they are asked for.

    Attributes:
        plan: of the slide.
        tissue: (rows, cols) bool, `MASK_STEP` px to a px: within the outline of the tissue, fat included.
        lesion: the same of the tumour.
    """

    def __init__(self, plan: PhantomSlide) -> None:
        self.plan = plan
        self._textures = textures(plan.texture_seed, plan.spacing.mean)
        self._shift = np.random.default_rng([plan.seed, 3]).integers(128, size=2) * MASK_STEP
        scene = lay_out(plan)
        fibres = self._fibres(scene)
        nuclei, red = benign_nuclei(plan, scene, fibres), red_cells(plan, scene)
        self.tissue, self.lesion = scene.tissue > 0, np.zeros(scene.tissue.shape, np.bool_)
        if plan.tumour is not None:
            lesion = grow(plan, plan.tumour, scene.tissue)
            self.lesion = lesion > 0
            scene = plant(plan, plan.tumour, scene, lesion)
            nuclei = [cells.where(at(lesion, cells.centre) <= 0) for cells in nuclei]
            nuclei += tumour_cells(plan, plan.tumour, scene, lesion, fibres)
            red = red.where(at(lesion, red.centre) <= 0)
        self._nuclei, self._red = _pasted(nuclei, plan.size), _pasted([red], plan.size)
        self._tissue, self._epithelium = DepthMap(scene.tissue), DepthMap(scene.epithelium)
        self._lumen, self._fat, self._other_way = (
            DepthMap(scene.lumen),
            DepthMap(scene.fat),
            DepthMap(scene.other_way),
        )
        self._density, self._haze = SmoothMap(scene.density), SmoothMap(scene.haze)
        self._colours = colour_table(plan.stain)
        self._noise = colour_noise(self._textures.noise.grey, plan.stain.noise)
        self._dither = self._textures.noise.grey * np.uint8(37)  # any odd number spreads the levels evenly
        self._shade = shading(plan.stain, plan.size, BLOCK)

    def rows(self, start: int, stop: int) -> RGB:
        """(stop - start, width, 3) uint8; cheapest from a multiple of `BLOCK` to the next ones."""
        width = self.plan.size.width
        picture = np.empty((stop - start, width, 3), np.uint8)
        for y in range(start // BLOCK * BLOCK, stop, BLOCK):
            first, last = max(start, y), min(stop, y + BLOCK)
            band = np.concatenate([self._block(y, x) for x in range(0, width, BLOCK)], axis=1)
            bytes_ = band[first - y : last - y, :width].view(np.uint8).reshape(last - first, width, 4)
            for channel in range(3):
                picture[first - start : last - start, :, channel] = bytes_[..., channel]
        return picture

    def _block(self, y: int, x: int) -> Packed:
        """(BLOCK, BLOCK) px at a multiple of BLOCK."""
        top, left = (v % self._textures.noise.period for v in (y + self._shift[0], x + self._shift[1]))
        window = (slice(top, top + BLOCK), slice(left, left + BLOCK))
        fall = self._shade[0][y : y + BLOCK, None] + self._shade[1][x : x + BLOCK]
        light = shaded(self._noise[window], fall, self._dither[window])
        if not self._tissue.touches(y, x):
            return np.asarray(light + self._colours[0])
        haematoxylin, eosin = (self._blurred(layer) for layer in self._stains(y, x))
        return np.asarray(light + np.take(self._colours, (haematoxylin << 8) | eosin))

    def _stains(self, y: int, x: int) -> tuple[Layer, Layer]:
        """Haematoxylin and eosin of a block and its margin."""
        fibres = _mixed(
            self._texture(self._textures.collagen, y, x),
            self._texture(self._textures.across, y, x),
            self._other_way.weight(y, x, soft=12),
        )
        grain = self._texture(self._textures.cytoplasm, y, x) - 128
        density = self._density.layer(y, x)
        cleft = np.maximum(150 - (density * 3 >> 2) - fibres, 0)
        eosin = np.clip(density + ((fibres - 128) * 3 >> 2) + (grain >> 2) - 3 * cleft, 0, 200)
        haematoxylin = np.clip(self._haze.layer(y, x) + (grain >> 2), 0, 255)
        if self._epithelium.touches(y, x):
            borders = self._texture(self._textures.borders, y, x)
            cytoplasm = 74 + (grain >> 1) + (borders >> 3)
            eosin = _mixed(eosin, cytoplasm, self._epithelium.weight(y, x, soft=4))
        if self._fat.touches(y, x):
            fat = self._fat.weight(y, x, soft=10)
            eosin = _mixed(eosin, self._texture(self._textures.septa, y, x) * 5 >> 3, fat)
            haematoxylin = _mixed(haematoxylin, np.int16(0), fat)
        if self._lumen.touches(y, x):
            lumen = self._lumen.weight(y, x, soft=4)
            eosin = _mixed(eosin, np.clip(density + (grain >> 1) - 130, 0, 60) >> 1, lumen)
            haematoxylin = _mixed(haematoxylin, np.int16(0), lumen)
        tissue = self._tissue.weight(y, x, soft=6, fray=np.minimum(fibres - 150, 0) >> 3)
        window = (slice(y, y + SIDE), slice(x, x + SIDE))
        haematoxylin = np.maximum(haematoxylin * tissue >> 7, self._nuclei[window])
        return haematoxylin, np.maximum(eosin * tissue >> 7, self._red[window])

    def _texture(self, texture: Seamless, y: int, x: int) -> Layer:
        down, right = self._shift
        return texture.window(down + y - MARGIN, right + x - MARGIN, SIDE).astype(np.int16)

    def _blurred(self, layer: Layer) -> Layer:
        """The block without its margin, blurred by the optics."""
        for _ in range(self.plan.stain.blur):
            layer = layer[1:] + layer[:-1]
            layer = layer[1:] + layer[:-1]
            layer = layer[:, 1:] + layer[:, :-1]
            layer = (layer[:, 1:] + layer[:, :-1] + 8) >> 4
        rest = MARGIN - self.plan.stain.blur
        return layer[rest : rest + BLOCK, rest : rest + BLOCK].astype(np.uint16)

    def _fibres(self, scene: Scene) -> NDArray[np.float64]:
        """Direction of the collagen on the maps, radians."""
        directions = self._textures.directions
        side = len(directions)
        rows, cols = (
            np.arange(n) + s // MASK_STEP for n, s in zip(scene.tissue.shape, self._shift, strict=True)
        )
        here = directions[np.ix_(rows % side, cols % side)].astype(np.float64)
        turned = DIRECTIONS / 2 - directions.T[np.ix_(rows % side, cols % side)]
        return np.asarray(np.where(scene.other_way > 0, turned, here) * np.pi / DIRECTIONS)


def _mixed(under: Layer, over: Layer | np.int16, weight: Layer) -> Layer:
    """Depths of two layers in shares of 128."""
    return under + ((over - under) * weight >> 7)


def _pasted(kinds: list[Cells], size: Size) -> Grey:
    """All cells on an empty canvas with a margin, the darker on top; cells at the very edge are left out."""
    canvas = np.zeros((size.height + SIDE, size.width + SIDE), np.uint8)
    for cells in kinds:
        side = cells.stamps.pictures.shape[1]
        corner = np.rint(cells.centre - side / 2).astype(np.int64) + MARGIN
        fits = ((corner >= 0) & (corner + side <= canvas.shape)).all(axis=1)
        start, pick = corner[fits] @ (canvas.shape[1], 1), cells.pick[fits]
        within = (np.arange(side)[:, None] * canvas.shape[1] + np.arange(side)).ravel()
        for i in range(0, len(start), CHUNK):
            places = start[i : i + CHUNK, None] + within
            stamps = cells.stamps.pictures[pick[i : i + CHUNK]]
            np.maximum.at(canvas.reshape(-1), places.ravel(), stamps.ravel())
    return canvas
