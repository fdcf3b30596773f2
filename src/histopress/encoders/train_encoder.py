"""The verb `train-encoder`: labelled patch sets, or tiles without labels -> an encoder."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from histopress.core.errors import EncoderError
from histopress.core.fit import FitResult, fit
from histopress.core.fit_recipe import FitRecipe, FitResources
from histopress.core.progress import Progress
from histopress.core.recipe import plain
from histopress.core.run import Run
from histopress.data.patch_task import Part
from histopress.encoders.augment import LADDER, augment
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import NetworkEncoder, load_saved, pick_device, save_encoder
from histopress.encoders.engine_ways import has_bf16
from histopress.encoders.multitask import MultitaskLearner, MultitaskRecipe, blocks_before
from histopress.encoders.network import ImageNetwork
from histopress.encoders.task_batches import Mixture, part_loader, train_loader
from histopress.encoders.tile_batches import tile_loader
from histopress.encoders.tile_learner import Augment, TileLearner
from histopress.encoders.train_encoder_recipe import TrainEncoderRecipe
from histopress.encoders.training_tiles import TrainingTiles, gather
from histopress.encoders.trunks import make_trunk
from histopress.encoders.unsupervised import METHODS, learner_for, shaped

SCORES_FILE = "scores.json"


@dataclass(frozen=True)
class TrainedEncoder:
    """What came of it.

    Attributes:
        folder: of the run; `compress --encoder` takes it.
        encoder: the best one.
        tasks: inputs that are tasks, as they were given.
        scores: part -> task -> score of its own head; empty for encoders without labels.
        epochs: looks at the tuning part until the end.
        waiting: share of the time that was spent waiting for data, 0 to 1.
        rate: tiles a second in training.
    """

    folder: Path
    encoder: NetworkEncoder
    tasks: tuple[str, ...]
    scores: dict[str, dict[str, float]]
    epochs: int
    waiting: float
    rate: float

    @property
    def headline(self) -> str:
        """For people: one line a task, then where it lies."""
        lines = [f"{task}: test {score:.3f}" for task, score in self.scores.get("test", {}).items()]
        speed = f"{self.rate:.0f} tiles/s, {self.waiting:.0%} of the time waiting for data"
        return "\n".join([*lines, f"encoder {self.encoder.card.identity} in {self.folder} ({speed})"])


@dataclass(frozen=True)
class _Plan:
    """All that `fit` wants."""

    learner: TileLearner
    train: DataLoader[Any]
    tuning: DataLoader[Any] | None
    recipe: FitRecipe


def train_encoder(
    inputs: Sequence[str],
    output: Path,
    recipe: TrainEncoderRecipe,
    *,
    root: Path | None = None,
    resources: FitResources | None = None,
    bar: Progress | None = None,
) -> TrainedEncoder:
    """Train an encoder, or take up a training that was stopped; asked twice, it only loads what is there.

    Args:
        inputs: tasks (TOML files, or names of ready descriptions), and slides or folders of slides.
        output: folder for run, log, weights and card.
        recipe: how it is trained.
        root: folder below which the folders of the tasks lie; without it they lie beside their TOML files.
        resources: devices, machines and logs.
        bar: told how far it has come; without it one is shown.

    Raises:
        PatchError: a task or its files are not what they should be.
        EncoderError: no such method, trunk or teacher, or inputs that the method cannot use.
        RunError: the folder holds another run.
    """
    resources = resources or FitResources()
    _check(recipe)
    tiles = gather(inputs, root, recipe.tile, recipe.spacing, _wants(recipe))
    teacher, start = (_fitting(name, recipe) for name in (recipe.teacher, recipe.start))
    identities = {
        "tiles": tiles.identities,
        "teacher": teacher.card.identity if teacher else "",
        "start": start.card.identity if start else "",
        "processes": resources.processes,
    }
    if recipe.method == "multitask":
        plan = _labelled(tiles, recipe, teacher, start)
    else:
        plan = _unlabelled(tiles, recipe, start)
    run = Run.start(output, recipe, identities)
    result = fit(plan.learner, plan.train, plan.tuning, plan.recipe, output, resources=resources, bar=bar)
    if not run.done:
        _keep(run, plan.learner, tiles, recipe, _own_scores(plan.learner, tiles))
    return _told(output, tiles.given, result)


def _check(recipe: TrainEncoderRecipe) -> None:
    """Find out whether the settings fit the method, before anything is read."""
    known = ("multitask", *METHODS)
    if recipe.method not in known:
        raise EncoderError(f"no method {recipe.method!r}, expected one of {', '.join(known)}")
    if recipe.teacher and recipe.method != "multitask":
        raise EncoderError(
            f"{recipe.method} has no teacher, but {recipe.teacher} is named; leave it out, or use multitask"
        )
    if recipe.start and recipe.method != "multitask" and not _takes_trunk(recipe):
        raise EncoderError(
            f"{recipe.method} trains a network of its own, but start is {recipe.start}; leave it out, or use "
            "multitask or simclr"
        )
    if min(recipe.updates, recipe.look_every) < 1:
        raise EncoderError(
            f"updates {recipe.updates} and look_every {recipe.look_every}, expected at least 1 of each"
        )


def _wants(recipe: TrainEncoderRecipe) -> dict[str, Any]:
    """How slides are sampled for a method."""
    return {"count": recipe.slide_tiles, "seed": recipe.seed, "neighbours": recipe.method == "contrastive"}


def _fitting(name: str, recipe: TrainEncoderRecipe) -> NetworkEncoder | None:
    """An encoder to learn from or to go on from: a network for tiles of the training's size and spacing."""
    if not name:
        return None
    encoder = load_encoder(name)
    card = encoder.card
    if not (isinstance(encoder, NetworkEncoder) and isinstance(encoder.network, ImageNetwork)):
        raise EncoderError(f"{card.name} is no network of convolutions, as start and teacher must be")
    if (card.tile, card.spacing) != (recipe.tile, recipe.spacing):
        raise EncoderError(
            f"{card.name} takes tiles of {card.tile} px at {card.spacing:g} um/px, but the training has "
            f"{recipe.tile} px at {recipe.spacing:g}; set tile and spacing to those of {card.name}"
        )
    return encoder


def _trunk(recipe: TrainEncoderRecipe, start: NetworkEncoder | None) -> ImageNetwork:
    """The network that learns."""
    if start is None:
        return make_trunk(recipe.trunk, recipe.tile, recipe.dim, recipe.seed)
    assert isinstance(start.network, ImageNetwork)
    return start.network.requires_grad_(True)


def _labelled(
    tiles: TrainingTiles,
    recipe: TrainEncoderRecipe,
    teacher: NetworkEncoder | None,
    start: NetworkEncoder | None,
) -> _Plan:
    """Multitask training."""
    sets = tiles.with_slides(recipe.tile)
    if not tiles.sets and teacher is None:
        raise EncoderError("multitask learns from labels, but no task is given; name a task, or a teacher")
    without = teacher is not None or recipe.consistency > 0
    if tiles.slides and not without:
        raise EncoderError(
            "slides have no labels to learn from; name a teacher, set consistency, or leave the slides out"
        )
    network = _trunk(recipe, start)
    how = MultitaskRecipe(
        recipe.weighting, recipe.hidden, recipe.consistency, recipe.teaching if teacher else 0.0
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        shrunk = blocks_before(network, teacher)
        learner = MultitaskLearner(network, sets, how, _altered(recipe, "hed-light", shrunk), teacher)
    looks = -(-recipe.updates // recipe.look_every)
    mixture = Mixture(recipe.balance, recipe.temperature, recipe.class_balance, unlabelled=without)
    train = train_loader(sets, mixture, batch=recipe.batch or 64, updates=recipe.updates // looks)
    tuned = recipe.keep == "best" and any(len(s.rows("tuning")) for s in tiles.sets)
    tuning = part_loader(sets, "tuning") if tuned else None
    return _Plan(learner, train, tuning, _fit_recipe(recipe, MULTITASK, looks, recipe.patience))


MULTITASK = FitRecipe(epochs=0, patience=0, lr=2e-3, weight_decay=1e-4, seed=0)


def _unlabelled(tiles: TrainingTiles, recipe: TrainEncoderRecipe, start: NetworkEncoder | None) -> _Plan:
    """Training without labels."""
    method = METHODS[recipe.method]
    batch = recipe.batch or method.batch
    found, train_rows, tuning_rows = tiles.unlabelled(recipe.seed)
    network = _trunk(recipe, start) if _takes_trunk(recipe) else None
    shape = None if network else shaped(recipe.method, recipe.tile, recipe.dim, recipe.width)
    learner = learner_for(recipe.method, recipe.seed, _altered(recipe, method.strength), shape, network)
    train_rows = _enough(train_rows, recipe.updates * batch, recipe.seed)
    train = tile_loader(found, train_rows, batch, pairs=method.pairs, train=True)
    tuned = recipe.keep == "best" and method.tuned and len(tuning_rows)
    tuning = tile_loader(found, tuning_rows, batch, pairs=method.pairs, train=False) if tuned else None
    epochs = max(1, recipe.updates // len(train))
    return _Plan(learner, train, tuning, _fit_recipe(recipe, method.fit, epochs, method.fit.patience))


def _enough(rows: NDArray[np.int64], wanted: int, seed: int) -> NDArray[np.int64]:
    """Some of the rows where a single pass would be longer than the training."""
    if len(rows) <= wanted:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, wanted, replace=False))


def _takes_trunk(recipe: TrainEncoderRecipe) -> bool:
    """SimCLR learns any trunk; the others have a published one of their own."""
    return recipe.method == "simclr"


def _fit_recipe(recipe: TrainEncoderRecipe, base: FitRecipe, epochs: int, patience: int) -> FitRecipe:
    device = pick_device({"gpu": "cuda"}.get(recipe.device, recipe.device))
    auto: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if has_bf16(device) else "32-true"
    return replace(
        base,
        epochs=epochs,
        patience=patience,
        lr=base.lr if recipe.lr is None else recipe.lr,
        weight_decay=base.weight_decay if recipe.weight_decay is None else recipe.weight_decay,
        seed=recipe.seed,
        precision=auto if recipe.precision == "auto" else recipe.precision,
        device=recipe.device,
    )


def _altered(recipe: TrainEncoderRecipe, usual: str, shrunk: int = 1) -> Augment:
    return partial(augment, recipe=LADDER[recipe.augmentation or usual].shrunk(shrunk))


def _own_scores(learner: TileLearner, tiles: TrainingTiles) -> dict[str, dict[str, float]]:
    """Score of the head of each task on its own tuning and test part."""
    if not isinstance(learner, MultitaskLearner):
        return {}
    found: dict[str, dict[str, float]] = {"tuning": {}, "test": {}}
    learner.eval()
    parts: tuple[Part, ...] = ("tuning", "test")
    for part in parts:
        if not any(len(s.rows(part)) for s in tiles.sets):
            continue
        with torch.inference_mode():
            for batch in part_loader(tiles.sets, part):
                learner.losses(batch)
        found[part] = {name: s for name, s in learner.scores().items() if not math.isnan(s)}
    return found


def _keep(
    run: Run,
    learner: TileLearner,
    tiles: TrainingTiles,
    recipe: TrainEncoderRecipe,
    scores: dict[str, dict[str, float]],
) -> None:
    """Write weights, card and scores."""
    encoder = NetworkEncoder(
        learner.encoder_network(),
        name=run.folder.name,
        spacing=recipe.spacing,
        licence=tiles.licence,
        source=f"trained by histopress, {recipe.method} on {', '.join(tiles.names)}",
        training={
            "method": recipe.method,
            "tasks": [tiles.facts(s, scores) for s in tiles.sets],
            "slides": list(tiles.slides.names) if tiles.slides else [],
            "recipe": plain(recipe),
            "run": run.identity,
        },
    )
    run.write(SCORES_FILE, json.dumps(scores, indent=2) + "\n")
    save_encoder(encoder, run.folder)
    run.finish()


def _told(folder: Path, tasks: tuple[str, ...], result: FitResult) -> TrainedEncoder:
    scores = json.loads((folder / SCORES_FILE).read_text(encoding="utf-8"))
    return TrainedEncoder(
        folder,
        load_saved(folder),
        tasks,
        scores,
        len(result.curve),
        _mean(result, "waiting"),
        _mean(result, "speed"),
    )


def _mean(result: FitResult, fact: str) -> float:
    """Of a number of every epoch."""
    return float(sum(getattr(epoch, fact) for epoch in result.curve) / len(result.curve))
