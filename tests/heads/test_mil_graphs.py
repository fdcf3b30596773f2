"""Graphs of neighbouring cells, against all pairs written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from histopress.core.errors import HeadError
from histopress.heads.head import Places
from histopress.heads.mil_bag import bags_of
from histopress.heads.mil_graphs import PatchGCNHead, SmoothHead, SmoothTransformerHead, adjacency

DIM = 6
GRAPHS = [SmoothHead, SmoothTransformerHead, PatchGCNHead]


@pytest.mark.parametrize(("neighbours", "reach"), [(4, 1.0), (8, 2**0.5)])
@pytest.mark.parametrize("share", [0.15, 0.6, 1.0])
def test_cells_that_touch_are_joined(neighbours: int, reach: float, share: float) -> None:
    generator = torch.Generator().manual_seed(1)
    mask = torch.rand(1, 8, 11, generator=generator) < share
    places = Places.of(mask)
    bag = bags_of(torch.randn(int(mask.sum()), DIM), places)[0]
    distance = torch.cdist(bag.at.double(), bag.at.double())
    joined = ((distance > 0) & (distance < reach + 1e-6)).float()
    degree = joined.sum(dim=1).clamp(min=1).rsqrt()
    expected = degree[:, None] * joined * degree[None]
    torch.testing.assert_close(adjacency(bag, neighbours).to_dense()[0], expected)


def test_opposite_edges_do_not_touch() -> None:
    mask = torch.zeros(1, 3, 4, dtype=torch.bool)
    mask[0, 0, 3] = mask[0, 1, 0] = True
    bag = bags_of(torch.randn(2, DIM), Places.of(mask))[0]
    assert adjacency(bag, 8).to_dense().sum() == 0


@pytest.mark.parametrize("kind", GRAPHS)
def test_neighbours_matter(kind: Any) -> None:
    torch.manual_seed(0)
    head = kind(DIM, 2).eval()
    cells = torch.randn(6, DIM)
    together, apart = torch.zeros(1, 5, 13, dtype=torch.bool), torch.zeros(1, 5, 13, dtype=torch.bool)
    together[0, 2, :6] = True
    apart[0, 2, ::2][:6] = True
    apart[0, 2, 12] = False
    with torch.no_grad():
        gap = head.answer(cells, Places.of(together)).logits - head.answer(cells, Places.of(apart)).logits
    assert float(gap.abs().max()) > 1e-4


def test_smoothing_without_neighbours_leaves_cells_as_they_are_but_smaller() -> None:
    """As torchmil smooths, lone cells keep the share that is their own."""
    head = SmoothHead(DIM, 1, smoothing=0.25)
    mask = torch.zeros(1, 3, 9, dtype=torch.bool)
    mask[0, 1, ::2] = True
    bag = bags_of(torch.randn(5, DIM), Places.of(mask))[0]
    smooth = head.model.pool.sm(bag.cells[None], adjacency(bag, 8))
    torch.testing.assert_close(smooth[0], 0.75 * bag.cells)


def test_smoothing_nears_its_neighbours() -> None:
    head = SmoothHead(DIM, 1, smoothing=0.9, steps=50)
    bag = bags_of(torch.randn(60, DIM), Places.of(torch.ones(1, 6, 10, dtype=torch.bool)))[0]
    smooth = head.model.pool.sm(bag.cells[None], adjacency(bag, 8))[0]
    graph = adjacency(bag, 8).to_dense()[0]
    expected = torch.linalg.solve(torch.eye(60) - 0.9 * graph, 0.1 * bag.cells)
    torch.testing.assert_close(smooth, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("kind", GRAPHS)
def test_other_neighbourhoods_are_refused(kind: Any) -> None:
    with pytest.raises(HeadError, match="neighbours is 6, expected 4 or 8"):
        kind(DIM, 1, neighbours=6)


@pytest.mark.parametrize("smoothing", [0.0, 1.0, -0.1])
def test_smoothing_out_of_range_is_refused(smoothing: float) -> None:
    with pytest.raises(HeadError, match="between 0 and 1"):
        SmoothHead(DIM, 1, smoothing=smoothing)
