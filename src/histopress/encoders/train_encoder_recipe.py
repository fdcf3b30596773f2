"""Settings of `histopress train-encoder`; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Method = Literal["multitask", "vae", "contrastive", "bigan", "simclr"]
Strength = Literal[
    "none", "basic", "morphology", "brightness-contrast", "hsv-light", "hsv-strong", "hed-light", "hed-strong"
]
Balance = Literal["equal", "size", "temperature"]
Weighting = Literal["equal", "uncertainty"]


@dataclass(frozen=True)
class TrainEncoderRecipe:
    """How an encoder is trained; None is what suits the method.

    Attributes:
        method: multitask learns from the labels of all tasks; the others look at tiles alone.
        trunk: turned, wide, turned-small, published, published-deep or timm:MODEL; for multitask and simclr.
        start: an encoder to go on from instead of fresh weights, by name, such as histopress-small.
        dim: length of a code, where the trunk leaves a choice.
        tile: width and height of the tiles in px.
        spacing: um/px of the tiles.
        updates: of the weights, at most.
        look_every: updates between two looks at the tuning part.
        patience: looks without a better tuning score before it ends.
        keep: the weights of the best look, or the last ones, where no look ends the training.
        batch: tiles in an update.
        lr: highest learning rate.
        weight_decay: of the optimiser.
        augmentation: strength, as named by Tellez et al., Medical Image Analysis 2019.
        balance: between tasks: equal shares of each batch, by size, or temperature, size ** (1 / t).
        temperature: t of it.
        class_balance: 1 draws the classes of a task alike, 0 its tiles.
        weighting: of the losses of tasks: equal, or learned by their uncertainty.
        hidden: units of a hidden layer in each head; 0 for linear heads.
        consistency: weight of the loss that keeps codes alike when a tile is turned or mirrored.
        teacher: an encoder whose codes are learned as well, by name, such as nic:PATH; empty for none.
        teaching: weight of its loss.
        width: of the networks of vae, contrastive and bigan; 1 is as published.
        slide_tiles: drawn from all slides together, where slides are given.
        seed: of everything random.
        precision: auto takes bf16 where the device computes in it.
        device: auto (a GPU where there is one), cpu or gpu.
    """

    method: Method = "multitask"
    trunk: str = "turned"
    start: str = ""
    dim: int = 128
    tile: int = 128
    spacing: float = 0.5
    updates: int = 2000
    look_every: int = 100
    patience: int = 10
    keep: Literal["best", "last"] = "best"
    batch: int | None = None
    lr: float | None = None
    weight_decay: float | None = None
    augmentation: Strength | None = None
    balance: Balance = "equal"
    temperature: float = 2.0
    class_balance: float = 1.0
    weighting: Weighting = "equal"
    hidden: int = 0
    consistency: float = 0.0
    teacher: str = ""
    teaching: float = 1.0
    width: float = 1.0
    slide_tiles: int = 10_000
    seed: int = 0
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    device: Literal["auto", "cpu", "gpu"] = "auto"
