"""Places: taking cells out of pictures and laying them back are inverse, and tell where cells lie."""

from __future__ import annotations

import torch

from histopress.grids.places import Places

MASK = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0)) < 0.4
MASK[1] = False


def test_laying_is_the_inverse_of_taking() -> None:
    picture = torch.randn(3, 4, 5, 7)
    places = Places.of(MASK)
    cells = places.take(picture)
    assert cells.shape == (int(MASK.sum()), 4)
    assert torch.equal(places.lay(cells), picture * MASK[:, None])
    assert torch.equal(places.take(places.lay(cells)), cells)


def test_cells_belong_to_their_elements() -> None:
    places = Places.of(MASK)
    assert places.counts == tuple(MASK.flatten(1).sum(dim=1).tolist())
    parts = places.split(places.rows_cols)
    for mask, own in zip(MASK, parts, strict=True):
        assert own.tolist() == mask.nonzero().tolist()


def test_they_move_whole() -> None:
    moved = Places.of(MASK).to("meta")
    assert moved.at.device.type == "meta"
    assert moved.shape == (3, 5, 7)
