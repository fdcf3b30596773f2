"""How good one encoder of the study is on each task, and on slides made of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
    return list(_scores(candidate, load_encoder(name), root, recipe, output))


def _scores(
    candidate: Candidate, encoder: Encoder, root: Path | None, recipe: TasksRecipe, output: Path
) -> Iterator[Score]:
    card = encoder.card
    facts = (candidate.name, candidate.group, len(candidate.tasks), candidate.seed)
    for task in (*recipe.pool, *recipe.judges):
        patches = load_patches(find_task(task), root, card.tile, card.spacing)
        codes = encode(encoder, patches.tiles)
        seen = task in candidate.tasks
        measure, *limits = _probe(codes, patches, recipe)
        yield Score(*facts, task, seen, measure, *limits)
        if task == recipe.mosaics:
            made = judge_mosaics(
                codes, card, patches, MosaicRecipe(share=recipe.share), output / "mosaics" / candidate.name
            )
            found = made.score
            yield Score(*facts, f"mosaics of {task}", seen, "auroc", found.value, found.low, found.high)


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
    return found.measure, found.value, found.low, found.high
