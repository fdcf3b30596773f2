"""Answers in numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histopress.studies.end_to_end_result import Answers, judged, write_answers
from histopress.studies.pictures import Part


def answered(labels: list[int], p: list[float]) -> Answers:
    return Answers(np.array(labels), np.stack([1 - np.array(p), np.array(p)], axis=1))


def test_two_classes() -> None:
    found = answered([0, 0, 1, 1, 1], [0.1, 0.6, 0.7, 0.4, 0.9])
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.auroc == pytest.approx(5 / 6)
    assert found.chance == pytest.approx(3 / 5)


def test_three_classes() -> None:
    found = Answers(np.array([0, 1, 2, 2]), np.eye(3)[[0, 1, 2, 0]])
    assert found.accuracy == pytest.approx(3 / 4)
    assert found.auroc == pytest.approx((5 / 6 + 1 + 3 / 4) / 3)


def test_a_network_that_fits_later_than_its_best_look_is_no_failure_of_optimisation() -> None:
    truth = [0, 1] * 50
    guessing, sure = answered(truth, [0.5 - 0.1 * (i % 4 < 2) for i in range(100)]), answered(truth, truth)
    best: dict[Part, Answers] = dict.fromkeys(("train", "tuning", "test"), guessing)
    facts = {"seconds": 1.0, "pictures_seen": 9, "parameters": 3}
    assert judged(best, **facts).outcome == "optimisation failure"  # type: ignore[arg-type]
    last = best | {"train": sure}
    found = judged(best, last, **facts)  # type: ignore[arg-type]
    assert found.outcome == "generalisation failure"
    assert (found.train_accuracy, found.last_train_accuracy) == (0.5, 1.0)
    assert judged(last | {"test": sure}, **facts).outcome == "learned"  # type: ignore[arg-type]


def test_answers_are_kept(tmp_path: Path) -> None:
    write_answers(answered([0, 1], [0.25, 0.5]), tmp_path / "two.parquet")
    table = pd.read_parquet(tmp_path / "two.parquet")
    assert table.to_dict("list") == {"index": [0, 1], "label": [0, 1], "p": [0.25, 0.5]}
    write_answers(Answers(np.array([2]), np.eye(3)[[1]]), tmp_path / "three.parquet")
    assert list(pd.read_parquet(tmp_path / "three.parquet").columns) == ["index", "label", "p0", "p1", "p2"]
