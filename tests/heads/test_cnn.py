"""The default network: neighbours matter, and a single cell can decide."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from histopress.core.errors import HeadError
from histopress.heads.cnn import GridCNN, top_over_cells
from histopress.heads.head import Places

GRIDS = [(9, 14), (21, 5), (1, 3), (16, 17)]


def codes(dim: int = 6) -> list[tuple[Tensor, Tensor]]:
    """Grids of several shapes with their masks."""
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(dim, *shape, generator=generator), torch.rand(shape, generator=generator) < 0.7)
        for shape in GRIDS
    ]


def padded(
    grids: list[tuple[Tensor, Tensor]], garbage: float, corner: tuple[int, int] = (0, 0)
) -> tuple[Tensor, Tensor]:
    """As one batch; whatever is no tissue holds garbage."""
    dense = torch.full((len(grids), 6, 40, 33), garbage)
    mask = torch.zeros(len(grids), 40, 33, dtype=torch.bool)
    top, left = corner
    for i, (code, where) in enumerate(grids):
        rows, cols = where.shape
        mask[i, top : top + rows, left : left + cols] = where
        dense[i, :, top : top + rows, left : left + cols] = torch.where(where, code, garbage)
    return dense, mask


@pytest.mark.parametrize("settings", [{}, {"kernel": 5, "topk": 3}, {"kernel": 9, "blocks": 3}])
@pytest.mark.parametrize("garbage", [0.0, -1e6, float("nan")])
@pytest.mark.parametrize("corner", [(0, 0), (19, 3), (5, 16)])
def test_padding_and_other_slides_change_nothing_in_training_too(
    settings: dict[str, int], garbage: float, corner: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    head = GridCNN(6, 2, dropout=0.0, **settings)  # type: ignore[arg-type]
    grids = codes()
    alone = torch.cat([head(code[None], where[None]).logits for code, where in grids])
    together = head(*padded(grids, garbage, corner)).logits
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_a_cell_is_seen_as_far_as_kernels_and_blocks_reach_and_no_further() -> None:
    torch.manual_seed(0)
    mask = torch.ones(1, 30, 35, dtype=torch.bool)
    places = Places.of(mask)
    for kernel, blocks in [(3, 2), (7, 1), (7, 2)]:
        head = GridCNN(3, 1, kernel=kernel, blocks=blocks)
        dense = torch.zeros(1, 3, 30, 35, requires_grad=True)
        seen = places.lay(head.seen(places.take(dense), places))
        seen[0, :, 14, 16].sum().backward()
        assert dense.grad is not None
        rows, cols = (dense.grad[0].abs().sum(dim=0) > 0).nonzero().T
        reach = blocks * (kernel // 2)
        assert (int(rows.min()), int(rows.max())) == (14 - reach, 14 + reach)
        assert (int(cols.min()), int(cols.max())) == (16 - reach, 16 + reach)


def test_slides_side_by_side_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    head = GridCNN(6, 1)
    (one, where), (other, there), *_ = codes()
    dense, mask = torch.zeros(1, 6, 21, 14 + 8 + 5), torch.zeros(1, 21, 14 + 8 + 5, dtype=torch.bool)
    dense[0, :, :9, :14], mask[0, :9, :14] = one, where
    dense[0, :, :, 22:], mask[0, :, 22:] = other, there
    together = Places.of(mask)
    seen = together.lay(head.seen(together.take(dense), together))
    alone = Places.of(there[None])
    torch.testing.assert_close(
        alone.take(seen[..., 22:]), head.seen(alone.take(other[None]), alone), rtol=0, atol=1e-5
    )


def test_the_largest_values_of_every_channel_are_averaged() -> None:
    mask = torch.tensor([[[1, 1, 1], [0, 1, 0]], [[0, 0, 0], [0, 0, 0]], [[0, 1, 0], [0, 0, 0]]]).bool()
    cells = torch.tensor([[1.0, 10], [2, 20], [6, 30], [5, -1], [-3, 4]])
    top = top_over_cells(cells, Places.of(mask), 2)
    torch.testing.assert_close(top, torch.tensor([[5.5, 25.0], [0, 0], [-3, 4]]))
    torch.testing.assert_close(top_over_cells(cells, Places.of(mask), 99)[0], cells[:4].mean(dim=0))


@pytest.mark.parametrize("settings", [{"kernel": 4}, {"kernel": -1}, {"topk": 0}])
def test_settings_without_sense_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(HeadError, match="expected"):
        GridCNN(6, 1, **settings)  # type: ignore[arg-type]


def test_neighbours_matter() -> None:
    torch.manual_seed(0)
    head = GridCNN(4, 1).eval()
    one, other = torch.zeros(1, 4, 9, 12), torch.zeros(1, 4, 9, 12)
    one[0, 0, 4, 4] = one[0, 0, 4, 5] = 9.0
    other[0, 0, 4, 4] = other[0, 0, 4, 9] = 9.0
    mask = torch.ones(1, 9, 12, dtype=torch.bool)
    with torch.no_grad():
        apart = head(one, mask).logits - head(other, mask).logits
    assert float(apart.abs()) > 1e-4


def test_a_single_strong_cell_among_thirty_thousand_can_decide() -> None:
    torch.manual_seed(0)
    head = GridCNN(3, 1, width=8, blocks=1, hidden=4, dropout=0.0)
    mask = torch.ones(2, 200, 150, dtype=torch.bool)
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.02)
    label = torch.tensor([0.0, 1.0])
    for _ in range(25):
        dense = torch.randn(2, 3, 200, 150)
        row, col = int(torch.randint(200, ())), int(torch.randint(150, ()))
        dense[1, :, row, col] = 12.0
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(dense, mask).logits[:, 0], label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unseen = torch.randn(2, 3, 200, 150)
    unseen[1, :, 17, 101] = 12.0
    with torch.no_grad():
        logits = head.eval()(unseen, mask).logits[:, 0]
    assert float(logits[1] - logits[0]) > 2


def test_it_is_small() -> None:
    assert sum(p.numel() for p in GridCNN(128, 1).parameters()) < 20_000


def test_settings_are_obeyed() -> None:
    head = GridCNN(5, 2, width=7, blocks=3, kernel=5, hidden=2, dropout=0.4, topk=4)
    assert [block.neighbours.kernel_size for block in head.blocks] == [(5, 5)] * 3
    assert head.topk == 4
    assert head.dropout.p == 0.4
    assert head(torch.randn(1, 5, 3, 4), torch.ones(1, 3, 4, dtype=torch.bool)).logits.shape == (1, 2)


def scattered_or_clumped(clumped: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sixteen marked cells in every grid: all over it, or in a block of 4 x 4."""
    rows, cols = 16, 20
    dense = torch.randn(len(clumped), 3, rows, cols, generator=generator)
    for grid, together in zip(dense[:, 0], clumped.bool().tolist(), strict=True):
        if together:
            top, left = (int(torch.randint(side - 3, (), generator=generator)) for side in (rows, cols))
            grid[top : top + 4, left : left + 4] += 4
        else:
            grid.view(-1)[torch.randperm(rows * cols, generator=generator)[:16]] += 4
    return dense, torch.ones(len(clumped), rows, cols, dtype=torch.bool)


def test_it_learns_what_lies_together() -> None:
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(1)
    head = GridCNN(3, 1, width=8, hidden=4, dropout=0.0)
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.02)
    label = torch.tensor([0.0, 1.0] * 4)
    for _ in range(60):
        logits = head(*scattered_or_clumped(label, generator)).logits[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    label = torch.tensor([0.0, 1.0] * 30)
    with torch.no_grad():
        told = head.eval()(*scattered_or_clumped(label, generator)).logits[:, 0] > 0
    assert float((told == label.bool()).float().mean()) > 0.85
