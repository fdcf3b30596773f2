"""Codes of the tiles of a task, as they are, turned, and stained anew: computed once, then kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from histopress.core.files import whole
from histopress.core.recipe import digest
from histopress.encoders.augment import AugmentRecipe, augment
from histopress.encoders.encoder import Encoder
from histopress.encoders.engine import Engine, prepare

Tiles = NDArray[np.uint8]
Codes = NDArray[np.float32]

BLOCK = 1024
"""Tiles that are given to the engine at once."""

ORIENTATIONS = 8


class CodeBook:
    """Encodes with one encoder, and keeps the codes in a folder.

    Args:
        encoder: is made fast when the first codes are missing.
        folder: of the kept codes.
        device: see `engine.prepare`.
        precision: see `engine.prepare`.
    """

    def __init__(self, encoder: Encoder, folder: Path, device: str, precision: str) -> None:
        self.encoder, self.folder = encoder, folder
        self.device, self.precision = device, precision
        self._engine: Engine | None = None

    def of(self, key: object, tiles: Callable[[int, int], Tiles], count: int) -> Codes:
        """Codes of tiles, from the folder where they are known.

        Args:
            key: plain values that tell these tiles from all others.
            tiles: the tiles from one number up to, but without, another.
            count: how many there are.

        Returns:
            (count, dim) float32.
        """
        card = self.encoder.card
        path = self.folder / f"{digest(card.identity, self.precision, key)}.npy"
        if not path.exists():
            codes = np.empty((count, card.dim), np.float32)
            for start in range(0, count, BLOCK):
                codes[start : start + BLOCK] = self._encode(tiles(start, min(start + BLOCK, count)))
            with whole(path) as partial:
                np.save(partial, codes)
        found: Codes = np.load(path)
        return found

    def _encode(self, tiles: Tiles) -> Codes:
        if self._engine is None:
            self._engine = prepare(self.encoder, self.device, self.precision)
        return self._engine.encode(tiles)


def turned(tiles: Tiles, orientation: int) -> Tiles:
    """Tiles (n, height, width, 3) in one of 8 orientations: quarter turns, from 4 on mirrored."""
    quarter = np.rot90(tiles, orientation % 4, axes=(1, 2))
    return np.ascontiguousarray(quarter if orientation < 4 else quarter[:, :, ::-1])


def stained(tiles: Tiles, step: str, seed: int) -> Tiles:
    """Tiles (n, height, width, 3) in other colours: those of a step of the augmentation ladder alone."""
    whole_step = AugmentRecipe(step)
    colours = {field: getattr(whole_step, field) for field in ("stain", "stain_bias", "hue", "saturation")}
    images = torch.from_numpy(np.array(tiles)).permute(0, 3, 1, 2).float() / 255
    drawn = augment(images, AugmentRecipe("none", **colours), torch.Generator().manual_seed(seed))
    found: Tiles = (drawn.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    return found
