"""How heads are trained, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from histopress.core.errors import RecipeError


@dataclass(frozen=True)
class TrainRecipe:
    """Settings of `histopress train`.

    Attributes:
        head: as `histopress heads` names it, with settings behind a colon: cnn, abmil:hidden=64.
        folds: of the cross-validation; a `split` column in the cohort gives one fixed fold instead.
        split_by: patient, or site: every fold then tests on sites that nobody has trained or tuned with.
        seeds: heads of every fold that differ in their random numbers alone; their answers are averaged.
        fusion: of several slides of a patient: late answers for each slide and averages, joint lays all
            slides side by side as one case.
        seed: of the splits and of everything random in training.
        epochs: at most this many passes over the training part.
        patience: stop after this many epochs without a lower loss on the tuning part.
        batch: cases in a batch; 0 for 8, or 32 where survival is learned, whose loss compares cases.
        lr: highest learning rate.
        weight_decay: decoupled for adamw, an L2 penalty for adam.
        optimizer: adamw or adam.
        schedule: of the learning rate: cosine with warm-up, plateau, or constant.
        dropout: of the head, 0 to 1.
        crop: rows and cols of a training window at most, for heads that look at neighbours; larger tissue is
            seen window by window.
        tiles: of a case in training at most, for heads that take bags; of more, so many are drawn. 0: all.
        augment: mirror and turn every training window at random; exact where the codes of the encoder do not
            change when a tile is turned, as those of histopress-small.
        cell_dropout: share of the cells that each training view leaves out.
        noise: added to the codes in training, in shares of their spread.
        elastic: bend training views by about so many cells; 0 for none.
        mix: how often a corner of another case with the same label is pasted into a training view.
        orientations: for cnn:published, average the 8 orientations of each test window.
        balance: classes count alike by their weight in the loss, or by how often they are drawn.
        regression_loss: huber or mse.
        search: tries of other settings in every fold, judged by its tuning part alone; needs Optuna.
        precision: 32-true or bf16-mixed.
        shuffle_labels: the null control: labels are dealt anew between patients, so nothing can be learned.
        drop_unlabelled: leave out slides without a label, instead of complaining.
    """

    head: str = "cnn"
    folds: int = 5
    split_by: Literal["patient", "site"] = "patient"
    seeds: int = 1
    fusion: Literal["late", "joint"] = "late"
    seed: int = 0
    epochs: int = 60
    patience: int = 20
    batch: int = 0
    lr: float = 5e-3
    weight_decay: float = 1e-2
    optimizer: Literal["adamw", "adam"] = "adamw"
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    dropout: float = 0.2
    crop: int = 192
    tiles: int = 0
    augment: bool = True
    cell_dropout: float = 0.0
    noise: float = 0.0
    elastic: float = 0.0
    mix: int = 0
    orientations: bool = False
    balance: Literal["loss", "draw"] = "loss"
    regression_loss: Literal["huber", "mse"] = "huber"
    search: int = 0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    shuffle_labels: bool = False
    drop_unlabelled: bool = False

    def __post_init__(self) -> None:
        least = {"folds": 2, "seeds": 1, "epochs": 1, "patience": 1, "batch": 0, "tiles": 0, "search": 0}
        wrong = [
            f"{name} is {getattr(self, name)}, expected at least {low}"
            for name, low in least.items()
            if getattr(self, name) < low
        ]
        if wrong:
            raise RecipeError(f"{'; '.join(wrong)}; correct the setting")


PUBLISHED = TrainRecipe(
    head="cnn:published",
    folds=4,
    epochs=200,
    patience=40,
    batch=16,
    lr=1e-2,
    weight_decay=2e-5,
    optimizer="adam",
    schedule="plateau",
    orientations=True,
    balance="draw",
    regression_loss="mse",
)
"""How neural image compression was trained (arXiv 1811.02840); epochs and patience follow its later code."""


@dataclass(frozen=True)
class TrainResources:
    """How a training runs; nothing here is meant to change its result, but other devices round differently.

    Attributes:
        cache_gb: memory for grids; what does not fit is read again in every epoch.
        workers: processes that load grids; 0 loads in this one.
        device: auto (a GPU where there is one), cpu or gpu.
    """

    cache_gb: float = 4.0
    workers: int = 0
    device: Literal["auto", "cpu", "gpu"] = "auto"
