"""How good one encoder of the study is on each task, and on slides made of one of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from histopress.data.patch_recipes import find_task
from histopress.data.patches import PatchSet, load_patches
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import Encoder, encode
from histopress.metrics.labelled_codes import Labelled
from histopress.metrics.probe_measures import Answered
from histopress.metrics.probe_scores import score
from histopress.metrics.probes import fit_probe
from histopress.metrics.results import Sureness
from histopress.studies.mosaics import MosaicRecipe, judge_mosaics
from histopress.studies.tasks_recipe import TasksRecipe
from histopress.studies.tasks_scores import Candidate, Score

JUDGING = 1
"""Raised when the same codes give other scores."""


def judge(
    candidate: Candidate, name: str, root: Path | None, recipe: TasksRecipe, output: Path
) -> list[Score]:
    """The headline score of a linear probe on each task, and of a head on mosaics.

    Args:
        candidate: the encoder.
        name: by which the catalogue finds it.
        root: folder below which the folders of the tasks lie.
        recipe: settings.
        output: folder of the study.
    """
    folder = output / "mosaics" / candidate.name.replace("/", "_")
    return list(_Judge(candidate, load_encoder(name), root, recipe, folder).scores())


@dataclass(frozen=True)
class _Judge:
    """Judges one encoder."""

    candidate: Candidate
    encoder: Encoder
    root: Path | None
    recipe: TasksRecipe
    folder: Path

    def scores(self) -> Iterator[Score]:
        card, recipe = self.encoder.card, self.recipe
        for task in (*recipe.pool, *recipe.judges):
            patches = load_patches(find_task(task), self.root, card.tile, card.spacing)
            codes = encode(self.encoder, patches.tiles)
            yield self._score(patches.task.name, task, *_probe(codes, patches, recipe))
            if task == recipe.mosaics:
                found = [self._mosaics(codes, patches, seed) for seed in range(recipe.drawings)]
                yield self._score(f"mosaics of {patches.task.name}", task, "auroc", fmean(found))

    def _score(self, title: str, task: str, measure: str, point: float, *limits: float) -> Score:
        low, high = limits or (math.nan, math.nan)
        known = self.candidate
        seen = task in known.tasks
        return Score(
            known.name, known.group, len(known.tasks), known.seed, title, seen, measure, point, low, high
        )

    def _mosaics(self, codes: NDArray[np.float32], patches: PatchSet, seed: int) -> float:
        how = MosaicRecipe(share=self.recipe.share, seed=seed)
        return judge_mosaics(codes, self.encoder.card, patches, how, self.folder).score.value


def _probe(
    codes: NDArray[np.float32], patches: PatchSet, recipe: TasksRecipe
) -> tuple[str, float, float, float]:
    """Name, value and limits of the headline score of a linear probe."""
    parts = {p: patches.rows(p) for p in ("train", "tuning", "test")}
    train, tuning, test = (
        Labelled(codes[rows], patches.targets[rows], patches.groups[rows]) for rows in parts.values()
    )
    kind = patches.task.kind
    probe = fit_probe(kind, len(patches.task.classes), train, tuning, seed=0)
    answered = Answered(kind, test.targets.astype(float), probe.answers(test.codes), test.groups)
    found = score(answered, "tile", Sureness(recipe.resamples, 0, 0.95))[0]
    return found.measure, found.point, found.low, found.high
