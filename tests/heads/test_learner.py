"""The learner: views of a case count by their share, tuning is judged all at once."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from histopress.grids.batches import CellBatch
from histopress.grids.places import Places
from histopress.heads.catalogue import make_head
from histopress.heads.fold import asked_head
from histopress.heads.learner import HeadLearner, mean_over_views
from histopress.heads.targets import make_objective, parse_target
from histopress.heads.train_recipe import TrainRecipe


def batch(cases: list[int], shares: list[float], targets: torch.Tensor, seed: int = 0) -> CellBatch:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.ones(len(cases), 2, 3, dtype=torch.bool)
    return CellBatch(
        features=torch.randn(len(cases) * 6, 5, generator=generator),
        places=Places.of(mask),
        target=targets[cases],
        weight=torch.ones(len(cases)),
        case=torch.tensor(cases),
        share=torch.tensor(shares),
    )


def test_views_are_averaged_by_their_share_case_by_case() -> None:
    made = batch([4, 2, 4], [0.25, 1.0, 0.75], torch.zeros(5, 1))
    means = mean_over_views(torch.tensor([[8.0, 1.0], [3.0, 5.0], [4.0, 3.0]]), made)
    assert means.tolist() == [[3.0, 5.0], [5.0, 2.5]]


def survival() -> tuple[HeadLearner, torch.Tensor]:
    labels = pd.DataFrame(
        {"t": [3.0, 1.0, 7.0, 5.0, 2.0, 8.0], "e": [1, 1, 0, 1, 0, 1]}, index=list("abcdef")
    )
    objective = make_objective(parse_target("os:survival(time=t,event=e)"), labels).learned(labels)
    torch.manual_seed(0)
    return HeadLearner(make_head("mean", 5, objective.outputs), objective), objective.targets(labels)


def test_the_tuning_part_is_judged_at_once_however_it_is_fed() -> None:
    learner, targets = survival()
    learner.eval()
    whole = batch(list(range(6)), [1.0] * 6, targets)
    learner.losses(whole)
    together = learner.judgement()
    for i in range(6):
        one = CellBatch(
            features=whole.features[6 * i : 6 * i + 6],
            places=Places.of(torch.ones(1, 2, 3, dtype=torch.bool)),
            target=whole.target[i : i + 1],
            weight=whole.weight[i : i + 1],
            case=whole.case[i : i + 1],
            share=whole.share[i : i + 1],
        )
        learner.losses(one)
    apart = learner.judgement()
    assert together is not None
    assert apart is not None
    assert apart.tuning == pytest.approx(together.tuning, rel=1e-5)
    assert together.tuning > 0
    assert learner.judgement() is None


def test_what_was_gathered_ends_with_the_epoch() -> None:
    learner, targets = survival()
    learner.eval().losses(batch([0, 1], [1.0, 1.0], targets))
    learner.begin_epoch(1, 2)
    assert learner.judgement() is None


@pytest.mark.parametrize("name", ["dsmil", "dtfd"])
def test_what_a_head_says_beside_its_answer_is_learned_too(name: str) -> None:
    labels = pd.DataFrame({"y": ["no", "yes", "no", "yes"]}, index=list("abcd"))
    objective = make_objective(parse_target("y"), labels).learned(labels)
    torch.manual_seed(0)
    learner = HeadLearner(make_head(name, 5, objective.outputs), objective)
    made = batch([0, 1, 2, 3], [1.0] * 4, objective.targets(labels))
    losses = learner.train().losses(made)
    side = learner.head.side
    assert side is not None
    assert sorted(set(side.element.tolist())) == [0, 1, 2, 3]
    own = objective.losses(side.logits, made.target[side.element])
    means = torch.stack([own[side.element == i].mean() for i in range(4)])
    learner.head.side = None
    torch.manual_seed(0)
    rest = losses - means
    assert (rest > 0).all()
    losses.sum().backward()
    assert all(p.grad is not None for p in learner.head.parameters())
    learner.eval().losses(made)
    assert learner.head.side is None


def test_clam_hears_of_classes_and_of_nothing_else() -> None:
    labels = pd.DataFrame({"y": ["a", "b", "c"] * 2, "n": [1.5, 2.5, 3.5] * 2}, index=list("abcdef"))
    recipe = TrainRecipe(head="clam", dropout=0.1)
    classes = make_objective(parse_target("y:multiclass"), labels)
    numbers = make_objective(parse_target("n:regression"), labels)
    assert asked_head(recipe, classes).settings == {"dropout": 0.1, "classes": 3}
    assert asked_head(recipe, numbers).settings["classes"] == 0
    assert asked_head(TrainRecipe(head="mean"), classes).settings == {"dropout": 0.2}
