"""One fold: scale and weigh by the training part, fit, choose by the tuning part, then answer for all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from histopress.core.files import write_whole
from histopress.core.fit import LOG_FILE, FitRecipe, FitResult, fit
from histopress.core.fit_spawn import Mute
from histopress.core.progress import Progress
from histopress.data.predictions import write_predictions
from histopress.data.splits import Fold
from histopress.grids.augment import AugmentRule
from histopress.grids.batches import DrawnViews, LabelledGrids, LaidViews, Read, collate
from histopress.grids.draws import Draws
from histopress.grids.survey import Survey, survey
from histopress.grids.views import ViewRule
from histopress.heads.answers import both_levels, logits_of, pick_device, rows_of, scores_of
from histopress.heads.cases import Cases
from histopress.heads.catalogue import HEADS, head_class, make_head, settings_of
from histopress.heads.head import Head
from histopress.heads.head_name import HeadName, parse_head
from histopress.heads.learner import HeadLearner
from histopress.heads.model_file import SPLIT_FILE
from histopress.heads.objectives import Objective, describe
from histopress.heads.saved import HeadCard, load_head, save_head
from histopress.heads.search import search
from histopress.heads.train import PREDICTIONS_FILE
from histopress.heads.train_recipe import TrainRecipe, TrainResources

WORK = "work"
CLASSES = ("binary", "multiclass", "ordinal")
"""Kinds of targets whose first number is the position of a class."""
WHOLE = 512
"""Grids up to this many rows and cols are looked at whole when testing; larger ones in blocks."""


def view_rules(recipe: TrainRecipe) -> tuple[ViewRule, ViewRule]:
    """How a head looks at grids in training, and in testing."""
    name = parse_head(recipe.head).name
    head, laid_out = head_class(name), HEADS[name].takes == "grid"
    changes = AugmentRule(
        flips=recipe.augment and laid_out,
        turns=recipe.augment and laid_out,
        cell_dropout=recipe.cell_dropout,
        noise=recipe.noise,
        elastic=recipe.elastic,
        mix=recipe.mix,
    )
    if head.window is not None:
        drawn = ViewRule(head.window, exact=True, centre="depth", changes=changes)
        return drawn, ViewRule(head.window, exact=True, orientations=recipe.orientations)
    if laid_out:
        return ViewRule(recipe.crop, changes=changes), ViewRule(WHOLE)
    return ViewRule(0, changes=changes, most=recipe.tiles), ViewRule(0)


def asked_head(recipe: TrainRecipe, objective: Objective) -> HeadName:
    """The head of a recipe, with what it can be told of recipe and objective unless it was told otherwise."""
    asked = parse_head(recipe.head)
    classes = len(objective.values) if objective.kind in CLASSES else 0
    told = {"dropout": recipe.dropout, "classes": classes}
    known = settings_of(asked.name)
    return HeadName(asked.name, {**{k: v for k, v in told.items() if k in known}, **asked.settings})


@dataclass(frozen=True)
class FoldTraining:
    """All that the training of one head of one fold needs.

    Attributes:
        cases: of the whole cohort.
        fold: who trains, tunes and tests.
        recipe: settings.
        resources: settings that do not shape the result.
        folder: of this head.
        read: gets a grid from its path.
        replicate: number of the head among those of the fold, which differ in their random numbers.
    """

    cases: Cases
    fold: Fold
    recipe: TrainRecipe
    resources: TrainResources
    folder: Path
    read: Read
    replicate: int = 0

    @property
    def name(self) -> str:
        """As the run is called in the predictions: the fold, and the replicate where there are several."""
        return f"{self.fold.index}#{self.replicate}" if self.recipe.seeds > 1 else str(self.fold.index)

    @property
    def seed(self) -> int:
        """Of everything random in this training."""
        words = [self.recipe.seed, self.fold.index] + [self.replicate] * (self.replicate > 0)
        return int(np.random.SeedSequence(words).generate_state(1)[0])

    def run(self, bar: Progress) -> Path:
        """Train the head, or take up where it was stopped.

        Returns:
            Its table of predictions; it is written last, so where it lies the head is done.
        """
        done = self.folder / PREDICTIONS_FILE
        if done.exists():
            bar.advance(self.recipe.epochs)
        else:
            write_whole(self.folder / SPLIT_FILE, self._split().to_csv(index=False, lineterminator="\n"))
            self._learn(bar)
            write_predictions(self._answers(), done)
        shutil.rmtree(self.folder / WORK, ignore_errors=True)
        return done

    def _split(self) -> pd.DataFrame:
        """`patient`, `slide`, `part` of every slide, in the order train, tuning, test."""
        slides = self.cases.slides[["patient", "slide"]]
        parts = [
            slides[slides["patient"].isin(getattr(self.fold, part))].assign(part=part)
            for part in ("train", "tuning", "test")
        ]
        return pd.concat(parts, ignore_index=True)

    def _learn(self, bar: Progress) -> None:
        """Search for settings where that is asked for, then fit and save; the test part is not looked at."""
        recipe = self.recipe
        if recipe.search:
            recipe = search(recipe, self._tuning_loss, self.folder, self.seed)
        learner, _ = self._fitted(recipe, self.folder / WORK, bar)
        learner.objective = self._settled(learner, recipe)
        self._save(learner, recipe)

    def _settled(self, learner: HeadLearner, recipe: TrainRecipe) -> Objective:
        """The objective, told what the head says of the patients of the train part."""
        train, *_ = self._parts(recipe)
        device = pick_device(self.resources.device)
        logits = logits_of(learner.head, train, view_rules(recipe)[1], device)
        patients = self.cases.units(self.fold.train)["patient"].to_numpy()
        by_patient = pd.DataFrame(logits.numpy()).groupby(patients, sort=True).mean()
        targets = learner.objective.targets(self.cases.labels_of(by_patient.index.tolist()))
        return learner.objective.settled(torch.from_numpy(by_patient.to_numpy(np.float32)), targets)

    def _fitted(self, recipe: TrainRecipe, folder: Path, bar: Progress) -> tuple[HeadLearner, FitResult]:
        """A head that was fitted on the train part, its epochs judged by the tuning part alone."""
        train, tuning, objective, chances = self._parts(recipe)
        learner = HeadLearner(self._new_head(recipe, objective), objective)
        loaders = self._loaders(recipe, train, tuning, chances)
        return learner, fit(learner, *loaders, self._fit_recipe(recipe), folder, bar=bar)

    def _tuning_loss(self, recipe: TrainRecipe, folder: Path) -> float:
        return self._fitted(recipe, folder, Mute())[1].best.tuning

    def _parts(self, recipe: TrainRecipe) -> tuple[LabelledGrids, LabelledGrids, Objective, Tensor | None]:
        """Train and tuning part, what is learned of them, and how likely each case is to be drawn."""
        cases = self.cases
        objective = cases.objective.learned(cases.labels_of(self.fold.train))
        train = cases.labelled(cases.units(self.fold.train), objective, self.read)
        tuning = cases.labelled(cases.units(self.fold.tuning), objective, self.read)
        if recipe.balance == "loss":
            return train, tuning, objective, None
        chances = train.weights * objective.balance(train.targets)
        return replace(train, weights=torch.ones(len(train))), tuning, objective.unbalanced(), chances

    @cached_property
    def survey(self) -> Survey:
        """What the grids of the train part are like."""
        return survey(self.cases.units(self.fold.train)["paths"].tolist(), self.read)

    def trial(self) -> tuple[HeadLearner, DataLoader[Any], int]:
        """A head with random weights, what would train it, and how many cases would tune."""
        train, tuning, objective, chances = self._parts(self.recipe)
        loader, _ = self._loaders(self.recipe, train, tuning, chances)
        return HeadLearner(self._new_head(self.recipe, objective), objective), loader, len(tuning)

    def _new_head(self, recipe: TrainRecipe, objective: Objective) -> Head:
        """Random weights by the seed, scaled by the training part."""
        asked, standard = asked_head(recipe, objective), self.survey.standard
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            head = make_head(asked.name, len(standard.mean), objective.outputs, **asked.settings)
        head.set_standard(standard)
        return head

    def _loaders(
        self, recipe: TrainRecipe, train: LabelledGrids, tuning: LabelledGrids, chances: Tensor | None
    ) -> tuple[DataLoader[Any], DataLoader[Any]]:
        """What trains, in batches that are drawn, and what tunes, case by case."""
        drawn, laid = view_rules(recipe)
        rare = self.cases.objective.rare(train.targets)
        draws = Draws(
            len(train),
            recipe.batch or (8 if rare is None else 32),
            chances=chances,
            sizes=self.survey.sizes if drawn.size and not drawn.exact else None,
            rare=rare,
        )
        workers = self.resources.workers
        return (
            DataLoader(
                DrawnViews(train, drawn), batch_sampler=draws, collate_fn=collate, num_workers=workers
            ),
            DataLoader(LaidViews(tuning, laid), collate_fn=collate, num_workers=workers),
        )

    def _fit_recipe(self, recipe: TrainRecipe) -> FitRecipe:
        """How `fit` goes about it."""
        return FitRecipe(
            epochs=recipe.epochs,
            patience=recipe.patience,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            seed=self.seed,
            optimizer=recipe.optimizer,
            schedule=recipe.schedule,
            precision=recipe.precision,
            device=self.resources.device,
        )

    def _save(self, learner: HeadLearner, recipe: TrainRecipe) -> None:
        shutil.copy(self.folder / WORK / LOG_FILE, self.folder / LOG_FILE)
        asked = asked_head(recipe, learner.objective)
        card = HeadCard(
            name=asked.name,
            dim=learner.head.dim,
            settings=asked.settings,
            objective=describe(learner.objective),
            encoder=dict(self.cases.header.encoder),
            grids=dict(self.cases.header.settings),
            views=view_rules(recipe)[1],
            joint=self.cases.joint,
        )
        save_head(self.folder, learner.head, card)

    def _answers(self) -> pd.DataFrame:
        """What the saved head says of every case of the fold, part by part."""
        saved, cases = load_head(self.folder), self.cases
        units = pd.concat(
            [cases.units(getattr(self.fold, part)).assign(part=part) for part in ("train", "tuning", "test")],
            ignore_index=True,
        ).assign(run=self.name)
        values = scores_of(saved, units["paths"].tolist(), self.read, pick_device(self.resources.device))
        labels = cases.labels_of(units["patient"].tolist())
        truths = [part.truth(labels) for part in saved.objective.parts]
        return both_levels(rows_of(saved.objective, units, truths, values))
