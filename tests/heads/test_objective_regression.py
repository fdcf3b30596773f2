"""Numbers, standardised by the training part."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from histopress.core.errors import HeadError
from histopress.heads.objective_regression import Regression


def ages(*values: object) -> pd.DataFrame:
    return pd.DataFrame({"age": list(values)}, index=[f"p{i}" for i in range(len(values))])


REGRESSION = Regression("age").learned(ages(10.0, 20.0, None, 60.0))


def test_regression_answers_on_the_scale_of_the_label() -> None:
    targets = REGRESSION.targets(ages(10.0, 20.0, 60.0))
    assert float(targets.mean()) == pytest.approx(0, abs=1e-6)
    assert float(targets.std(correction=0)) == pytest.approx(1)
    np.testing.assert_allclose(REGRESSION.scores(targets), [[10], [20], [60]], rtol=1e-5)


def test_huber_minds_outliers_less_than_mse() -> None:
    logits, targets = torch.tensor([[0.5], [10.0]]), torch.zeros(2, 1)
    huber, mse = (Regression("x", loss=kind).losses(logits, targets) for kind in ("huber", "mse"))
    assert huber[0] == mse[0] == pytest.approx(0.25)
    assert huber[1] < mse[1] / 5


def test_truth_and_strata_are_the_numbers() -> None:
    labels = ages(10.0, 0.5, None)
    assert REGRESSION.truth(labels) == ["10", "0.5", ""]
    assert REGRESSION.strata(labels).dtype == np.float64


@pytest.mark.parametrize("values", [[4.0, 4.0], [], [None, 3.0]])
def test_numbers_that_do_not_vary_cannot_be_learned(values: list[float]) -> None:
    with pytest.raises(HeadError, match="does not vary"):
        Regression("age").learned(ages(*values))


@pytest.mark.parametrize("wrong", ["old", float("inf")])
def test_words_are_refused_with_their_patients(wrong: object) -> None:
    with pytest.raises(HeadError, match=r"holds (old|inf) \(patient p1\), expected finite numbers"):
        REGRESSION.targets(ages(1.0, wrong))
