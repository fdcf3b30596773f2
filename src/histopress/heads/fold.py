"""One fold: scale and weigh by the training part, fit, choose by the tuning part, then answer for all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from histopress.core.files import write_whole
from histopress.core.fit import LOG_FILE, FitRecipe, Learner, fit
from histopress.core.progress import Progress
from histopress.data.predictions import write_predictions
from histopress.data.splits import Fold
from histopress.grids.batches import (
    DrawnViews,
    Draws,
    GridBatch,
    LabelledGrids,
    LaidViews,
    Read,
    collate,
    standardise,
)
from histopress.grids.views import ViewRule
from histopress.heads.answers import both_levels, pick_device, rows_of, scores_of
from histopress.heads.cases import Cases
from histopress.heads.catalogue import head_class, make_head
from histopress.heads.head import Head
from histopress.heads.objectives import Objective, describe
from histopress.heads.saved import HeadCard, load_head, save_head
from histopress.heads.train import PREDICTIONS_FILE, TrainRecipe, TrainResources

SPLIT_FILE = "split.csv"
WORK = "work"
WHOLE = 512
"""Grids up to this many rows and cols are looked at whole when testing; larger ones in blocks."""


class HeadLearner(Learner):
    """A head with an objective, as something to fit."""

    def __init__(self, head: Head, objective: Objective) -> None:
        super().__init__()
        self.head = head
        self.objective = objective

    def losses(self, batch: GridBatch) -> Tensor:
        """(slides,) loss of each slide, over its views by their share."""
        logits = self.head(batch.dense, batch.mask).logits
        losses = self.objective.losses(logits, batch.target) * batch.weight * batch.share
        slides, position = torch.unique(batch.slide, return_inverse=True)
        return losses.new_zeros(len(slides)).index_add(0, position, losses)

    def decayed(self) -> Iterable[nn.Parameter]:
        """See `Head.decayed`."""
        return self.head.decayed()


def view_rules(recipe: TrainRecipe) -> tuple[ViewRule, ViewRule]:
    """How a head looks at grids in training, and in testing."""
    window = head_class(recipe.head).window
    if window is None:
        return ViewRule(recipe.crop, augment=recipe.augment), ViewRule(WHOLE)
    drawn = ViewRule(window, exact=True, centre="depth", augment=recipe.augment)
    return drawn, ViewRule(window, exact=True, orientations=recipe.orientations)


@dataclass(frozen=True)
class FoldTraining:
    """All that the training of one fold needs.

    Attributes:
        cases: of the whole cohort.
        fold: who trains, tunes and tests.
        recipe: settings.
        resources: settings that do not shape the result.
        folder: of the fold.
        read: gets a grid from its path.
    """

    cases: Cases
    fold: Fold
    recipe: TrainRecipe
    resources: TrainResources
    folder: Path
    read: Read

    def run(self, bar: Progress) -> Path:
        """Train the head, or take up where it was stopped.

        Returns:
            The fold's table of predictions; it is written last, so where it lies the fold is done.
        """
        done = self.folder / PREDICTIONS_FILE
        if done.exists():
            bar.advance(self.recipe.epochs)
        else:
            write_whole(self.folder / SPLIT_FILE, self._split().to_csv(index=False, lineterminator="\n"))
            self._save(self._learn(bar))
            write_predictions(self._answers(), done)
        shutil.rmtree(self.folder / WORK, ignore_errors=True)
        return done

    def _split(self) -> pd.DataFrame:
        """`patient`, `slide`, `part` of every slide, in the order train, tuning, test."""
        parts = ("train", "tuning", "test")
        slides = [self.cases.of(getattr(self.fold, part)).assign(part=part) for part in parts]
        return pd.concat(slides, ignore_index=True)[["patient", "slide", "part"]]

    def _learn(self, bar: Progress) -> HeadLearner:
        """Fit on the train part, choose by the tuning part; the test part is not looked at."""
        cases, recipe = self.cases, self.recipe
        objective = cases.objective.learned(cases.labels_of(self.fold.train))
        train = cases.labelled(cases.of(self.fold.train), objective, self.read)
        tuning = cases.labelled(cases.of(self.fold.tuning), objective, self.read)
        chances = None
        if recipe.balance == "draw":
            chances = train.weights * objective.balance(train.targets)
            train, objective = replace(train, weights=torch.ones(len(train))), objective.unbalanced()
        seed = int(np.random.SeedSequence([recipe.seed, self.fold.index]).generate_state(1)[0])
        learner = HeadLearner(self._new_head(objective, train, seed), objective)
        loaders = self._loaders(train, tuning, chances)
        fit(learner, *loaders, self._fit_recipe(seed), self.folder / WORK, bar=bar)
        return learner

    def _new_head(self, objective: Objective, train: LabelledGrids, seed: int) -> Head:
        """Random weights by the seed, scaled by the training part."""
        dim = self.read(train.paths[0]).dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = make_head(self.recipe.head, dim, objective.outputs, dropout=self.recipe.dropout)
        if head.standardised:
            head.set_standard(standardise(self.read(path) for path in train.paths))
        return head

    def _loaders(
        self, train: LabelledGrids, tuning: LabelledGrids, chances: Tensor | None
    ) -> tuple[DataLoader[Any], DataLoader[Any]]:
        drawn, laid = view_rules(self.recipe)
        batch, slides = self.recipe.batch, len(train)
        lonely = head_class(self.recipe.head).needs_pairs and slides % batch == 1 and slides > 1
        train_loader = DataLoader(
            DrawnViews(train, drawn),
            batch_size=batch,
            sampler=Draws(slides, chances),
            drop_last=lonely,
            collate_fn=collate,
            num_workers=self.resources.workers,
        )
        tuning_loader = DataLoader(
            LaidViews(tuning, laid), collate_fn=collate, num_workers=self.resources.workers
        )
        return train_loader, tuning_loader

    def _fit_recipe(self, seed: int) -> FitRecipe:
        recipe = self.recipe
        return FitRecipe(
            epochs=recipe.epochs,
            patience=recipe.patience,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            seed=seed,
            optimizer=recipe.optimizer,
            schedule=recipe.schedule,
            precision=recipe.precision,
            device=self.resources.device,
        )

    def _save(self, learner: HeadLearner) -> None:
        shutil.copy(self.folder / WORK / LOG_FILE, self.folder / LOG_FILE)
        card = HeadCard(
            name=self.recipe.head,
            dim=learner.head.dim,
            settings={"dropout": self.recipe.dropout},
            objective=describe(learner.objective),
            encoder=dict(self.cases.header.encoder),
            grids=dict(self.cases.header.settings),
            views=view_rules(self.recipe)[1],
        )
        save_head(self.folder, learner.head, card)

    def _answers(self) -> pd.DataFrame:
        """What the saved head says of every slide of the fold, part by part."""
        saved = load_head(self.folder)
        slides = self._split().merge(self.cases.slides, on=["patient", "slide"])
        paths = [Path(p) for p in slides["grid"]]
        scores = scores_of(saved, paths, self.read, pick_device(self.resources.device))
        truths = [saved.objective.truth(label) for label in self.cases.labels_of(slides["patient"].tolist())]
        known = slides.assign(run=str(self.fold.index), truth=truths)
        return both_levels(rows_of(saved.objective, known, scores))
