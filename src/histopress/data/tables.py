"""Tables that people make, CSV of any common flavour or Parquet, read as text under their row numbers.

pandas is imported where it is needed: a third of a second that verbs without tables need not wait for.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from histopress.core.errors import CohortError
from histopress.core.location import Location

if TYPE_CHECKING:
    import pandas as pd

PARQUET = {".parquet", ".pq"}
TEXT = {".csv", ".tsv", ".txt"}
SEPARATORS = ",;\t"
MISSING = {"", "nan", "na", "n/a", "null", "none", "<na>"}
"""Spellings of "no value", in lower case."""

_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_LEADING_ZERO = re.compile(r"[-+]?0\d")


def is_table(path: Location) -> bool:
    """Whether a path has the name of a table that `read_text_table` reads."""
    return path.suffix.lower() in PARQUET | TEXT


def read_text_table(path: Path) -> pd.DataFrame:
    """Every cell of a table as text, missing values as "".

    The separator (comma, semicolon or tab) is the one that stands most often in the header. In a table
    separated by semicolons, numbers with a decimal comma are given a point.

    Args:
        path: .csv, .tsv or .txt in UTF-8, with or without byte order mark; or .parquet.

    Returns:
        Text columns named as in the file; the index is the row as a spreadsheet counts it (header = 1).

    Raises:
        CohortError: the file is absent, empty, of another type or encoding, or has ragged rows.
    """
    suffix = path.suffix.lower()
    if not is_table(path):
        kinds = ", ".join(sorted(PARQUET | TEXT))
        raise CohortError(
            str(path), [f"file type {suffix or 'without ending'!r}, expected {kinds}; save it as CSV UTF-8"]
        )
    if not path.is_file():
        raise CohortError(str(path), ["there is no such file, expected a table; check the path"])
    frame = _read_parquet(path) if suffix in PARQUET else _read_text(path)
    if frame.empty:
        raise CohortError(str(path), ["no rows, expected one row a slide; fill in the table"])
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise CohortError(str(path), [f"no readable Parquet file ({error}); write it again"]) from error
    frame = frame.reset_index(drop=True)
    columns = {str(name): [_cell(v) for v in frame[name]] for name in frame.columns}
    rows = pd.RangeIndex(2, len(frame) + 2)
    return pd.DataFrame(columns, index=rows, dtype=str)


def _cell(value: Any) -> str:
    """One value as text; whole numbers that became floats beside missing values are whole again."""
    import pandas as pd

    if pd.isna(value):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _read_text(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CohortError(
            str(path), [f"not UTF-8 (byte {error.start}), expected UTF-8; save it as CSV UTF-8"]
        ) from error
    separator = _separator(text)
    lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    filled = {number: cells for number, cells in enumerate(lines, start=1) if any(c.strip() for c in cells)}
    if not filled:
        raise CohortError(str(path), ["the file is empty, expected a header and one row a slide"])
    first = min(filled)
    header = [name.strip() for name in filled.pop(first)]
    _check_shape(path, header, filled)
    cells = [[c.strip() for c in row] for row in filled.values()]
    frame = pd.DataFrame(cells, columns=header, index=list(filled), dtype=str)
    frame = frame.loc[:, [name != "" for name in header]]
    return frame.map(_with_point) if separator == ";" else frame


def _separator(text: str) -> str:
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=header.count)


def _check_shape(path: Path, header: list[str], rows: dict[int, list[str]]) -> None:
    """Every row as long as the header, no name twice."""
    names = [name for name in header if name]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems = [f"two columns are named {name!r}, expected different names; rename one" for name in twice]
    problems += [
        f"row {number}: {len(cells)} fields, expected {len(header)} as in the header; "
        "look for a missing or stray separator or quotation mark"
        for number, cells in rows.items()
        if len(cells) != len(header)
    ]
    if problems:
        raise CohortError(
            str(path), problems[:10] + ([f"... and {len(problems) - 10} more"] * (len(problems) > 10))
        )


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def is_missing(cell: str) -> bool:
    """Whether a cell says "no value"."""
    return cell.strip().lower() in MISSING


def exact_numbers(column: pd.Series[Any]) -> pd.Series[float]:
    """To the last bit, which `pandas.to_numeric` does not promise for text; NaN for what is no number."""
    import pandas as pd

    try:
        return column.astype(np.float64)
    except ValueError:
        return pd.to_numeric(column, errors="coerce").astype(np.float64)


def natural(column: pd.Series[Any]) -> pd.Series[Any]:
    """A text column as whole numbers, numbers or text, whichever holds all its values.

    Numbers with leading zeros (007) are names and stay text. Missing values become NaN in a column of
    numbers and "" in one of text.
    """
    import pandas as pd

    given = np.array([not is_missing(cell) for cell in column], np.bool_)
    values = column[given]
    numbers = exact_numbers(values)
    if values.empty or numbers.isna().any() or any(_LEADING_ZERO.match(cell) for cell in values):
        return pd.Series(np.where(given, column, ""), index=column.index, dtype=str)
    if given.all() and np.isfinite(numbers).all() and (numbers == numbers.round()).all():
        return numbers.astype(np.int64)
    return numbers.astype(np.float64).reindex(column.index)
