"""Several targets from one head."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from histopress.heads.objectives import Binary, Joint, Regression
from histopress.heads.targets import make_objective, parse_target

PATIENTS = 40
RANDOM = np.random.default_rng(0)
LABELS = pd.DataFrame(
    {
        "er": ["yes", "no", "no", None] * 10,
        "age": RANDOM.normal(60, 9, PATIENTS),
        "time": RANDOM.exponential(9, PATIENTS) + 0.1,
        "dead": [1, 0, 0, 0, 0] * 8,
    },
    index=[f"p{i}" for i in range(PATIENTS)],
)
TEXT = "er:binary,age:regression,os:survival(time=time,event=dead)"


def joint() -> Joint:
    objective = make_objective(parse_target(TEXT), LABELS)
    assert isinstance(objective, Joint)
    return objective.learned(LABELS)


def test_the_loss_is_the_mean_of_those_of_the_targets() -> None:
    objective = joint()
    logits, targets = torch.randn(PATIENTS, 3), objective.targets(LABELS)
    assert targets.shape == (PATIENTS, 4)
    er, age, survival = objective.members
    parts = [
        er.losses(logits[:, :1], targets[:, :1]),
        age.losses(logits[:, 1:2], targets[:, 1:2]),
        survival.losses(logits[:, 2:], targets[:, 2:]),
    ]
    torch.testing.assert_close(objective.losses(logits, targets), sum(parts, torch.zeros(PATIENTS)) / 3)


def test_a_missing_label_silences_its_own_logits_only() -> None:
    objective = joint()
    logits = torch.randn(PATIENTS, 3, requires_grad=True)
    objective.losses(logits, objective.targets(LABELS)).sum().backward()
    assert logits.grad is not None
    missing = LABELS["er"].isna().to_numpy()
    assert (logits.grad[missing, 0] == 0).all()
    assert (logits.grad[:, 1] != 0).all()
    assert (logits.grad[~missing, 0] != 0).all()


def test_values_come_part_by_part() -> None:
    objective = joint().settled(torch.randn(PATIENTS, 3), joint().targets(LABELS))
    assert objective.values[:4] == ("p:no", "p:yes", "score", "score")
    assert objective.values[4].startswith("s:")
    logits = torch.randn(5, 3)
    pieces = objective.apart(objective.scores(logits))
    for part, piece, own in zip(objective.parts, pieces, torch.split(logits, 1, dim=1), strict=True):
        np.testing.assert_array_equal(piece, part.scores(own))
    assert objective.sources == ("er", "age", "time", "dead")
    assert [part.kind for part in objective.parts] == ["binary", "regression", "survival"]


def test_what_is_rare_in_a_part_is_rare() -> None:
    rare = joint().rare(joint().targets(LABELS))
    assert rare is not None
    assert rare.tolist() == (LABELS["dead"] == 1).tolist()
    plain = Joint("a,b", (Binary("er", ("no", "yes")), Regression("age")))
    assert plain.rare(plain.targets(LABELS)) is None


def test_truths_are_listed_for_reading() -> None:
    first, *_, last = joint().truth(LABELS[["er", "age", "time", "dead"]].iloc[[0, 3]])
    assert first.startswith("er=yes; age=")
    assert last.startswith("age=")


def test_strata_spread_the_rarest_class_and_more_where_numbers_allow() -> None:
    labels = pd.DataFrame(
        {"er": ["yes"] * 12 + ["no"] * 68, "b": ["u", "v"] * 40, "c": ["x", "x", "y", "y"] * 20}
    )
    members = (Binary("b", ("u", "v")), Binary("er", ("no", "yes")), Binary("c", ("x", "y")))
    strata = Joint("all", members).strata(labels)
    assert strata[labels["er"] == "yes"].unique().tolist() == ["er yes"]
    others = strata[labels["er"] == "no"].value_counts()
    assert len(others) == 4
    assert others.min() >= 10


@pytest.mark.parametrize("missing", [2, 20])
def test_few_patients_without_a_label_are_no_stratum(missing: int) -> None:
    labels = pd.DataFrame({"a": ["yes", "no"] * 30, "b": [1.5] * 60}).astype({"a": object})
    labels.loc[: missing - 1, "a"] = None
    objective = Joint("a,b", (Binary("a", ("no", "yes")), Regression("b")))
    assert (objective.strata(labels).str.startswith("a ").all()) == (missing < 10)
