"""Bytes of slides: the same from a store as from a disk, in few requests."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import CohortError, RemoteError, UnreadableSlideError
from histopress.core.geometry import Size, Spacing
from histopress.core.location import Url
from histopress.data.byte_source import BLOCK, FileBytes, RemoteBytes, RemoteFile, joined, open_file
from histopress.data.cohort import read_cohort
from histopress.data.damage import Damage
from histopress.data.slide import open_slide
from histopress.data.slide_files import find_slides, slide_id
from histopress.data.tiles import lay_lattice
from histopress.data.write_slide import write_slide

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

STORE = Url("memory://test-byte-source")


@pytest.fixture(autouse=True)
def empty_store() -> Iterator[None]:
    yield
    store = fsspec.filesystem("memory")
    if store.exists("/test-byte-source"):
        store.rm("/test-byte-source", recursive=True)


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """Noise, so that its tiles take many bytes."""
    pixels = np.random.default_rng(0).integers(0, 256, (1200, 1900, 3), np.uint8)
    write_slide(tmp_path / "a.ome.tif", Size(1900, 1200), Spacing.square(0.5), pixels)
    (STORE / "a.ome.tif").upload(tmp_path / "a.ome.tif")
    return tmp_path / "a.ome.tif"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of every range that a store is asked for."""
    found: list[int] = []
    read = Url.read

    def counted(self: Url, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        found.extend(count for _, count in ranges)
        return read(self, ranges)

    monkeypatch.setattr(Url, "read", counted)
    return found


def test_joined_ranges_cover_all_and_stay_apart() -> None:
    random = np.random.default_rng(1)
    for _ in range(200):
        gap, largest = int(random.integers(0, 50)), int(random.integers(1, 300))
        starts, counts = random.integers(0, 1000, 20), random.integers(0, 60, 20)
        ranges = [(int(s), int(c)) for s, c in zip(starts, counts, strict=True)]
        wide = joined(ranges, gap, largest)
        asked = {b for s, c in ranges for b in range(s, s + c)}
        read = {b for s, c in wide for b in range(s, s + c)}
        assert asked <= read
        assert all(any(f <= s and s + c <= f + n for f, n in wide) for s, c in ranges if c)
        assert all(n <= max(largest, 60) for _, n in wide)
        assert wide == sorted(wide)


def test_near_ranges_take_one_request_and_far_ones_several() -> None:
    assert joined([(100, 10), (0, 50), (115, 5)], gap=50, largest=1000) == [(0, 120)]
    assert joined([(0, 50), (101, 10)], gap=50, largest=1000) == [(0, 50), (101, 10)]
    assert joined([(0, 50), (50, 50)], gap=50, largest=99) == [(0, 50), (50, 50)]
    assert joined([(0, 50), (10, 5), (7, 0)], gap=0, largest=1) == [(0, 50)]
    assert joined([], 5, 5) == []


def test_ranges_are_those_of_the_file(slide: Path, requests: list[int]) -> None:
    size = slide.stat().st_size
    random = np.random.default_rng(2)
    ranges = [(int(s), int(min(9000, size - s))) for s in random.integers(0, size, 30)] + [(5, 0)]
    local, remote = FileBytes(slide), RemoteBytes(STORE / slide.name)
    assert remote.read(ranges) == local.read(ranges)
    assert len(requests) < len(ranges)
    local.close()
    for ranges in ([(size - 3, 4)], [(size + 9, 1)]):
        with pytest.raises(UnreadableSlideError, match="cut off: it has"):
            remote.read(ranges)
    remote.close()
    with pytest.raises(UnreadableSlideError, match="was closed"):
        remote.read([(0, 1)])


def test_parsers_see_the_same_file_and_blocks_are_read_once(requests: list[int]) -> None:
    data = np.random.default_rng(3).integers(0, 256, 5 * BLOCK + 77, np.uint8).tobytes()
    (STORE / "x").write(data)
    truth = io.BytesIO(data)
    random = np.random.default_rng(4)
    with open_file(STORE / "x") as file:
        for _ in range(200):
            place, count = int(random.integers(0, len(data) + 9)), int(random.integers(0, 2 * BLOCK))
            whence = int(random.integers(0, 3))
            offset = place - (0, truth.tell(), len(data))[whence]
            assert file.seek(offset, whence) == truth.seek(offset, whence)
            assert file.read(count) == truth.read(count)
        assert file.seek(0) == 0
        assert file.read() == data
    assert len(requests) == 6
    assert RemoteFile(STORE / "x").readinto(bytearray(10)) == 10


def test_opening_a_slide_takes_few_requests(slide: Path, requests: list[int]) -> None:
    with open_slide(STORE / slide.name) as remote, open_slide(slide) as local:
        assert len(requests) <= 2 + 2 * len(remote.levels)
        assert remote.size == local.size
        assert remote.spacing == local.spacing
        assert remote.facts == local.facts


@pytest.mark.parametrize("pixels", ["exact", "scaled"])
def test_pixels_are_those_of_the_file(slide: Path, pixels: str) -> None:
    cells = np.array([[0, 0], [0, 4], [3, 2]], np.int32)
    tiles = []
    for place in (slide, str(STORE / slide.name)):
        with open_slide(place, pixels=pixels) as opened:
            lattice = lay_lattice(opened, 1.0, 96, 0.02)
            tiles.append(opened.cell_reader(lattice, cells, 1 << 20).read(0, 3, Damage("fail")))
    assert np.array_equal(*tiles)


def test_what_only_openslide_reads_is_told(slide: Path) -> None:
    (STORE / "b.svs").write(b"no slide at all")
    with pytest.raises(UnreadableSlideError, match=r"not a TIFF.*; copy it to a disk, or mount the store"):
        open_slide(STORE / "b.svs")
    with pytest.raises(UnreadableSlideError, match="OpenSlide reads from disks only"):
        open_slide(STORE / slide.name, reader="openslide")
    with pytest.raises(RemoteError, match="there is no such file"):
        open_slide("memory://test-byte-source/gone.svs")


def test_a_store_that_fails_midway_is_no_damage(slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is down must never look like a damaged slide, whose cells would be left out."""
    with open_slide(STORE / slide.name) as opened:
        lattice = lay_lattice(opened, 0.5, 128, 0.02)
        reader = opened.cell_reader(lattice, np.array([[1, 1]], np.int32), 1 << 20)

        def down(*_: object) -> None:
            raise RemoteError("down")

        monkeypatch.setattr(Url, "read", down)
        with pytest.raises(RemoteError, match="down"):
            reader.read(0, 1, Damage("skip"))


def test_a_folder_lists_its_slides(slide: Path) -> None:
    for name in ("c.svs", "notes.txt", ".hidden.svs", "b.mask.png", "deep/d.svs"):
        (STORE / name).write(b"x")
    assert find_slides([STORE]) == [STORE / "a.ome.tif", STORE / "c.svs"]
    assert [slide_id(url) for url in find_slides([STORE])] == ["a", "c"]
    with pytest.raises(CohortError, match="would both be named 'a'"):
        find_slides([slide, STORE / slide.name])


def test_cohorts_may_name_addresses(tmp_path: Path) -> None:
    table = tmp_path / "cohort.csv"
    table.write_text("patient,path\n1,s3://bucket/x/a.svs\n2,b.svs\n")
    found = read_cohort(table).table
    assert found["path"].tolist() == ["s3://bucket/x/a.svs", str(tmp_path / "b.svs")]
    assert found["slide"].tolist() == ["a", "b"]
