"""What heads there are, for `histopress heads`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from histopress.heads.catalogue import HEADS, make_head


@dataclass(frozen=True)
class HeadFacts:
    """One head, as it is made without further settings.

    Attributes:
        name: in the catalogue.
        what: it does, in a few words.
        parameters: that are learned.
        takes: grid or bag.
        positions: yes, no, or setting.
        attention: whether it tells how much each cell counted.
        source: the paper.
        library: whose code does the work.
    """

    name: str
    what: str
    parameters: int
    takes: str
    positions: str
    attention: bool
    source: str
    library: str


def head_rows(dim: int = 128, outputs: int = 1) -> list[HeadFacts]:
    """All heads.

    Args:
        dim: length of the codes.
        outputs: logits; 1 for two classes or a number.
    """
    return [
        HeadFacts(
            name=name,
            what=entry.what,
            parameters=_parameters(name, dim, outputs),
            takes=entry.takes,
            positions=entry.positions,
            attention=entry.attention,
            source=entry.source,
            library=entry.library,
        )
        for name, entry in HEADS.items()
    ]


def head_table_text(rows: Sequence[HeadFacts]) -> str:
    """One line a head, for people."""
    titles = ("head", "parameters", "takes", "positions", "attention", "library", "source", "what it is")
    lines = [titles, *(_texts(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _parameters(name: str, dim: int, outputs: int) -> int:
    return sum(p.numel() for p in make_head(name, dim, outputs).parameters() if p.requires_grad)


def _texts(row: HeadFacts) -> tuple[str, ...]:
    attention = "yes" if row.attention else "no"
    count = f"{row.parameters:,}"
    return (row.name, count, row.takes, row.positions, attention, row.library, row.source, row.what)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """Numbers stand to the right, words to the left."""
    cells = (
        text.rjust(width) if i == 1 else text.ljust(width)
        for i, (text, width) in enumerate(zip(line, widths, strict=True))
    )
    return "  ".join(cells).rstrip()
