"""Bags: each holds its own cells, and always one."""

from __future__ import annotations

import pytest
import torch

from histopress.core.errors import HeadError
from histopress.heads.head import Places
from histopress.heads.mil_bag import bags_of, check_heads

MASK = torch.tensor(
    [
        [[0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1]],
        [[0, 0, 0, 0]] * 3,
        [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]],
    ],
    dtype=torch.bool,
)
PLACES = Places.of(MASK)
CELLS = torch.arange(10.0).view(5, 2)


def test_a_bag_holds_its_own_cells_where_they_lie_in_their_box() -> None:
    first, _, third = bags_of(CELLS, PLACES)
    assert first.cells.tolist() == CELLS[:3].tolist()
    assert first.at.tolist() == [[0, 1], [1, 0], [1, 2]]
    assert third.at.tolist() == [[0, 0], [2, 3]]


def test_a_grid_without_cells_is_one_average_cell() -> None:
    empty = bags_of(CELLS, PLACES)[1]
    assert empty.cells.tolist() == [[0.0, 0.0]]
    assert empty.places.shape == (1, 1, 1)


def test_its_places_are_those_of_its_box() -> None:
    places = bags_of(CELLS, PLACES)[0].places
    assert places.shape == (1, 2, 3)
    assert places.lay(torch.ones(3, 1))[0, 0].tolist() == [[0, 1, 0], [1, 0, 1]]


def test_widths_that_heads_cannot_share_are_refused() -> None:
    with pytest.raises(HeadError, match="width is 30, expected a multiple of heads, 4"):
        check_heads(30, 4)
