from __future__ import annotations

import pytest
import torch

from histopress.core.errors import EncoderError
from histopress.encoders.trunks import TRUNKS, make_trunk


@pytest.mark.parametrize("name", TRUNKS)
def test_trunks_learn_codes_of_the_asked_length(name: str) -> None:
    network = make_trunk(name, 128, 24, seed=0)
    images = torch.rand(2, 3, 128 // network.pixels.shrink, 128 // network.pixels.shrink)
    codes = network.codes(images)
    assert codes.shape == (2, 24) == (2, network.dim)
    codes.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_seeds_draw_weights_and_leave_other_draws_alone() -> None:
    before = torch.get_rng_state()
    first, same, other = (make_trunk("turned-small", 128, 8, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.code.weight, same.code.weight)  # type: ignore[union-attr,arg-type]
    assert not torch.equal(first.code.weight, other.code.weight)  # type: ignore[union-attr,arg-type]


def test_any_network_of_timm() -> None:
    pytest.importorskip("timm")
    network = make_trunk("timm:test_resnet", 64, 128, seed=0)
    assert network.codes(torch.rand(2, 3, 64, 64)).shape == (2, network.dim)


def test_unknown_trunk() -> None:
    with pytest.raises(EncoderError, match="turned-small"):
        make_trunk("resnot", 128, 8, 0)
