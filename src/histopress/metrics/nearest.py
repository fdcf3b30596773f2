"""What can be told by likeness alone: nearest neighbours, and a few labelled tiles of every class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from histopress.data.patch_task import Kind
from histopress.metrics.labelled_codes import Codes, Labelled, Scale, one_hot, softmax, unit_length

Array = NDArray[np.float64]

SHARPNESS = 10.0
"""Cosines times this are the logits of few-shot answers; only ordinal answers and mean areas feel it."""

BLOCK = 1024
"""Tiles that are compared with the whole training part at once."""


def nearest_answers(kind: Kind, classes: int, train: Labelled, codes: Codes, most: int) -> Array:
    """What the nearest tiles of the training part are, by the cosine of standardised codes.

    Args:
        kind: of label.
        classes: how many; 0 for regression.
        train: where neighbours are looked for.
        codes: (tiles, dim) to be answered.
        most: neighbours; no more than the rarest class has tiles.

    Returns:
        (tiles, classes) shares of the neighbours, or (tiles, 1) their mean for regression.
    """
    scale = Scale.of(train.codes)
    known = one_hot(train.targets, classes) if kind not in ("regression", "multilabel") else train.targets
    known = np.asarray(known, np.float64).reshape(len(train), -1)
    count = min(most, _rarest(kind, train))
    there, answers = unit_length(scale(train.codes)), np.empty((len(codes), known.shape[1]))
    for start in range(0, len(codes), BLOCK):
        near = unit_length(scale(codes[start : start + BLOCK])) @ there.T
        nearest = np.argpartition(-near, count - 1, axis=1)[:, :count]
        answers[start : start + BLOCK] = _mean_of_known(known[nearest])
    return answers


def few_shot_answers(
    train: Labelled, codes: Codes, classes: int, *, shots: int, draws: int, seed: int
) -> Iterator[Array]:
    """Answers of the nearest centroid, once for every draw of a few labelled tiles.

    A centroid is the mean of the drawn tiles of a class, and near is what has a high cosine. Codes are
    standardised on all of the training part, which takes no labels.

    Args:
        train: where tiles are drawn from; every class must have `shots` tiles.
        codes: (tiles, dim) to be answered.
        classes: how many.
        shots: tiles of every class, of as many groups as there are.
        draws: how often.
        seed: the same seed draws the same tiles, whatever the codes are.

    Yields:
        (tiles, classes) shares; 0 for classes that the training part lacks.
    """
    scale, generator = Scale.of(train.codes), np.random.default_rng(seed)
    known, asked = scale(train.codes), unit_length(scale(codes))
    present = np.unique(train.targets).astype(int)
    for _ in range(draws):
        rows = [draw_shots(train, c, shots, generator) for c in present]
        centroids = unit_length(np.stack([known[r].mean(axis=0) for r in rows]))
        answers = np.zeros((len(codes), classes))
        answers[:, present] = softmax(SHARPNESS * (asked @ centroids.T).astype(np.float64))
        yield answers


def draw_shots(train: Labelled, number: int, shots: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Rows of drawn tiles of one class; a group gives a second one only when every group has given one."""
    rows = generator.permutation(np.flatnonzero(train.targets == number))
    given: dict[str, int] = {}
    turns = np.empty(len(rows), np.int64)
    for i, group in enumerate(train.groups[rows].tolist()):
        turns[i] = given[group] = given.get(group, -1) + 1
    return rows[np.argsort(turns, kind="stable")[:shots]]


def _mean_of_known(labels: Array) -> Array:
    """(tiles, neighbours, outputs) -> (tiles, outputs); half where no neighbour is labelled."""
    known = ~np.isnan(labels)
    total, count = np.where(known, labels, 0.0).sum(axis=1), known.sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, 0.5), where=count > 0), np.float64)


def _rarest(kind: Kind, train: Labelled) -> int:
    if kind in ("regression", "multilabel"):
        return len(train)
    return int(np.unique(train.targets, return_counts=True)[1].min())
