"""The bricks of the page: cards, rows of cards, tables, numbers and intervals as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from histopress.metrics.results import number

Cell = Sequence[str]
"""Text of a head cell, or its CSS class and text."""


def card(title: str, content: str, words: str = "") -> str:
    """A frame, with a title unless the section's own is enough; words stand below the content."""
    head = f"<h4>{escape(title)}</h4>" if title else ""
    below = f"<p>{escape(words)}</p>" if words else ""
    return f'<div class="card">{head}{content}{below}</div>'


def beside(left: str, right: str, style: str = "") -> str:
    """Two parts of a card, side by side where the page is wide."""
    return f'<div class="beside{f" {style}" if style else ""}">{left}<div>{right}</div></div>'


def row(cards: Iterable[str], style: str = "row") -> str:
    """Cards side by side, or one below the other on narrow pages."""
    return f'<div class="{style}">{"".join(cards)}</div>'


def table(head: Sequence[Cell], rows: Sequence[str], style: str = "") -> str:
    """A table that scrolls sideways where the page is narrow.

    Args:
        head: names of the columns.
        rows: <tr> elements.
        style: CSS class.
    """
    cells = "".join(
        f"<th>{escape(h)}</th>" if isinstance(h, str) else f'<th class="{h[0]}">{escape(h[1])}</th>'
        for h in head
    )
    named = f' class="{style}"' if style else ""
    return (
        f'<div class="scroll"><table{named}><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def line(name: str, cells: Iterable[str], below: str = "", style: str = "") -> str:
    """A table row: a head with a soft line below it, then cells of finished HTML."""
    soft = f'<span class="soft">{escape(below)}</span>' if below else ""
    named = f' class="{style}"' if style else ""
    return f"<tr{named}><th>{escape(name)}{soft}</th>{''.join(cells)}</tr>"


def cell(text: str, soft: str = "") -> str:
    """A cell of text."""
    below = f'<span class="soft">{escape(soft)}</span>' if soft else ""
    return f"<td>{escape(text)}{below}</td>"


def figure(text: str, soft: str = "") -> str:
    """A cell of a number, set to the right."""
    below = f'<span class="soft">{escape(soft)}</span>' if soft else ""
    return f'<td class="n">{escape(text)}{below}</td>'


def limits(low: float, high: float) -> str:
    """An interval as text."""
    return f"[{number(low)}, {number(high)}]" if math.isfinite(low) and math.isfinite(high) else "unknown"


def p_text(p: float) -> str:
    """A p value with as many digits as it deserves."""
    if not math.isfinite(p):
        return "undefined"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_sign(p: float) -> str:
    """A p value as "p = 0.03" or "p < 0.001"."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of text."""
    named = f' class="{style}"' if style else ""
    return f"<p{named}>{escape(text)}</p>"
