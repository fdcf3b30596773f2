"""Settings of the chain on pictures: which encoder presses, which head answers; quick to import."""

from __future__ import annotations

from dataclasses import dataclass

from histopress.core.errors import RecipeError

LEARNED = ("crops", "others", "vae", "simclr")
"""Encoders that are trained for the study, see `ChainRecipe`."""


@dataclass(frozen=True)
class ChainRecipe:
    """How pictures are pressed, and how a head learns from the grids.

    Attributes:
        encoder: `crops` learns on crops whether they hold the object; `others` learns, by tasks side by side,
            to find every other kind of object, and never sees a label of the wanted one; `vae` and `simclr`
            look at crops without labels; any other name is that of an encoder as `compress` takes it.
        head: as `histopress heads` names it.
        tile: px a side of what the encoder sees of a picture; 0 for as large as the crops.
        overlap: neighbouring tiles are a tile divided by this apart: with 2, an object of half a tile lies
            as a whole in one of them.
        magnify: px of the input of a trained encoder for a px of the picture; others see tiles as large as
            they take.
        crops: for the training of the encoder, of each task; a tenth more of them tune it.
        trunk: of encoders that are trained, but not by vae.
        width: of the networks of vae; 1 is as published.
        dim: length of their codes.
        updates: of their training.
        epochs: of the head at most.
        patience: of the head.
        lr: of the head.
        batch: pictures in a batch of the head.
        seed: of the encoder; the head takes the number of the replicate.
    """

    encoder: str = "crops"
    head: str = "max:channels"
    tile: int = 0
    overlap: int = 2
    magnify: int = 1
    crops: int = 4000
    trunk: str = "published"
    width: float = 0.25
    dim: int = 32
    updates: int = 1500
    epochs: int = 40
    patience: int = 12
    lr: float = 5e-3
    batch: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.overlap, self.magnify, self.crops, self.updates, self.epochs) < 1 or self.tile < 0:
            raise RecipeError(
                f"overlap {self.overlap}, magnify {self.magnify}, crops {self.crops}, updates "
                f"{self.updates}, epochs {self.epochs}, tile {self.tile}; expected 1 or more of each, and no "
                "tile below 0"
            )
