"""The list of heads is true."""

from __future__ import annotations

import torch

from histopress.heads.catalogue import HEADS, make_head
from histopress.heads.listing import head_rows, head_table_text


def test_every_head_is_listed_with_its_parameters() -> None:
    rows = {row.name: row for row in head_rows(dim=10, outputs=3)}
    assert list(rows) == list(HEADS)
    assert rows["mean"].parameters == 3 * 10 + 3
    assert rows["lse"].parameters == (10 * 32 + 32) + (3 * 32 + 3) + 1
    torch.manual_seed(0)
    for name, row in rows.items():
        learned = [p for p in make_head(name, 10, 3).parameters() if p.requires_grad]
        assert row.parameters == sum(p.numel() for p in learned)


def test_what_takes_a_grid_takes_positions() -> None:
    assert all((entry.takes == "grid") == (entry.positions == "yes") for entry in HEADS.values())


def test_the_table_has_a_line_for_each() -> None:
    rows = head_rows(dim=4)
    lines = head_table_text(rows).splitlines()
    assert [line.split()[0] for line in lines] == ["head", *HEADS]
    start = lines[0].index("what it is")
    assert [line[start:] for line in lines[1:]] == [row.what for row in rows]
