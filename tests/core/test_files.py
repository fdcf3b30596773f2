from __future__ import annotations

from pathlib import Path

import pytest

from histopress.core.files import quick_hash, whole, write_whole


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_whole(path, "old")
    with pytest.raises(OSError, match="disk"), whole(path) as partial:
        partial.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_nothing_is_seen_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "table.csv"
    with whole(path) as partial:
        partial.write_bytes(b"1")
        assert not path.exists()
        assert partial.suffix == ".csv"
    assert path.read_bytes() == b"1"


@pytest.mark.parametrize("at", [0, 5000, 9999])
def test_the_quick_hash_sees_head_middle_and_tail(tmp_path: Path, at: int) -> None:
    content = bytearray(10_000)
    (tmp_path / "a").write_bytes(content)
    content[at] = 1
    (tmp_path / "b").write_bytes(content)
    assert quick_hash(tmp_path / "a", sample=100) != quick_hash(tmp_path / "b", sample=100)


def test_the_quick_hash_sees_the_length(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(1000))
    (tmp_path / "b").write_bytes(bytes(1001))
    assert quick_hash(tmp_path / "a") != quick_hash(tmp_path / "b")
