"""Bytes that are no slide are called by their name."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from histopress.core.errors import UnreadableSlideError
from histopress.data.damaged_slide import check_file, missing_end, why_unreadable


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\3\4rest", "ZIP archive"),
        (b"<!DOCTYPE html>", "web page"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"\0" * 640, "begins with zeros"),
        (b"\0" * 128 + b"DIXM", "no known format"),
        (b"\0" * 128 + b"DICM", "type VOLUME"),
        (b"hello there", "no known format (first bytes 68 65 6c 6c 6f 20 74 68)"),
    ],
)
def test_files_taken_for_slides_are_called_by_their_name(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.svs").write_bytes(content)
    assert reason in why_unreadable(tmp_path / "a.svs")
    assert missing_end(tmp_path / "a.svs") is None


@pytest.mark.parametrize(
    "head",
    [
        struct.pack("<2sHI", b"II", 42, 5000),
        struct.pack(">2sHI", b"MM", 42, 5000),
        struct.pack("<2sHHHQ", b"II", 43, 8, 0, 5000),
        struct.pack(">2sHHHQ", b"MM", 43, 8, 0, 5000),
    ],
)
def test_a_directory_beyond_the_end_is_noticed_in_every_tiff(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(head.ljust(3000, b"\0"))
    assert "it has 3,000 bytes, but its directory of images should lie at byte 5,000" in (
        missing_end(path) or ""
    )
    assert "5,000" in why_unreadable(path)


def test_a_tiff_without_an_image_is_no_cut_off_one(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8).ljust(3000, b"\0"))
    assert missing_end(path) is None
    assert "no image" in why_unreadable(path)


def test_a_tiff_cut_off_within_its_head_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0\x10")
    assert "cut off" in (missing_end(path) or "")


def test_a_file_with_something_in_it_passes(tmp_path: Path) -> None:
    (tmp_path / "a.svs").write_bytes(b"x")
    check_file(tmp_path / "a.svs")
    with pytest.raises(UnreadableSlideError, match="folder"):
        check_file(tmp_path)
