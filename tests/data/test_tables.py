from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import CohortError
from histopress.data.tables import natural, read_text_table


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_any_separator_and_byte_order_mark_give_the_same_table(
    tmp_path: Path, separator: str, mark: str
) -> None:
    lines = [["patient", "slide", "note"], ["007", "a.svs", 'said "no"'], ["8", "b.svs", ""]]
    text = "\r\n".join(separator.join(f'"{c.replace(chr(34), chr(34) * 2)}"' for c in line) for line in lines)
    path = tmp_path / "table.csv"
    path.write_bytes((mark + text).encode())
    frame = read_text_table(path)
    assert list(frame.columns) == ["patient", "slide", "note"]
    assert frame.to_numpy().tolist() == lines[1:]
    assert frame.index.tolist() == [2, 3]


def test_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('patient,slide\n\np1,"two\nlines"\n,\np2,b\n', encoding="utf-8")
    assert read_text_table(path).index.tolist() == [3, 5]


def test_decimal_commas_in_semicolon_tables_become_points(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("patient;spacing;text\np1;0,25;1,2,3\np2;-1,5e3;a,b\n", encoding="utf-8")
    frame = read_text_table(path)
    assert frame["spacing"].tolist() == ["0.25", "-1.5e3"]
    assert frame["text"].tolist() == ["1,2,3", "a,b"]


def test_parquet_numbers_that_became_floats_are_whole_again(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    frame = pd.DataFrame({"patient": [1.0, 2.0, None], "grade": [0.5, np.nan, 2.0]}, index=[9, 9, 9])
    frame.to_parquet(path)
    text = read_text_table(path)
    assert text["patient"].tolist() == ["1", "2", ""]
    assert text["grade"].tolist() == ["0.5", "", "2"]
    assert text.index.tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("table.csv", b"", "empty"),
        ("table.csv", b"patient,slide\n", "no rows"),
        ("table.csv", "patient,slide\nJürgen,a\n".encode("latin-1"), "UTF-8"),
        ("table.csv", b"patient,slide\np1,a,b\np2\n", "row 2: 3 fields, expected 2"),
        ("table.csv", b"patient,slide,slide\np1,a,b\n", "two columns are named 'slide'"),
        ("table.xlsx", b"PK", "save it as CSV UTF-8"),
        ("table.parquet", b"no parquet", "Parquet"),
    ],
)
def test_broken_files_say_what_is_wrong(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CohortError, match=expected) as raised:
        read_text_table(path)
    assert str(path) in str(raised.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no such file"):
        read_text_table(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "0", "1"], np.array([1, 0, 1])),
        (["1.0", "2"], np.array([1, 2])),
        (["1", "", "2"], np.array([1.0, np.nan, 2.0])),
        (["0.5", "2", "n/a"], np.array([0.5, 2.0, np.nan])),
        (["01", "2"], np.array(["01", "2"], object)),
        (["high", "NA", ""], np.array(["high", "", ""], object)),
        (["0", "0.5"], np.array([0.0, 0.5])),
    ],
)
def test_columns_get_the_type_that_holds_all_their_values(cells: list[str], expected: np.ndarray) -> None:
    found = natural(pd.Series(cells, dtype=str)).to_numpy()
    if expected.dtype == object:
        assert found.tolist() == expected.tolist()
    else:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
