"""Pictures of pure noise with labels at random: what a network gets right of them, it has memorised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import RecipeError
from histopress.core.recipe import digest
from histopress.studies.pictures import PARTS, Part, Sample


@dataclass(frozen=True)
class NoisePictures:
    """Uniform noise; half of the pictures are of class 1, which ones is chance.

    Published: 11,276 pictures of 512 x 512 px to train with, 500 to tune, 500 to test.

    Attributes:
        height: px.
        width: px.
        channels: 1 or 3.
        count: pictures.
        seed: of everything.
        part: other pictures under the same seed.
    """

    height: int = 512
    width: int = 512
    channels: int = 1
    count: int = 11_276
    seed: int = 1234
    part: Part = "train"

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.count) < 1 or self.channels not in (1, 3) or self.seed < 0:
            raise RecipeError(
                f"{self.count} noise pictures of {self.height} x {self.width} px, {self.channels} channels, "
                f"seed {self.seed}; expected 1 or more, 1 or 3 channels, and no negative seed; change them"
            )

    @property
    def identity(self) -> str:
        """Digest of all settings."""
        return digest("noise", self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every picture."""
        return self.height, self.width, self.channels

    @property
    def o2i(self) -> float:
        """There is no object."""
        return 0.0

    @property
    def labels(self) -> NDArray[np.int64]:
        """(count,) class of every picture, 0 or 1."""
        return _labels(self.count, self.seed, self.part).copy()

    def __len__(self) -> int:
        return self.count

    def draw(self, index: int) -> Sample:
        """The picture of this number."""
        if not 0 <= index < self.count:
            raise IndexError(f"picture {index} of {self.count}")
        random = np.random.default_rng([self.seed, PARTS.index(self.part), 1 + index])
        picture = random.integers(0, 256, self.shape, np.uint8)
        label = int(_labels(self.count, self.seed, self.part)[index])
        return Sample(picture, label, np.empty((0, 4), np.int64))


@lru_cache(maxsize=8)
def _labels(count: int, seed: int, part: Part) -> NDArray[np.int64]:
    return np.random.default_rng([seed, PARTS.index(part), 0]).permutation(np.arange(count) % 2)
