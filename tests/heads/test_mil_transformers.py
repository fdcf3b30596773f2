"""Transformers: where cells lie counts where it should, and only there."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from histopress.core.errors import HeadError
from histopress.heads.head import Head, Places
from histopress.heads.mil_transformers import SinePositions, TransformerHead, TransMILHead

DIM = 6


def pair(apart: bool) -> tuple[Tensor, Places]:
    """Two cells that stand out, side by side or far apart, in the same order among all cells."""
    cells = torch.zeros(9 * 12, DIM)
    cells[40] = 5.0
    cells[47 if apart else 41] = 5.0
    return cells, Places.of(torch.ones(1, 9, 12, dtype=torch.bool))


def difference(head: Head) -> float:
    head.eval()
    with torch.no_grad():
        return float((head.answer(*pair(False)).logits - head.answer(*pair(True)).logits).abs().max())


def test_layout_counts_for_transmil() -> None:
    torch.manual_seed(0)
    assert difference(TransMILHead(DIM, 2)) > 1e-4


def test_layout_counts_for_a_transformer_with_positions_alone() -> None:
    torch.manual_seed(0)
    assert difference(TransformerHead(DIM, 2, positions=True)) > 1e-4
    assert difference(TransformerHead(DIM, 2)) < 1e-5


def test_transmil_sees_where_cells_lie_not_where_they_stand_in_the_list() -> None:
    """A hole in the tissue parts two cells that follow one another in the list."""
    torch.manual_seed(0)
    head = TransMILHead(DIM, 1).eval()
    cells = torch.randn(8, DIM)
    near, far = torch.zeros(1, 3, 20, dtype=torch.bool), torch.zeros(1, 3, 20, dtype=torch.bool)
    near[0, 1, 2:10] = True
    far[0, 1, 2:6] = far[0, 1, 16:20] = True
    with torch.no_grad():
        gap = head.answer(cells, Places.of(near)).logits - head.answer(cells, Places.of(far)).logits
    assert float(gap.abs()) > 1e-5


@pytest.mark.parametrize("count", [1, 5, 50])
def test_as_published_it_is_torchmils_own(count: int) -> None:
    torch.manual_seed(0)
    head = TransMILHead(DIM, 3, positions="sequence").eval()
    cells = torch.randn(count, DIM)
    places = Places.of(torch.ones(1, 1, count, dtype=torch.bool))
    torch.testing.assert_close(head.answer(cells, places).logits, head.model(cells[None]).view(1, 3))


def test_few_cells_attend_to_one_another_alone() -> None:
    """What fills up a short list to the number of landmarks has no weight."""
    torch.manual_seed(0)
    few, many = TransMILHead(DIM, 1, landmarks=8), TransMILHead(DIM, 1, landmarks=64)
    many.load_state_dict(few.state_dict())
    cells, places = torch.randn(7, DIM), Places.of(torch.ones(1, 1, 7, dtype=torch.bool))
    with torch.no_grad():
        gap = few.eval().answer(cells, places).logits - many.eval().answer(cells, places).logits
    assert float(gap.abs()) < 0.02


def test_sines_tell_every_place_and_are_the_same_whatever_else_there_is() -> None:
    at = torch.cartesian_prod(torch.arange(9), torch.arange(14))
    sines = SinePositions(10)
    told = sines(at, torch.zeros(1))
    assert told.shape == (126, 10)
    assert float(torch.cdist(told, told).fill_diagonal_(1).min()) > 1e-2
    torch.testing.assert_close(sines(at[:30], torch.zeros(1)), told[:30])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(HeadError, match="expected a multiple of heads, 3"):
        TransMILHead(DIM, 1, width=16, heads=3)
    with pytest.raises(HeadError, match="expected a multiple of heads, 5"):
        TransformerHead(DIM, 1, width=16, heads=5)
    with pytest.raises(HeadError, match="positions is 'square', expected grid or sequence"):
        TransMILHead(DIM, 1, positions="square")
