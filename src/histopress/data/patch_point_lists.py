"""Lists of labelled points: TUPAC16's rows and columns, MIDOG's JSON, and plain tables."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histopress.core.errors import CohortError, PatchError
from histopress.data.tables import read_text_table

COLUMNS = ("file", "x", "y", "label")
"""Of plain tables; x and y in px, to the right and down."""


@dataclass(frozen=True)
class Point:
    """A labelled point.

    Attributes:
        x: level-0 px.
        y: level-0 px.
        word: what its source calls it.
    """

    x: float
    y: float
    word: str


def read_rows(path: Path, word: str) -> list[Point]:
    """Lines of "row,column", as TUPAC16 has them: the axis that points down comes first.

    Args:
        path: CSV without a header; further columns do not count.
        word: what to call the points.

    Raises:
        PatchError: a line holds something else.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file) if any(cell.strip() for cell in line)]
        return [_point(line[1], line[0], word) for line in lines]
    except (OSError, ValueError, IndexError) as error:
        raise PatchError(
            f"{path}: not lines of row,column ({error}); expected two numbers a line and no header"
        ) from error


def read_midog(path: Path) -> dict[str, list[Point]]:
    """Centres of the boxes of MIDOG's JSON file for every picture that it names, called by their category.

    Boxes are [x1, y1, x2, y2], unlike those of COCO.

    Args:
        path: with "images" (id, file_name) and "annotations" (image_id, category_id, bbox).

    Raises:
        PatchError: it is missing or no such file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        found: dict[str, list[Point]] = {name: [] for name in names.values()}
        for drawn in content["annotations"]:
            found[names[drawn["image_id"]]].append(_centre(drawn))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PatchError(
            f"{path}: not annotations like MIDOG's ({type(error).__name__}: {error}); expected JSON with "
            "images (id, file_name) and annotations (image_id, category_id, bbox = [x1, y1, x2, y2])"
        ) from error
    return found


def _centre(drawn: dict[str, Any]) -> Point:
    left, top, right, bottom = map(float, drawn["bbox"])
    if right < left or bottom < top:
        raise ValueError(f"box {drawn['bbox']} ends before it begins, expected [x1, y1, x2, y2]")
    return _point((left + right) / 2, (top + bottom) / 2, str(drawn["category_id"]))


def read_table(path: Path) -> dict[str, list[Point]]:
    """Points of each file in a table with the columns file, x, y and label.

    Raises:
        PatchError: it is missing or lacks columns, or a coordinate is no number.
    """
    try:
        table = read_text_table(path)
    except CohortError as error:
        raise PatchError(str(error)) from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise PatchError(
            f"{path}: columns {', '.join(map(str, table))}, expected also {', '.join(missing)}; add them"
        )
    found: dict[str, list[Point]] = defaultdict(list)
    for row, (file, x, y, label) in zip(table.index, table[list(COLUMNS)].to_numpy(), strict=True):
        try:
            found[file].append(_point(x, y, label))
        except ValueError as error:
            raise PatchError(f"{path}: row {row}: {error}, expected numbers as x and y; mend it") from error
    return dict(found)


def _point(x: float | str, y: float | str, word: str) -> Point:
    point = Point(float(x), float(y), word)
    if not np.isfinite((point.x, point.y)).all():
        raise ValueError(f"point {x}, {y} is no place")
    return point
