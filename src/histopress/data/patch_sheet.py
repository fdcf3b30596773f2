"""A contact sheet: a row of tiles for each class, to see with one's own eyes what is to be learnt."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from histopress.data.patches import PatchSet

SHOWN = 96
"""px; side of a tile on the sheet."""

GAP = 4
TEXT = 16
"""px; height of the letters of the names."""

INK = (30, 30, 30)
PAPER = (255, 255, 255)
QUARTERS = 4


def contact_sheet(patches: PatchSet, columns: int) -> bytes:
    """A PNG picture with some tiles of each class, spread over the set, under its name and how many it has.

    Args:
        patches: the set.
        columns: tiles a class.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows = rows_of_classes(patches)
    height = TEXT + 2 * GAP + SHOWN + GAP
    sheet = Image.new("RGB", (GAP + columns * (SHOWN + GAP), len(rows) * height + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    for number, (name, members) in enumerate(rows.items()):
        top = number * height + GAP
        draw.text((GAP, top), f"{name} ({len(members)})", INK, font)
        for column, row in enumerate(_spread(members, columns)):
            tile = Image.fromarray(patches.tiles[row]).resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)
            sheet.paste(tile, (GAP + column * (SHOWN + GAP), top + TEXT + 2 * GAP))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def rows_of_classes(patches: PatchSet) -> dict[str, NDArray[np.int64]]:
    """Name of each class -> indices of its tiles; quarters of the values for regression; "not known" if any.

    A tile of a multilabel set is in every class that it has.
    """
    targets, classes = patches.targets, patches.task.classes
    if patches.task.kind == "multilabel":
        rows = {name: np.flatnonzero(targets[:, index] == 1) for index, name in enumerate(classes)}
        unknown = np.flatnonzero(np.isnan(targets).all(1))
    else:
        rows = _quarters(targets) if patches.task.kind == "regression" else {}
        rows |= {name: np.flatnonzero(targets == index) for index, name in enumerate(classes)}
        unknown = np.flatnonzero(np.isnan(targets))
    return rows | ({"not known": unknown} if len(unknown) else {})


def _quarters(targets: NDArray[np.float32]) -> dict[str, NDArray[np.int64]]:
    order = np.argsort(targets, kind="stable")[: int(np.isfinite(targets).sum())]
    quarters = [quarter for quarter in np.array_split(order, QUARTERS) if len(quarter)]
    return {f"{targets[q[0]]:.4g} to {targets[q[-1]]:.4g}": np.sort(q) for q in quarters}


def _spread(members: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """So many of them, or all, evenly over the whole."""
    return (
        members[np.unique(np.linspace(0, len(members) - 1, count).round().astype(int))]
        if len(members)
        else members
    )
