"""One network, trained end to end on pictures: trained once, resumed when stopped, scored in the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from histopress.core.errors import RecipeError
from histopress.core.files import whole
from histopress.core.fit import STATE_FILE, FitResult, fit
from histopress.core.fit_state import last_weights
from histopress.core.progress import Progress
from histopress.core.recipe import build
from histopress.core.run import Run
from histopress.encoders.encoder import pick_device
from histopress.studies.end_to_end_learner import PictureLearner, answers
from histopress.studies.end_to_end_pictures import Batches, PictureRows
from histopress.studies.end_to_end_recipe import EndToEndRecipe, EndToEndResources
from histopress.studies.end_to_end_result import Answers, PictureResult, judged, write_answers
from histopress.studies.patchnets import Patchnet, make_patchnet
from histopress.studies.pictures import PARTS, Part, Pictures

__all__ = [
    "ANSWERS_FILE",
    "RESULT_FILE",
    "WEIGHTS_FILE",
    "Answers",
    "PictureResult",
    "judged",
    "train_end_to_end",
    "trained_network",
]

RESULT_FILE = "end_to_end.json"
ANSWERS_FILE = "test.parquet"
WEIGHTS_FILE = "weights.safetensors"
TRAIN_MOST = 2000
"""Pictures of the train part whose accuracy is told."""


def train_end_to_end(
    train: Pictures,
    tuning: Pictures,
    test: Pictures,
    recipe: EndToEndRecipe,
    folder: Path,
    *,
    resources: EndToEndResources | None = None,
    bar: Progress | None = None,
) -> PictureResult:
    """Train a network on pictures, choose its weights by the tuning part, score them on the test part.

    Called again it goes on where it was stopped, with the same result; called after the end it only reads the
    result. Keeps run.json, log.csv, the best weights, the answers to the test part, and the result.

    Args:
        train: to learn from.
        tuning: chooses the weights.
        test: is looked at once.
        recipe: settings.
        folder: of this training alone.
        resources: what it runs on.
        bar: told of every look at the tuning part, `recipe.looks(len(train))` in all; without it one is
            shown.

    Raises:
        RecipeError: pictures that cannot be learned from together.
        RunError: the folder holds another training, or the loss is no finite number.
    """
    parts: dict[Part, Pictures] = {"train": train, "tuning": tuning, "test": test}
    classes = _checked(parts)
    inputs: dict[str, Any] = {part: pictures.identity for part, pictures in parts.items()}
    run = Run.start(folder, recipe, inputs | {"channels": train.shape[2], "classes": classes})
    if run.done:
        if bar is not None:
            bar.advance(recipe.looks(len(train)))
    else:
        _Training(parts, classes, recipe, run, resources or EndToEndResources()).go(bar)
    (folder / STATE_FILE).unlink(missing_ok=True)
    return PictureResult(**json.loads((folder / RESULT_FILE).read_text(encoding="utf-8")))


def trained_network(folder: Path) -> Patchnet:
    """The network of a finished training with its best weights, on the CPU, in evaluation mode.

    Raises:
        RunError: the folder holds no run.
        RecipeError: its weights were not kept.
    """
    record = Run.load(folder).record
    recipe = build(EndToEndRecipe, record["recipe"], str(folder))
    if not (folder / WEIGHTS_FILE).exists():
        raise RecipeError(
            f"{folder} holds no {WEIGHTS_FILE}, expected a finished training whose weights are kept; train "
            "again with keep_weights"
        )
    net = make_patchnet(recipe.network, record["inputs"]["channels"], record["inputs"]["classes"])
    net.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return net.eval()


def _checked(parts: Mapping[Part, Pictures]) -> int:
    """How many classes there are."""
    shapes = {part: pictures.shape for part, pictures in parts.items()}
    if len({shape[2] for shape in shapes.values()}) > 1:
        raise RecipeError(
            f"the parts hold pictures of {shapes}, expected the same channels; train on one kind"
        )
    held = {part: np.unique(pictures.labels).tolist() for part, pictures in parts.items()}
    known = held["train"]
    if known != list(range(len(known))) or any(len(h) < 2 or not {*h} <= {*known} for h in held.values()):
        raise RecipeError(
            f"the parts hold the classes {held}, expected two or more in each, all of which train holds, "
            "counted from 0; change the parts"
        )
    return len(known)


@dataclass(frozen=True)
class _Training:
    """All that a training needs."""

    parts: Mapping[Part, Pictures]
    classes: int
    recipe: EndToEndRecipe
    run: Run
    resources: EndToEndResources

    def go(self, bar: Progress | None) -> None:
        """Train, score, write."""
        recipe, folder = self.recipe, self.run.folder
        device = pick_device({"gpu": "cuda"}.get(recipe.device, recipe.device))
        batches = Batches(self.resources, device.type == "cuda")
        rows = {part: batches.rows(self.parts[part]) for part in PARTS}
        channels = self.parts["train"].shape[2]
        learner = PictureLearner(make_patchnet(recipe.network, channels, self.classes, recipe.seed), recipe)
        fitted = fit(
            learner,
            batches.drawn(rows["train"], recipe.batch, recipe.draws(len(rows["train"]))),
            batches.ordered(rows["tuning"], recipe.batch),
            recipe.fitting(len(rows["train"]), len(rows["tuning"])),
            folder,
            bar=bar,
            save_seconds=self.resources.save_seconds,
        )
        weights = {name: value.clone() for name, value in learner.net.state_dict().items()}
        best = self._answers(learner, batches, rows, device)
        learner.load_state_dict(last_weights(folder))
        last = self._answers(learner, batches, rows, device)
        self._write(weights, best, self._judged(learner.net, best, last, fitted))

    def _answers(
        self,
        learner: PictureLearner,
        batches: Batches,
        rows: Mapping[Part, PictureRows],
        device: torch.device,
    ) -> dict[Part, Answers]:
        """To every part, but not to all of a large train part."""
        recipe, found = self.recipe, {}
        with torch.random.fork_rng(devices=[]):  # every loader draws a seed
            for part in PARTS:
                which = _some(len(rows[part]), recipe.seed) if part == "train" else None
                loader = batches.ordered(rows[part], recipe.batch, which)
                found[part] = answers(learner.net, loader, device, recipe.precision)
        return found

    def _judged(
        self,
        net: Patchnet,
        best: Mapping[Part, Answers],
        last: Mapping[Part, Answers],
        fitted: FitResult,
    ) -> PictureResult:
        draws = self.recipe.draws(len(self.parts["train"]))
        return judged(
            best,
            last,
            seconds=round(sum(draws / epoch.speed for epoch in fitted.curve), 3),
            pictures_seen=draws * len(fitted.curve),
            parameters=sum(p.numel() for p in net.parameters()),
            looks=len(fitted.curve),
            best_look=fitted.best.epoch + 1,
        )

    def _write(self, weights: dict[str, Tensor], best: Mapping[Part, Answers], result: PictureResult) -> None:
        """Everything is whole before the run counts as done."""
        folder = self.run.folder
        if self.resources.keep_weights:
            with whole(folder / WEIGHTS_FILE) as partial:
                save_file(weights, partial)
        write_answers(best["test"], folder / ANSWERS_FILE)
        self.run.write(RESULT_FILE, json.dumps(asdict(result), indent=1) + "\n")
        self.run.finish()


def _some(pictures: int, seed: int) -> list[int] | None:
    """Which pictures of a train part stand for all; None for all of them."""
    if pictures <= TRAIN_MOST:
        return None
    chosen: list[int] = np.sort(
        np.random.default_rng(seed).choice(pictures, TRAIN_MOST, replace=False)
    ).tolist()
    return chosen
