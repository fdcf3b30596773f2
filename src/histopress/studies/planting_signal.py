"""What is planted: tiles that show the object, or an effect of given size."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError, RecipeError
from histopress.core.recipe import digest
from histopress.grids.grid import FeatureGrid
from histopress.studies.planting_ground import Ground

Codes = NDArray[np.float32]


class Signal(Protocol):
    """An object that cells can hold."""

    @property
    def identity(self) -> str:
        """Digest of everything that shapes it."""

    @property
    def parts(self) -> int | None:
        """Into how many parts without a tile in common it can be shared; none for any number."""

    def check(self, grid: FeatureGrid) -> None:
        """Raise GridError unless it can be planted into this grid."""

    def seen(self, own: Codes, ground: Ground, random: np.random.Generator) -> Codes:
        """(cells, dim) codes of cells that hold nothing but the object, given their own codes."""

    def share(self, number: int, of: int) -> Signal:
        """One of so many parts; none has a tile of another while there are `parts` of them at most."""


@dataclass(frozen=True, eq=False)
class TileSignal:
    """Codes of tiles that show the object; every planted cell takes one of them.

    Attributes:
        codes: (tiles, dim) float32.
        encoder: identity of what made them; empty where unknown.
    """

    codes: Codes
    encoder: str = ""

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or not len(self.codes) or not np.isfinite(self.codes).all():
            raise GridError(
                f"codes of signal tiles are {self.codes.dtype} {self.codes.shape}, expected finite numbers, "
                "(tiles, dim), of one tile or more; encode the tiles again"
            )

    @cached_property
    def identity(self) -> str:
        """Digest of the codes."""
        held = np.ascontiguousarray(self.codes, np.float32)
        return digest("tiles", list(held.shape), hashlib.sha256(held.tobytes()).hexdigest())

    @property
    def parts(self) -> int | None:
        """As many as there are tiles."""
        return len(self.codes)

    def check(self, grid: FeatureGrid) -> None:
        """Raise GridError where length of a code, or encoder, are others."""
        if self.codes.shape[1] != grid.dim:
            raise GridError(
                f"codes of signal tiles have {self.codes.shape[1]} numbers, those of {grid.slide.slide} "
                f"{grid.dim}; encode the tiles with the encoder of the grids"
            )
        made_by = grid.encoder.get("identity", "")
        if self.encoder and made_by and self.encoder != made_by:
            raise GridError(
                f"signal tiles were encoded by {self.encoder}, {grid.slide.slide} by {made_by}; expected one "
                "encoder; encode the tiles with the encoder of the grids"
            )

    def seen(self, own: Codes, ground: Ground, random: np.random.Generator) -> Codes:
        """Tiles in an order that is drawn, each as often as any other, to one."""
        return self.codes[np.resize(random.permutation(len(self.codes)), len(own))].astype(np.float32)

    def share(self, number: int, of: int) -> TileSignal:
        """Every `of`-th tile of a fixed shuffled order; one tile where there are fewer than parts."""
        order = np.random.default_rng(len(self.codes)).permutation(len(self.codes))
        rows = order[number::of] if number < len(order) else order[[number % len(order)]]
        return replace(self, codes=self.codes[rows])


@dataclass(frozen=True)
class EffectSignal:
    """A shift of the cell's own code along a direction that is drawn.

    Attributes:
        d: shift of each shifted number, in its standard deviations over the negative cells.
        share_of_numbers: of a code that are shifted, up or down; one at least.
        seed: of the direction.
    """

    d: float
    share_of_numbers: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.d) and 0 < self.share_of_numbers <= 1):
            raise RecipeError(
                f"an effect of {self.d} on a share {self.share_of_numbers} of the numbers, expected a finite "
                "effect and a share above 0, up to 1; correct them"
            )

    @property
    def identity(self) -> str:
        """Digest of the settings."""
        return digest("effect", self)

    @property
    def parts(self) -> int | None:
        """There are no tiles to run out of."""
        return None

    def check(self, grid: FeatureGrid) -> None:
        """Fits every grid."""

    def direction(self, dim: int) -> NDArray[np.float64]:
        """(dim,) -1 or 1 for the numbers that are shifted, 0 for the others."""
        random = np.random.default_rng([self.seed, dim])
        steps = np.zeros(dim)
        steps[: max(1, round(self.share_of_numbers * dim))] = 1.0
        return np.asarray(random.permutation(steps) * random.choice([-1.0, 1.0], dim), np.float64)

    def seen(self, own: Codes, ground: Ground, random: np.random.Generator) -> Codes:
        """The cell's own code, shifted."""
        return (own + self.d * ground.sd * self.direction(own.shape[1])).astype(np.float32)

    def share(self, number: int, of: int) -> EffectSignal:
        """The same for all."""
        return self
