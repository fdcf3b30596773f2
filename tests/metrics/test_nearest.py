from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from histopress.metrics.labelled_codes import Labelled, Scale
from histopress.metrics.nearest import draw_shots, few_shot_answers, nearest_answers


def made(tiles: int, classes: int = 3, seed: int = 0) -> Labelled:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, tiles).astype(np.float32)
    codes = rng.normal(0, 1, (tiles, 7)) + 5
    codes[np.arange(tiles), targets.astype(int)] += 3
    return Labelled(codes.astype(np.float32), targets, np.array([f"g{i // 4}" for i in range(tiles)]))


def test_neighbours_are_those_of_sklearn() -> None:
    train, test = made(150), made(1100, seed=1)
    scale = Scale.of(train.codes)
    model = KNeighborsClassifier(20, metric="cosine", algorithm="brute")
    model.fit(scale(train.codes), train.targets)
    expected = model.predict_proba(scale(test.codes))
    np.testing.assert_allclose(nearest_answers("multiclass", 3, train, test.codes, 20), expected, atol=1e-6)


def test_neighbours_of_numbers_are_averaged() -> None:
    train, test = made(60), made(9, seed=1)
    scale = Scale.of(train.codes)
    model = KNeighborsRegressor(20, metric="cosine", algorithm="brute").fit(scale(train.codes), train.targets)
    got = nearest_answers("regression", 0, train, test.codes, 20)
    np.testing.assert_allclose(got[:, 0], model.predict(scale(test.codes)), rtol=1e-6)


def test_no_more_neighbours_than_the_rarest_class_has() -> None:
    train, test = made(100), made(30, seed=1)
    few = train.rows(np.flatnonzero((train.targets != 2) | (np.cumsum(train.targets == 2) <= 3)))
    answers = nearest_answers("multiclass", 3, few, test.codes, 20)
    np.testing.assert_allclose(answers * 3, np.rint(answers * 3), atol=1e-9)


def test_unknown_labels_of_neighbours_are_left_out() -> None:
    train = made(40)
    targets = np.stack([train.targets == 0, np.full(40, np.nan)], axis=1).astype(np.float32)
    answers = nearest_answers("multilabel", 2, Labelled(train.codes, targets, train.groups), train.codes, 5)
    assert (answers[:, 1] == 0.5).all()
    assert answers[:, 0].max() > 0.5


@pytest.mark.parametrize("shots", [1, 3, 5])
def test_shots_come_from_different_groups_while_there_are_any(shots: int) -> None:
    train, generator = made(60), np.random.default_rng(0)
    there = len(np.unique(train.groups[train.targets == 1]))
    for _ in range(20):
        rows = draw_shots(train, 1, shots, generator)
        assert len(set(rows.tolist())) == shots
        assert (train.targets[rows] == 1).all()
        assert len(np.unique(train.groups[rows])) == min(shots, there)


def test_groups_give_second_tiles_when_all_have_given_one() -> None:
    train = made(60)
    rows = draw_shots(train, 1, int((train.targets == 1).sum()), np.random.default_rng(0))
    assert sorted(rows.tolist()) == np.flatnonzero(train.targets == 1).tolist()


def test_few_shots_find_separate_classes_and_more_shots_find_more() -> None:
    train, test = made(150), made(200, seed=1)
    right = [
        np.mean([
            (answers.argmax(axis=1) == test.targets).mean()
            for answers in few_shot_answers(train, test.codes, 3, shots=shots, draws=20, seed=0)
        ])
        for shots in (1, 20)
    ]  # fmt: skip
    assert 0.5 < right[0] < right[1]
    assert right[1] > 0.85


def test_equal_seeds_draw_equal_shots() -> None:
    train, test = made(60), made(20, seed=1)
    one, two = (list(few_shot_answers(train, test.codes, 3, shots=2, draws=3, seed=5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one[0], one[1])
