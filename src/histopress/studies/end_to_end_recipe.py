"""Settings of networks that are trained end to end; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from histopress.core.curve import Schedule
from histopress.core.errors import RecipeError
from histopress.core.fit_recipe import FitRecipe, Optimizer, Precision
from histopress.studies.patchnet_recipe import PatchnetRecipe


@dataclass(frozen=True)
class EndToEndRecipe:
    """How a network is trained on pictures.

    The defaults are those of Pawlowski et al., Needles in Haystacks, arXiv 1908.06037, with two defects of
    the published code mended. It means to average the gradients of `accumulate` batches, but makes an update
    after one batch less, while it divides by all of them; and it limits the gradient once, before the
    training, which is void. `quirks` does as it did. What the gradient was meant to be limited to is not
    known, so `clip` is off.

    Attributes:
        network: that learns.
        optimizer: rmsprop, adam, adamw, or sgd with momentum 0.9.
        lr: highest learning rate.
        eps: added to the root of the mean squared gradient.
        weight_decay: of the optimiser; decoupled for adamw, an L2 penalty for the others.
        clip: largest norm of the gradient; 0 for no limit. Void with quirks.
        schedule: of the learning rate; steps is a tenth from every milestone on.
        epochs: of as many pictures as the training part has, for `full` of them.
        milestones: epochs of `epochs`; where there are more or fewer looks, in proportion.
        full: of n pictures there are floor(full / n) times as many epochs, so that the number of updates
            hardly changes; 0 for `epochs` whatever their number.
        batch: pictures in a batch, drawn with replacement, classes alike.
        accumulate: batches in an update.
        quirks: as published, defects included. What is left at the end of an epoch is an update of its own.
        updates: so many in all, instead of epochs; 0 for epochs.
        look_every: updates between two looks at the tuning part, where updates are counted; epochs end in
            one.
        stop_at: end early once the tuning accuracy was this high in `stop_after` looks in a row; 0 for never.
        stop_after: see there.
        seed: of first weights, draws and dropout.
        precision: 32-true, bf16-mixed, or 16-mixed, which needs a GPU.
        compile: have torch compile the network: a minute or so at the start, faster steps.
        checkpointing: compute activations twice rather than remember them: less memory for large pictures.
        device: auto (a GPU where there is one), cpu or gpu.

    Raises:
        RecipeError: settings that cannot be.
    """

    network: PatchnetRecipe = field(default_factory=PatchnetRecipe)
    optimizer: Optimizer = "rmsprop"
    lr: float = 5e-5
    eps: float = 1e-5
    weight_decay: float = 0.0
    clip: float = 0.0
    schedule: Schedule = "steps"
    epochs: int = 200
    milestones: tuple[int, ...] = (80, 120, 160)
    full: int = 11276
    batch: int = 32
    accumulate: int = 4
    quirks: bool = False
    updates: int = 0
    look_every: int = 50
    stop_at: float = 0.0
    stop_after: int = 5
    seed: int = 42
    precision: Precision = "32-true"
    compile: bool = False
    checkpointing: bool = False
    device: Literal["auto", "cpu", "gpu"] = "auto"

    def __post_init__(self) -> None:
        ones = ("epochs", "batch", "accumulate", "look_every", "stop_after")
        wrong = [f"{n} is {getattr(self, n)}, expected 1 or more" for n in ones if getattr(self, n) < 1]
        rest = ("updates", "full", "lr", "clip", "weight_decay")
        wrong += [f"{n} is {getattr(self, n)}, expected 0 or more" for n in rest if getattr(self, n) < 0]
        if not 0 <= self.stop_at <= 1:
            wrong.append(f"stop_at is {self.stop_at}, expected an accuracy from 0 to 1")
        if wrong:
            raise RecipeError(f"{'; '.join(wrong)}; correct the setting")

    @property
    def together(self) -> int:
        """Batches that an update is really made of."""
        return max(1, self.accumulate - self.quirks)

    def looks(self, pictures: int) -> int:
        """How often the tuning part is looked at, for so many pictures to train with."""
        if self.updates:
            return -(-self.updates // self.look_every)
        return self.epochs * max(1, self.full // pictures)

    def draws(self, pictures: int) -> int:
        """Pictures that are drawn between two looks."""
        if self.updates:
            return self.updates // self.looks(pictures) * self.together * self.batch
        return pictures

    def fitting(self, pictures: int, tuning: int) -> FitRecipe:
        """How `fit` goes about it; its epochs are the looks, its tuning loss is `PictureLearner`'s.

        Args:
            pictures: of the training part.
            tuning: pictures.
        """
        looks = self.looks(pictures)
        steps = (
            tuple(round(m * looks / self.epochs) for m in self.milestones) if self.schedule == "steps" else ()
        )
        return FitRecipe(
            epochs=looks,
            patience=looks,
            lr=self.lr,
            weight_decay=self.weight_decay,
            seed=self.seed,
            optimizer=self.optimizer,
            schedule=self.schedule,
            clip=0.0 if self.quirks else self.clip,
            precision=self.precision,
            device=self.device,
            accumulate=self.together,
            eps=self.eps,
            milestones=steps,
            enough=float(int((1 - self.stop_at) * tuning + 1e-6) + 1) if self.stop_at else None,
            enough_epochs=self.stop_after,
        )


@dataclass(frozen=True)
class EndToEndResources:
    """What a training runs on; nothing here changes its result.

    Attributes:
        workers: processes that draw pictures; 0 draws in this one, and keeps what was drawn.
        cache_gb: memory for pictures that are kept, in GB.
        keep_weights: leave the best weights behind.
        save_seconds: the state to resume from is written no more often than this.
    """

    workers: int = 0
    cache_gb: float = 1.0
    keep_weights: bool = True
    save_seconds: float = 10.0
