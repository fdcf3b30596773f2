"""Settings of `histopress study rectangles`; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from histopress.core.errors import RecipeError
from histopress.heads.train_recipe import PUBLISHED as PUBLISHED_HEAD
from histopress.heads.train_recipe import TrainRecipe

CellEncoder = Literal["mean-colour", "random", "vae", "contrastive", "bigan", "supervised"]
LEARNED = ("vae", "contrastive", "bigan", "supervised")
"""Cell encoders that are trained for the study."""


@dataclass(frozen=True)
class CellEncoderRecipe:
    """How the encoder of single cells learns; one million pairs as published.

    Attributes:
        dim: length of a code.
        pairs: cells of the encoder's own pictures, each with one beside it, that it learns from.
        updates: of its training.
        batch: cells or pairs in a batch.
    """

    dim: int = 16
    pairs: int = 20_000
    updates: int = 1000
    batch: int = 64

    def __post_init__(self) -> None:
        if min(self.dim, self.updates, self.batch) < 1 or self.pairs < 4 * self.batch:
            raise RecipeError(
                f"dim {self.dim}, updates {self.updates}, batch {self.batch}, {self.pairs} pairs: expected "
                "1 or more of each, and pairs for four batches; change them"
            )


HEAD = TrainRecipe(epochs=20, patience=1000, batch=16, lr=4e-3, dropout=0.0)


@dataclass(frozen=True, kw_only=True)
class RectanglesStudyRecipe:
    """Accuracy against the size of the lesion; chance is 1 of as many as there are `digits`.

    As bags of digits nothing tells label and distractor apart: whatever ignores places is right in half of
    the pictures at most. The defaults are small enough for two processor cores and a quarter of an hour.

    Attributes:
        side: of the canvas, cells of 9 px.
        filled: share of the cells that hold a digit; 0.162 as published.
        digits: that rectangles are made of, two or more; all ten as published; those around them are any.
            Twos have as much ink as eights, but zeros twice as much as ones: the mean colour tells them.
        lesions: long sides of the rectangles as shares of the side of the canvas; both rectangles of a
            picture are equally large.
        mixed: every picture draws the sizes of its rectangles anew, as published, from the smallest to the
            largest of `lesions`; accuracy is told for each, of the test pictures that come nearest to it.
        sizes: pictures to train with; larger sets hold the smaller ones.
        tuning: pictures by which the best epoch is chosen.
        test: pictures that the results are told of.
        encoders: of single cells: mean-colour is the share of ink; random was never trained; supervised
            learned the classes of digits, the best that could be known.
        encoder: how those learn that do.
        head: how the grids are learned from.
        visits: pictures that are looked at in a training, all epochs together; 0 for the epochs of `head`.
        replicates: of everything, encoders too, with other pictures and random numbers.
        first: number of the first of them; from another one on, all pictures are new.
        controls: also train with permuted labels, and on noise instead of codes, which shows what is
            memorised.
        seed: of the digits' parts, of pictures and trainings.
        processes: trainings side by side.
    """

    side: int = 32
    filled: float = 0.8
    digits: tuple[int, ...] = (2, 8)
    lesions: tuple[float, ...] = (0.125, 0.25, 0.375)
    mixed: bool = False
    sizes: tuple[int, ...] = (1000,)
    tuning: int = 200
    test: int = 500
    encoders: tuple[CellEncoder, ...] = ("mean-colour", "vae", "contrastive", "supervised")
    encoder: CellEncoderRecipe = field(default_factory=CellEncoderRecipe)
    head: TrainRecipe = HEAD
    visits: int = 8000
    replicates: int = 3
    first: int = 0
    controls: bool = True
    seed: int = 0
    processes: int = 1

    @property
    def numbers(self) -> range:
        """Of the replicates."""
        return range(self.first, self.first + self.replicates)

    @property
    def labels(self) -> int:
        """How many there are."""
        return len(self.digits)

    def __post_init__(self) -> None:
        if not (len(set(self.digits)) == len(self.digits) >= 2 and set(self.digits) <= set(range(10))):
            raise RecipeError(
                f"digits {self.digits}, expected two or more of 0 to 9, none twice; change them"
            )
        counts = (self.tuning, self.test, *self.sizes)
        if not (self.lesions and self.sizes and self.encoders and self.replicates >= 1):
            raise RecipeError(
                f"lesions {self.lesions}, sizes {self.sizes}, encoders {self.encoders}, {self.replicates} "
                "replicates: expected one or more of each; name them"
            )
        if not all(0 < lesion <= 0.5 for lesion in self.lesions) or min(counts) < self.labels:
            raise RecipeError(
                f"lesions {self.lesions}, sizes {self.sizes}, tuning {self.tuning}, test {self.test}: "
                "expected lesions of at most half of the canvas, and a picture of each label in every part; "
                "change them"
            )


PUBLISHED_STUDY = RectanglesStudyRecipe(
    side=400,
    filled=0.162,
    digits=tuple(range(10)),
    lesions=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5),
    mixed=True,
    sizes=(16_875,),
    tuning=5625,
    test=25_000,
    encoders=("mean-colour", "vae", "contrastive", "bigan", "supervised"),
    encoder=CellEncoderRecipe(pairs=1_000_000, updates=100_000),
    head=PUBLISHED_HEAD,
    visits=0,
    replicates=1,
)
"""As published (arXiv 1811.02840), where it is known: updates of the encoders are ours. Needs a GPU."""
