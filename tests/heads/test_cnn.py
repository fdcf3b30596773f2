"""The default network: neighbours matter, and a single cell can decide."""

from __future__ import annotations

import torch

from histopress.heads.cnn import GridCNN


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
    head = GridCNN(5, 2, width=7, blocks=3, hidden=2, dropout=0.4)
    assert len(head.blocks) == 3
    assert head.dropout.p == 0.4
    assert head(torch.randn(1, 5, 3, 4), torch.ones(1, 3, 4, dtype=torch.bool)).logits.shape == (1, 2)
