"""What came of a training on pictures, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.files import whole
from histopress.metrics.scores import auroc, macro
from histopress.studies.outcome import Outcome, outcome
from histopress.studies.pictures import Part


@dataclass(frozen=True)
class Answers:
    """What is said of some pictures.

    Attributes:
        labels: (pictures,) int64 class of each.
        p: (pictures, classes) probability of every class.
    """

    labels: NDArray[np.int64]
    p: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Share of the pictures whose likeliest class is theirs."""
        return float((self.p.argmax(1) == self.labels).mean())

    @property
    def auroc(self) -> float:
        """Of class 1 against class 0; of more than two classes the mean of each against all others."""
        if self.p.shape[1] == 2:
            return float(auroc(self.labels == 1, self.p[:, 1])[0])
        return float(macro(auroc, self.labels, self.p)[0])

    @property
    def chance(self) -> float:
        """Share of the largest class."""
        return float(np.bincount(self.labels).max() / len(self.labels))


@dataclass(frozen=True)
class PictureResult:
    """What came of a training.

    Attributes:
        train_accuracy: of the weights that were best on the tuning part.
        tuning_accuracy: likewise, and so flattering.
        test_accuracy: likewise.
        test_auroc: likewise; for more than two classes the mean of each against all others.
        outcome: see `outcome.outcome`, by the higher of both train accuracies and the test accuracy.
        seconds: of training; a network's without those of looking at the tuning part.
        pictures_seen: in training.
        parameters: of the network.
        chance: share of the largest class in the test part.
        last_train_accuracy: of the weights after the last update.
        last_tuning_accuracy: likewise.
        last_test_accuracy: likewise.
        last_test_auroc: likewise.
        looks: at the tuning part; 0 where they were not counted.
        best_look: that chose the weights, from 1.
    """

    train_accuracy: float
    tuning_accuracy: float
    test_accuracy: float
    test_auroc: float
    outcome: Outcome
    seconds: float
    pictures_seen: int
    parameters: int
    chance: float
    last_train_accuracy: float
    last_tuning_accuracy: float
    last_test_accuracy: float
    last_test_auroc: float
    looks: int = 0
    best_look: int = 0


def judged(
    best: Mapping[Part, Answers],
    last: Mapping[Part, Answers] | None = None,
    *,
    seconds: float,
    pictures_seen: int,
    parameters: int,
    looks: int = 0,
    best_look: int = 0,
) -> PictureResult:
    """Score answers.

    Args:
        best: to every part, of the weights that are kept.
        last: to every part, of the last weights; without them they are the ones that are kept.
        seconds: see `PictureResult`, as all that follow.
        pictures_seen: in training.
        parameters: of the network.
        looks: at the tuning part.
        best_look: of them.
    """
    last = last or best
    train, test = best["train"], best["test"]
    found = outcome(
        max(train.accuracy, last["train"].accuracy),
        len(train.labels),
        test.accuracy,
        len(test.labels),
        test.p.shape[1],
        train_chance=train.chance,
        test_chance=test.chance,
    )
    return PictureResult(
        train_accuracy=train.accuracy,
        tuning_accuracy=best["tuning"].accuracy,
        test_accuracy=test.accuracy,
        test_auroc=test.auroc,
        outcome=found,
        seconds=seconds,
        pictures_seen=pictures_seen,
        parameters=parameters,
        chance=test.chance,
        last_train_accuracy=last["train"].accuracy,
        last_tuning_accuracy=last["tuning"].accuracy,
        last_test_accuracy=last["test"].accuracy,
        last_test_auroc=last["test"].auroc,
        looks=looks,
        best_look=best_look,
    )


def answers_to(told: pd.DataFrame, part: Part, labels: int) -> Answers:
    """What a table of predictions says of the pictures of a part, ordered by their names.

    Args:
        told: see `heads.trial.try_heads`; a patient is a picture, and classes are called by their numbers.
        part: train, tuning or test.
        labels: classes.
    """
    rows = told[(told["part"] == part) & (told["level"] == "patient")].sort_values("patient")
    columns = [f"p:{label}" for label in range(labels)]
    return Answers(rows["truth"].to_numpy().astype(np.int64), rows[columns].to_numpy(np.float64))


def write_answers(answers: Answers, path: Path) -> None:
    """Write a Parquet table: `index`, `label`, and `p` of class 1 or `p0`, `p1` and so on of several classes.

    Args:
        answers: to a part, in the order of its pictures.
        path: to write.
    """
    table = pd.DataFrame({"index": np.arange(len(answers.labels)), "label": answers.labels})
    classes = answers.p.shape[1]
    names = {"p": 1} if classes == 2 else {f"p{c}": c for c in range(classes)}
    for name, column in names.items():
        table[name] = answers.p[:, column].astype(np.float32)
    with whole(path) as partial:
        table.to_parquet(partial, index=False)
