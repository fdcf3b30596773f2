from __future__ import annotations

import numpy as np
import pytest

from histopress.core.errors import PatchError
from histopress.data.patch_task import Kind
from histopress.metrics.labelled_codes import Labelled, Scale
from histopress.metrics.probe_measures import Answered, measures
from histopress.metrics.probe_scores import score
from histopress.metrics.probes import STRENGTHS, fit_probe
from histopress.metrics.results import Sureness

SURE = Sureness(200, 0, 0.95)
GROUP = 5


def codes_of(rng: np.random.Generator, tiles: int, dim: int = 12) -> np.ndarray:
    return rng.normal(3.0, 2.0, (tiles, dim)).astype(np.float32)


def labelled(codes: np.ndarray, targets: np.ndarray, name: str = "") -> Labelled:
    groups = np.array([f"{name}{i // GROUP}" for i in range(len(codes))])
    return Labelled(codes, targets.astype(np.float32), groups)


def none(like: Labelled) -> Labelled:
    return like.rows(np.zeros(0, np.int64))


def planted(kind: Kind, seed: int, tiles: int = 300) -> Labelled:
    """Labels that are read off three dimensions, with a little noise."""
    rng = np.random.default_rng(seed)
    codes = codes_of(rng, tiles)
    signal = codes[:, :3] @ np.array([[1, 0, 0.5], [0, 1, -0.5], [0.3, 0.2, 1]]) + rng.normal(
        0, 0.3, (tiles, 3)
    )
    if kind == "regression":
        return labelled(codes, signal[:, 0])
    if kind == "multilabel":
        return labelled(codes, signal > np.median(signal, axis=0))
    if kind == "multiclass":
        return labelled(codes, (signal - signal.mean(axis=0)).argmax(axis=1))
    edges = [0.5] if kind == "binary" else [0.25, 0.5, 0.75]
    return labelled(codes, np.digitize(signal[:, 0], np.quantile(signal[:, 0], edges)))


CLASSES: dict[Kind, int] = {"binary": 2, "multiclass": 3, "ordinal": 4, "regression": 0, "multilabel": 3}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("tuned", [True, False])
def test_a_planted_linear_signal_is_found(kind: Kind, tuned: bool) -> None:
    train, tuning, test = (planted(kind, seed) for seed in (1, 2, 3))
    probe = fit_probe(kind, CLASSES[kind], train, tuning if tuned else none(train))
    answers = probe.answers(test.codes)
    assert answers.shape == (len(test), CLASSES[kind] or 1)
    assert set(probe.strengths) <= set(STRENGTHS)
    found = score(Answered(kind, test.targets.astype(float), answers, test.groups), "tile", SURE)[0]
    assert found.point > 0.85
    assert found.low <= found.point <= found.high
    assert found.low > found.guess + 0.2


def test_shuffled_labels_give_chance() -> None:
    held = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        train, test = (labelled(codes_of(rng, 200), rng.integers(0, 2, 200)) for _ in range(2))
        answers = fit_probe("binary", 2, train, none(train), seed).answers(test.codes)
        found = score(Answered("binary", test.targets.astype(float), answers, test.groups), "tile", SURE)[0]
        held += found.low <= 0.5 <= found.high
    assert held >= 8


def test_probabilities_are_those_of_sklearn() -> None:
    from sklearn.linear_model import LogisticRegression

    train, test = planted("multiclass", 1), planted("multiclass", 2)
    probe = fit_probe("multiclass", 3, train, none(train))
    scale = Scale.of(train.codes)
    model = LogisticRegression(
        C=1 / (probe.strengths[0] * len(train)), class_weight="balanced", max_iter=2000, tol=1e-8
    )
    model.fit(scale(train.codes).astype(float), train.targets)
    expected = model.predict_proba(scale(test.codes).astype(float))
    np.testing.assert_allclose(probe.answers(test.codes), expected, atol=0.01)


def test_a_class_that_training_lacks_is_never_called() -> None:
    train = planted("multiclass", 1)
    train = train.rows(train.targets != 1)
    answers = fit_probe("multiclass", 3, train, none(train)).answers(planted("multiclass", 2).codes)
    assert (answers[:, 1] == 0).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1)


def test_dimensions_that_never_vary_change_nothing() -> None:
    train, test = planted("binary", 1), planted("binary", 2)
    wide = [
        Labelled(
            np.concatenate([part.codes, np.full((len(part), 2), 7.3, np.float32)], 1),
            part.targets,
            part.groups,
        )
        for part in (train, test)
    ]
    expected = fit_probe("binary", 2, train, none(train)).answers(test.codes)
    got = fit_probe("binary", 2, wide[0], none(wide[0])).answers(wide[1].codes)
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_the_tuning_part_chooses_and_is_not_fitted() -> None:
    """Tuning labels turned round ask for the strongest penalty, but the probe still follows training."""
    train, tuning = planted("binary", 1), planted("binary", 2)
    turned = Labelled(tuning.codes, 1 - tuning.targets, tuning.groups)
    straight, odd = (fit_probe("binary", 2, train, part) for part in (tuning, turned))
    assert straight.strengths[0] < odd.strengths[0] == STRENGTHS[0]
    assert np.corrcoef(straight.answers(tuning.codes)[:, 1], odd.answers(tuning.codes)[:, 1])[0, 1] > 0.8


def test_a_tuning_part_that_lacks_a_class_is_not_trusted() -> None:
    train, tuning = planted("binary", 1), planted("binary", 2)
    partial = tuning.rows(tuning.targets == 1)
    assert (
        fit_probe("binary", 2, train, partial).strengths
        == fit_probe("binary", 2, train, none(train)).strengths
    )


def test_equal_inputs_give_equal_bits() -> None:
    train, test = planted("multiclass", 1), planted("multiclass", 2)
    one, two = (fit_probe("multiclass", 3, train, none(train)).answers(test.codes) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_multilabel_takes_missing_and_constant_classes() -> None:
    train, test = planted("multilabel", 1), planted("multilabel", 2)
    train.targets[::3, 0] = np.nan
    train.targets[:, 1] = 1
    answers = fit_probe("multilabel", 3, train, none(train)).answers(test.codes)
    assert (answers[:, 1] == 0.5).all()
    told = Answered("multilabel", test.targets[:, [0, 2]].astype(float), answers[:, [0, 2]], test.groups)
    assert measures("multilabel")[0].score(told, None)[0] > 0.9


def test_a_training_part_of_one_class_is_an_error() -> None:
    train = planted("binary", 1)
    with pytest.raises(PatchError, match="1 classes, a probe needs at least 2"):
        fit_probe("binary", 2, train.rows(train.targets == 1), none(train))


def test_a_class_with_one_group_leaves_the_strength_untuned() -> None:
    train = planted("binary", 1)
    groups = np.where(train.targets == 1, "only", train.groups)
    probe = fit_probe("binary", 2, Labelled(train.codes, train.targets, groups), none(train))
    assert probe.strengths == (0.01,)
