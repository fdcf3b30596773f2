"""Hazards in bins of time, against the likelihood written out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from histopress.heads.objective_hazards import Hazards, share_lived

EDGES = (2.0, 5.0, 9.0)


def plain(at: tuple[float, ...] = (1.0, 5.0, 7.0, 30.0)) -> Hazards:
    return Hazards("os", at=at, edges=EDGES)


def likelihood(chances: np.ndarray, time: float, event: bool) -> float:
    """P(event in its bin), or P(none so far), with a constant hazard within a bin."""
    begins = np.array([0.0, *EDGES[:-1]])
    widths = np.diff([0.0, *EDGES])
    bin_of = min(int(np.searchsorted(EDGES, time)), len(EDGES) - 1)
    before = np.prod(1 - chances[:bin_of])
    if event:
        return float(before * chances[bin_of])
    share = min(1.0, (time - begins[bin_of]) / widths[bin_of])
    return float(before * (1 - chances[bin_of]) ** share)


@pytest.mark.parametrize("event", [True, False])
@pytest.mark.parametrize("time", [0.5, 2.0, 2.1, 5.0, 8.9, 9.0, 44.0])
def test_the_loss_is_the_logarithm_of_the_likelihood(time: float, event: bool) -> None:
    logits = torch.tensor([[0.3, -1.2, 0.8]])
    chances = logits.sigmoid().numpy()[0]
    loss = plain().losses(logits, torch.tensor([[time, float(event)]]))
    assert float(loss) == pytest.approx(-np.log(likelihood(chances, time, event)), rel=1e-4)


def test_censored_cases_carry_no_event_term() -> None:
    logits = torch.zeros(1, 3, requires_grad=True)
    plain().losses(logits, torch.tensor([[4.0, 0.0]])).sum().backward()
    assert logits.grad is not None
    assert (logits.grad[0, :2] > 0).all()
    assert logits.grad[0, 2] == 0


def test_chances_are_those_of_the_likelihood() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    values = plain().scores(logits)
    assert plain().values == ("score", "s:1", "s:5", "s:7", "s:30")
    for row, chances in zip(values, logits.sigmoid().double().numpy(), strict=True):
        told = [likelihood(chances, time, False) for time in plain().at]
        np.testing.assert_allclose(row[1:], told, rtol=1e-5)
    assert (np.diff(values[:, 1:], axis=1) <= 0).all()


def test_the_risk_is_the_share_of_time_that_is_lost() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(2))
    moments = tuple(float(t) for t in np.linspace(0, 9, 4001)[1:])
    values = plain(moments).scores(logits)
    np.testing.assert_allclose(1 - values[:, 1:].mean(axis=1), values[:, 0], atol=1e-3)
    extreme = plain().scores(torch.tensor([[-80.0] * 3, [80.0] * 3, [-2000.0] * 3, [2000.0] * 3]))
    assert np.isfinite(extreme).all()
    np.testing.assert_allclose(extreme[[0, 2], 0], 0, atol=1e-9)


def test_logits_of_zero_stand_for_the_train_part() -> None:
    """No head at all tells the Kaplan-Meier curve, as close as bins allow, at a loss of 1."""
    random = np.random.default_rng(0)
    times, ends = random.exponential(10, size=400), random.exponential(18, size=400)
    labels = pd.DataFrame({"t": np.minimum(times, ends), "e": (times <= ends).astype(int)})
    times, counts = np.unique(labels["t"], return_counts=True)
    at_risk = 400 - np.cumsum(counts) + counts
    curve = np.cumprod(1 - labels.groupby("t")["e"].sum().to_numpy() / at_risk)
    at = (2.0, 5.0, 10.0)
    learned = Hazards("os", time="t", event="e", at=at).learned(labels)
    assert learned.outputs == 8
    assert learned.edges[-1] == pytest.approx(labels["t"].max())
    nothing = torch.zeros(400, 8)
    assert float(learned.losses(nothing, learned.targets(labels)).mean()) == pytest.approx(1, rel=1e-4)
    expected = curve[np.searchsorted(times, at, side="right") - 1]
    np.testing.assert_allclose(learned.scores(nothing)[0, 1:], expected, atol=0.02)


def test_few_times_of_events_make_fewer_bins() -> None:
    labels = pd.DataFrame({"t": [1.0, 1.0, 1.0, 2.0, 6.0], "e": [1, 1, 1, 1, 0]})
    learned = Hazards("os", time="t", event="e").learned(labels)
    assert learned.outputs == len(learned.edges) < 8
    assert np.isfinite(learned.scores(torch.zeros(1, learned.outputs))).all()


def test_shares_of_bins_add_up_to_the_time() -> None:
    edges = torch.tensor(EDGES)
    shares = share_lived(torch.tensor([0.0, 1.0, 5.0, 7.0, 12.0]), edges)
    widths = torch.diff(edges, prepend=torch.zeros(1))
    torch.testing.assert_close(shares @ widths, torch.tensor([0.0, 1.0, 5.0, 7.0, 9.0]))
