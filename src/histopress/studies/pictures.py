"""Sets of pictures that are drawn when they are asked for: what every simulated data set hands out.

A set knows its labels before it draws anything. The picture of a number is always the same one, on any
machine, in any process and in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import RecipeError
from histopress.core.recipe import digest
from histopress.studies.dealing import dealt_anew
from histopress.studies.picture_parts import PARTS, Part

__all__ = [
    "PARTS",
    "Chosen",
    "Part",
    "Pictures",
    "Relabelled",
    "Sample",
    "balanced",
    "drawn",
    "mislabelled",
    "permuted",
]


@dataclass(frozen=True)
class Sample:
    """One picture, and the truth about it.

    Attributes:
        picture: (height, width, channels) uint8, 1 or 3 channels.
        label: class, from 0.
        boxes: (objects, 4) int64 top, left, height, width in px of the objects that decide on the label; none
            in a picture without one.
    """

    picture: NDArray[np.uint8]
    label: int
    boxes: NDArray[np.int64]


@runtime_checkable
class Pictures(Protocol):
    """A set of pictures with one label each."""

    @property
    def identity(self) -> str:
        """Digest of everything that shapes pictures and labels."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every picture."""

    @property
    def o2i(self) -> float:
        """Object-to-image ratio: share of the picture's area that the deciding object takes; 0 for none."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(pictures,) class of every picture, from 0."""

    def __len__(self) -> int:
        """How many pictures."""

    def draw(self, index: int) -> Sample:
        """The picture of this number, from 0."""


@dataclass(frozen=True)
class _Of:
    """Pictures as large as those of another set, with objects of the same size.

    Attributes:
        base: the other set.
    """

    base: Pictures

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every picture."""
        return self.base.shape

    @property
    def o2i(self) -> float:
        """Object-to-image ratio."""
        return self.base.o2i


@dataclass(frozen=True)
class Chosen(_Of):
    """Some pictures of a set, in an order of their own.

    Attributes:
        base: the set.
        rows: which of its pictures.
    """

    rows: tuple[int, ...]

    @property
    def identity(self) -> str:
        """Digest of the set and of the choice."""
        return digest("chosen", self.base.identity, self.rows)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(pictures,) class of every picture."""
        return self.base.labels[list(self.rows)]

    def __len__(self) -> int:
        return len(self.rows)

    def draw(self, index: int) -> Sample:
        """The picture of this number."""
        return self.base.draw(self.rows[index])


@dataclass(frozen=True)
class Relabelled(_Of):
    """The same pictures with other labels: the null control, or noise in the labels.

    Attributes:
        base: the set.
        given: label of every picture.
    """

    given: tuple[int, ...]

    @property
    def identity(self) -> str:
        """Digest of the set and of its new labels."""
        return digest("relabelled", self.base.identity, self.given)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(pictures,) class of every picture, as it is given."""
        return np.asarray(self.given, np.int64)

    def __len__(self) -> int:
        return len(self.given)

    def draw(self, index: int) -> Sample:
        """The picture of this number, with the label it is given."""
        sample = self.base.draw(index)
        return Sample(sample.picture, self.given[index], sample.boxes)


def balanced(pictures: Pictures, count: int, seed: int) -> Chosen:
    """So many pictures, of every class alike, drawn once; more of the same seed hold all of fewer.

    Raises:
        RecipeError: a class has not as many pictures.
    """
    labels = pictures.labels
    classes = np.unique(labels)
    each = count // len(classes)
    if each < 1 or any(int((labels == c).sum()) < each for c in classes):
        held = ", ".join(f"{int((labels == c).sum())} of class {c}" for c in classes)
        raise RecipeError(
            f"{count} pictures are asked for, and the set holds {held}; expected {each} of each at least, "
            "and one or more; ask for fewer"
        )
    random = np.random.default_rng([seed, len(labels)])
    columns = [random.permutation(np.flatnonzero(labels == c))[:each] for c in classes]
    return Chosen(pictures, tuple(int(row) for row in np.stack(columns, axis=1).ravel()))


def permuted(pictures: Pictures, seed: int) -> Relabelled:
    """The null control: see `dealt_anew`."""
    dealt = dealt_anew(pictures.labels, np.random.default_rng([seed, 1]))
    return Relabelled(pictures, tuple(int(label) for label in dealt))


def mislabelled(pictures: Pictures, share: float, seed: int) -> Relabelled:
    """A share of the labels is wrong: any other class instead of the true one."""
    if not 0 <= share <= 1:
        raise RecipeError(f"label noise of {share}, expected a share from 0 to 1; change it")
    random = np.random.default_rng([seed, 2])
    labels, classes = pictures.labels.copy(), np.unique(pictures.labels)
    wrong = random.permutation(len(labels))[: round(share * len(labels))]
    shift = random.integers(1, len(classes), len(wrong))
    labels[wrong] = classes[(np.searchsorted(classes, labels[wrong]) + shift) % len(classes)]
    return Relabelled(pictures, tuple(int(label) for label in labels))


def drawn(pictures: Pictures, rows: Sequence[int]) -> NDArray[np.uint8]:
    """(len(rows), height, width, channels) pictures of these numbers."""
    return np.stack([pictures.draw(row).picture for row in rows])
