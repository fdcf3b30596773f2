"""The published network, by its arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from histopress.core.errors import HeadError
from histopress.grids.standard import Standard
from histopress.heads.published_cnn import PublishedCNN

BLOCK = 9 * 128 + (128 * 128 + 128) + 2 * 128
"""Depthwise without bias, pointwise with, and scale and shift of the batch norm."""


@pytest.fixture(scope="module")
def head() -> PublishedCNN:
    torch.manual_seed(0)
    return PublishedCNN(128, 1).eval()


def test_the_number_of_parameters_is_exact(head: PublishedCNN) -> None:
    expected = 8 * BLOCK + (128 * 128 + 128) + 2 * 128 + (128 + 1)
    assert expected == 160_257
    assert sum(p.numel() for p in head.parameters()) == expected


def test_maps_shrink_as_published(head: PublishedCNN) -> None:
    sizes: list[tuple[int, ...]] = []
    hooks = [c.register_forward_hook(lambda *a: sizes.append(tuple(a[2].shape[1:]))) for c in head.convs]
    mask = torch.zeros(1, 400, 400, dtype=torch.bool)
    mask[0, 100:140, 200:260] = True
    with torch.no_grad():
        logits = head(torch.randn(1, 128, 400, 400), mask).logits
    for hook in hooks:
        hook.remove()
    assert sizes == [(128, n, n) for n in (199, 99, 49, 24, 11, 5, 3, 1)]
    assert logits.shape == (1, 1)


def test_layers_are_as_published(head: PublishedCNN) -> None:
    norms = [m for m in head.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
    assert len(norms) == 9
    assert {(n.momentum, n.eps) for n in norms} == {(0.01, 1e-3)}
    assert {m.negative_slope for m in head.modules() if isinstance(m, nn.LeakyReLU)} == {0.3}
    assert [m.p for m in head.modules() if isinstance(m, nn.Dropout2d)] == [0.2] * 8
    order = [type(m) for m in head.convs[0].after]
    assert order == [nn.BatchNorm2d, nn.LeakyReLU, nn.Dropout2d]
    kernels = [m for m in head.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert {(m.padding, m.groups, m.bias is None) for m in kernels} == {((0, 0), 128, True)}
    assert [m.stride for m in kernels] == [(2, 2)] * 6 + [(1, 1)] * 2


def test_the_penalty_is_on_convolutions_and_their_biases_alone(head: PublishedCNN) -> None:
    assert sum(p.numel() for p in head.decayed()) == 8 * (9 * 128 + 128 * 128 + 128)


def test_what_lies_outside_of_tissue_is_zero_whatever_it_holds(head: PublishedCNN) -> None:
    mask = torch.zeros(1, 400, 400, dtype=torch.bool)
    mask[0, 150:260, 30:200] = True
    dense = torch.randn(1, 128, 400, 400) * mask[:, None]
    with torch.no_grad():
        plain = head(dense, mask).logits
        dirty = head(torch.where(mask[:, None], dense, float("nan")), mask).logits
    assert torch.equal(plain, dirty)


def test_codes_are_taken_as_they_are(head: PublishedCNN) -> None:
    other = PublishedCNN(2, 1)
    other.set_standard(Standard(torch.ones(2).double().numpy(), 2 * torch.ones(2).double().numpy()))
    assert torch.equal(other.centre, torch.zeros(2))
    assert torch.equal(other.spread, torch.ones(2))


def test_other_windows_are_refused(head: PublishedCNN) -> None:
    with pytest.raises(HeadError, match="400"):
        head(torch.zeros(1, 128, 300, 400), torch.zeros(1, 300, 400, dtype=torch.bool))
