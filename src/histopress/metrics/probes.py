"""How much of a label can be read off frozen codes linearly.

Everything is fitted on the training part. The strength of the penalty is chosen on the tuning part, which is
never fitted, or by cross-validation between the groups of the training part. The test part is only answered.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from histopress.core.errors import PatchError
from histopress.data.patch_task import Kind
from histopress.metrics.labelled_codes import Codes, Labelled, Scale, softmax

Array = NDArray[np.float64]

STRENGTHS = (10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5)
"""Penalties on half the squared weights, per mean loss of a tile, on standardised codes: strongest first."""

PATIENCE = 2
"""Strengths in a row that are worse than the best one, before weaker (and slower) ones are not tried."""

UNTUNED = 0.01
"""Strength where nothing can choose one: no tuning part, and a class with a single group."""

FOLDS = 5
MOST_STEPS = 300
LEAST_SHARE = 1e-6
"""Probabilities below this cost no more: one sure mistake must not decide the strength."""


@dataclass(frozen=True)
class LinearProbe:
    """A linear map from standardised codes to answers.

    Attributes:
        kind: of label.
        scale: of the codes of the training part.
        weights: (dim, outputs).
        bias: (outputs,).
        strengths: of the penalty that was chosen: one, or one a class for multilabel.
    """

    kind: Kind
    scale: Scale
    weights: Array
    bias: Array
    strengths: tuple[float, ...]

    def answers(self, codes: Codes) -> Array:
        """(tiles, classes) probabilities, or (tiles, 1) numbers for regression."""
        raw = self.scale(codes).astype(np.float64) @ self.weights + self.bias
        if self.kind == "regression":
            return raw
        return np.asarray(expit(raw)) if self.kind == "multilabel" else softmax(raw)


def fit_probe(kind: Kind, classes: int, train: Labelled, tuning: Labelled, seed: int = 0) -> LinearProbe:
    """Fit a linear probe: logistic (multinomial; one a class for multilabel), or ridge for regression.

    Args:
        kind: of label; ordinal classes are fitted as classes.
        classes: how many; 0 for regression.
        train: what is fitted.
        tuning: chooses the strength, if it holds every class that the training part holds.
        seed: of the folds by which the strength is chosen otherwise.

    Raises:
        PatchError: the training part holds fewer than two classes, or fewer than two tiles.
    """
    scale = Scale.of(train.codes)
    train, tuning = train.scaled(scale), tuning.scaled(scale)
    if kind == "multilabel":
        columns = [_fit_column(train.column(c), tuning.column(c), seed) for c in range(classes)]
        weights = np.stack([w[:, 1] - w[:, 0] for w, _, _ in columns], axis=1)
        bias = np.array([b[1] - b[0] for _, b, _ in columns])
        return LinearProbe(kind, scale, weights, bias, tuple(strength for _, _, strength in columns))
    weights, bias, strength = _fit(kind, classes, train, tuning, seed)
    return LinearProbe(kind, scale, weights, bias, (strength,))


Solution = tuple[Array, Array]
"""Weights (dim, outputs) and bias (outputs,)."""

Loss = Callable[[Array, NDArray[np.float32]], float]


def _fit(
    kind: Kind, classes: int, train: Labelled, tuning: Labelled, seed: int
) -> tuple[Array, Array, float]:
    """Of all strengths the one with the least loss where it was not fitted."""
    _check(kind, train)
    number = kind == "regression"
    path, loss = (_ridges, _squared) if number else (_logistics, _surprise)
    tuned = len(tuning) > 1 if number else bool(np.isin(train.targets, tuning.targets).all())
    parts = [(train, tuning)] if tuned else list(_folds(kind, train, seed))
    losses = [_losses(path(fitted, classes, STRENGTHS), judged, loss) for fitted, judged in parts]
    best = STRENGTHS[int(np.sum(losses, axis=0).argmin())] if losses else UNTUNED
    return *next(iter(path(train, classes, (best,)))), best


def _fit_column(train: Labelled, tuning: Labelled, seed: int) -> tuple[Array, Array, float]:
    """One class of a multilabel set; without an opinion where all tiles or none have it."""
    if len(np.unique(train.targets)) < 2:
        return np.zeros((train.codes.shape[1], 2)), np.zeros(2), np.nan
    return _fit("binary", 2, train, tuning, seed)


def _losses(path: Iterable[Solution], judged: Labelled, loss: Loss) -> Array:
    """(strengths,) losses on tiles that were not fitted; what is no longer tried counts as the last one."""
    losses: list[float] = []
    for weights, bias in path:
        losses.append(loss(judged.codes @ weights + bias, judged.targets))
        if len(losses) - 1 - int(np.argmin(losses)) == PATIENCE:
            break
    return np.array(losses + losses[-1:] * (len(STRENGTHS) - len(losses)))


def _check(kind: Kind, train: Labelled) -> None:
    found = len(train) if kind == "regression" else len(np.unique(train.targets))
    if found < 2:
        what = "labelled tiles" if kind == "regression" else "classes"
        raise PatchError(
            f"the training part has {found} {what}, a probe needs at least 2; look at `classes` and `split`"
        )


def _logistics(train: Labelled, classes: int, strengths: Sequence[float]) -> Iterator[Solution]:
    """Weights and bias for one strength after the other, each starting from the last; classes weigh alike."""
    present = np.unique(train.targets).astype(int)
    model = LogisticRegression(class_weight="balanced", warm_start=True, max_iter=MOST_STEPS)
    for strength in strengths:
        model.set_params(C=1 / (strength * len(train)))
        with warnings.catch_warnings():  # a fit that was stopped early is a little more regular, and judged
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(train.codes, train.targets)
        weights = np.zeros((train.codes.shape[1], classes))
        bias = np.full(classes, -np.inf)
        pair = len(present) == 2
        weights[:, present[-1:] if pair else present] = model.coef_.T
        bias[present] = 0.0
        bias[present[-1:] if pair else present] = model.intercept_
        yield weights, bias


def _ridges(train: Labelled, _: int, strengths: Sequence[float]) -> Iterator[Solution]:
    codes = train.codes.astype(np.float64)
    for strength in strengths:
        model = Ridge(alpha=strength * len(train)).fit(codes, train.targets)
        yield model.coef_.reshape(-1, 1), np.atleast_1d(model.intercept_)


def _surprise(raw: Array, targets: NDArray[np.float32]) -> float:
    """Mean negative log probability of the true class, classes weighing alike."""
    truth = targets.astype(int)
    costs = -np.log(np.maximum(softmax(raw)[np.arange(len(truth)), truth], LEAST_SHARE))
    return float(np.mean([costs[truth == c].mean() for c in np.unique(truth)]))


def _squared(raw: Array, targets: NDArray[np.float32]) -> float:
    return float(((raw[:, 0] - targets) ** 2).mean())


def _folds(kind: Kind, train: Labelled, seed: int) -> Iterator[tuple[Labelled, Labelled]]:
    """Pairs of fitted and judged tiles that share no group; none where a class has a single group."""
    counts = [len(np.unique(train.groups))]
    if kind != "regression":
        counts += [len(np.unique(train.groups[train.targets == c])) for c in np.unique(train.targets)]
    folds = min(FOLDS, *counts)
    if folds < 2:
        return
    if kind == "regression":
        splitter = GroupKFold(folds)
    else:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for fitted, judged in splitter.split(train.codes, train.targets, train.groups):
        if kind == "regression" or len(np.unique(train.targets[fitted])) > 1:
            yield train.rows(fitted), train.rows(judged)
