"""The partial likelihood against torchsurv, lifelines and scikit-survival."""

from __future__ import annotations

import math
import warnings
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch

from histopress.core.errors import HeadError
from histopress.heads.objective_cox import Cox, Ties, breslow, cox_terms

TIES: list[Ties] = ["efron", "breslow"]


def followed(
    cases: int = 90, *, ties: bool = True, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes (cases, 2), times and events of which the codes tell something."""
    random = np.random.default_rng(seed)
    codes = random.normal(size=(cases, 2))
    times = random.exponential(8 * np.exp(-codes @ [0.9, -0.5])) + 0.05
    ends = random.uniform(1, 25, size=cases)
    events = times <= ends
    seen = np.minimum(times, ends)
    seen = np.ceil(seen) if ties else seen
    return torch.tensor(codes).float(), torch.tensor(seen).float(), torch.tensor(events)


@pytest.fixture(scope="module")
def torchsurv() -> ModuleType:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
        return pytest.importorskip("torchsurv.loss.cox")


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.filterwarnings("ignore:Ties in `time` detected")
def test_the_terms_sum_up_to_the_loss_of_torchsurv(torchsurv: ModuleType, ties: Ties, tied: bool) -> None:
    _, times, events = followed(ties=tied)
    log_hazards = torch.randn(len(times), generator=torch.Generator().manual_seed(1)).requires_grad_()
    ours = cox_terms(log_hazards, times, events, ties).sum()
    theirs = torchsurv.neg_partial_log_likelihood(log_hazards, events, times, ties, reduction="sum")
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)
    (mine,) = torch.autograd.grad(ours, log_hazards)
    (other,) = torch.autograd.grad(theirs, log_hazards)
    torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_the_baseline_is_that_of_torchsurv(torchsurv: ModuleType) -> None:
    _, times, events = followed()
    log_hazards = torch.randn(len(times), generator=torch.Generator().manual_seed(1))
    theirs = torchsurv.baseline_survival_function(log_hazards, events, times)
    ours = torch.exp(-breslow(log_hazards, times, events, theirs["time"]))
    torch.testing.assert_close(ours, theirs["baseline_survival"], rtol=1e-4, atol=1e-5)


def test_a_linear_head_finds_the_coefficients_and_curves_of_lifelines() -> None:
    lifelines = pytest.importorskip("lifelines")
    codes, times, events = followed(200)
    frame = pd.DataFrame({"a": codes[:, 0], "b": codes[:, 1], "time": times, "event": events})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = lifelines.CoxPHFitter().fit(frame, "time", "event")
    labels = pd.DataFrame({"time": times.numpy(), "event": events.numpy().astype(int)})
    objective = Cox("os", time="time", event="event", at=(2.0, 6.0, 15.0)).learned(labels)
    head = torch.nn.Linear(2, 1, bias=False).double()
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=60, line_search_fn="strong_wolfe")
    targets = objective.targets(labels)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = objective.losses(head(codes.double()), targets).mean()
        loss.backward()
        return loss.detach()

    optimizer.step(closure)
    np.testing.assert_allclose(head.weight.detach()[0], fitter.params_, atol=2e-3)
    terms = cox_terms(head(codes.double())[:, 0].detach(), times, events)
    assert float(-terms.sum()) == pytest.approx(fitter.log_likelihood_, rel=1e-5)
    settled = objective.settled(head(codes.double()).detach(), targets)
    values = settled.scores(head(codes.double()))
    curves = fitter.predict_survival_function(frame, times=list(objective.at)).to_numpy().T
    np.testing.assert_allclose(values[:, 1:], curves, atol=5e-3)
    np.testing.assert_allclose(values[:, 0], np.log(fitter.predict_partial_hazard(frame)), atol=1e-2)


@pytest.mark.parametrize("ties", TIES)
def test_a_linear_head_finds_the_coefficients_of_scikit_survival(ties: Ties) -> None:
    linear_model = pytest.importorskip("sksurv.linear_model")
    codes, times, events = followed(150, seed=4)
    outcome = np.array(
        list(zip(events.tolist(), times.tolist(), strict=True)), dtype=[("e", bool), ("t", float)]
    )
    fitted = linear_model.CoxPHSurvivalAnalysis(ties=ties).fit(codes.double().numpy(), outcome)
    weights = torch.tensor(fitted.coef_, requires_grad=True)
    cox_terms(codes.double() @ weights, times, events, ties).sum().backward()
    assert weights.grad is not None
    np.testing.assert_allclose(weights.grad, 0, atol=1e-3)


@pytest.mark.parametrize("ties", TIES)
def test_a_constant_changes_nothing(ties: Ties) -> None:
    _, times, events = followed()
    log_hazards = torch.randn(len(times))
    shifted = cox_terms(log_hazards + 7.5, times, events, ties)
    torch.testing.assert_close(shifted, cox_terms(log_hazards, times, events, ties), rtol=1e-4, atol=1e-5)
    objective = Cox("os", at=(4.0, 9.0))
    targets = torch.stack([times, events.float()], dim=1)
    plain, moved = (
        objective.settled(x[:, None], targets).scores(x[:, None]) for x in (log_hazards, log_hazards + 9)
    )
    np.testing.assert_allclose(plain, moved, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ties", TIES)
def test_censored_cases_add_no_term_but_are_compared_with(ties: Ties) -> None:
    times, events = torch.tensor([3.0, 5.0, 9.0]), torch.tensor([False, True, False])
    log_hazards = torch.tensor([0.4, -0.2, 1.1])
    terms = cox_terms(log_hazards, times, events, ties)
    assert terms[[0, 2]].tolist() == [0.0, 0.0]
    assert float(terms[1]) == pytest.approx(math.log(math.exp(-0.2) + math.exp(1.1)) + 0.2)
    assert cox_terms(log_hazards, times, torch.tensor([False] * 3), ties).tolist() == [0, 0, 0]


def test_events_at_one_time_share_their_terms_alike() -> None:
    times, events = torch.tensor([2.0, 2.0, 4.0]), torch.tensor([True, True, False])
    terms = cox_terms(torch.zeros(3), times, events, "efron")
    assert terms.tolist() == pytest.approx([(math.log(3) + math.log(2)) / 2] * 2 + [0])
    assert cox_terms(torch.zeros(3), times, events, "breslow")[:2].tolist() == pytest.approx(
        [math.log(3)] * 2
    )


def test_chances_fall_with_time_and_risk_and_are_unknown_before_training() -> None:
    _, times, events = followed()
    objective = Cox("os", at=(1.0, 4.0, 9.0, 500.0))
    logits = torch.randn(len(times), 1)
    assert objective.values == ("score", "s:1", "s:4", "s:9", "s:500")
    assert np.isnan(objective.scores(logits)[:, 1:]).all()
    settled = objective.settled(logits, torch.stack([times, events.float()], dim=1))
    ordered = settled.scores(torch.tensor([[-900.0], [-1.0], [0.0], [2.0], [900.0]]))
    chances = ordered[:, 1:]
    assert ((chances >= 0) & (chances <= 1)).all()
    assert (np.diff(chances, axis=1) <= 0).all()
    assert (np.diff(chances, axis=0) <= 0).all()
    assert (np.diff(ordered[:, 0]) > 0).all()


@pytest.mark.parametrize("cases", [4, 16, 90])
def test_losses_are_about_one_at_the_start_whatever_the_batch(cases: int) -> None:
    _, times, events = followed(900, ties=False)
    objective = Cox("os", share=float(events.float().mean()))
    targets = torch.stack([times, events.float()], dim=1)
    means = [
        objective.losses(torch.zeros(cases, 1), own).mean()
        for own in targets.split(cases)
        if len(own) == cases
    ]
    assert 0.6 < float(torch.stack(means).mean()) < 1.4


def test_nobody_with_an_event_is_nothing_to_learn_from() -> None:
    labels = pd.DataFrame({"t": [3.0, 4.0], "e": [0, 0]})
    with pytest.raises(HeadError, match="none of 2 patients to train on has an event of os"):
        Cox("os", time="t", event="e").learned(labels)
