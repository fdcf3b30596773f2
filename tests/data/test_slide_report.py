"""Every file is described, good or bad, and nothing escapes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from histopress.core.geometry import Size, Spacing
from histopress.data import slide_report as module
from histopress.data.slide_report import SlideReport, describe
from histopress.data.write_slide import write_slide


def written(path: Path, width: int = 700, height: int = 500) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    write_slide(path, Size(width, height), Spacing(0.25, 0.3), pixels)
    return path


def test_a_good_slide_is_described(tmp_path: Path) -> None:
    report = describe(written(tmp_path / "a.tif"))
    assert report.sound
    assert report.size == Size(700, 500)
    assert report.spacing == Spacing(0.25, 0.3)
    assert report.size_mm == pytest.approx((0.15, 0.175))
    assert len(report.levels) == 3
    text = report.as_text()
    for part in ("generic-tiff", "0.175 x 0.15 mm", "0.25 x 0.3 um/px", "level 2", "nothing wrong"):
        assert part in text


def test_the_report_is_plain_enough_for_json(tmp_path: Path) -> None:
    values = json.loads(json.dumps(describe(written(tmp_path / "a.tif")).as_dict()))
    assert values["size"] == {"width": 700, "height": 500}
    assert values["spacing"] == {"x": 0.25, "y": 0.3}
    assert values["problems"] == []


def test_the_real_slides_are_described(shared_data: Path) -> None:
    report = describe(shared_data / "wsi" / "cmu-1-small-region.svs")
    assert report.sound
    assert report.spacing == Spacing(0.499, 0.499)
    assert {a.name: a.size for a in report.associated}["label"] == Size(387, 463)
    assert "20x as stated, not used" in report.as_text()
    assert "read by histopress" in report.as_text()
    report = describe(shared_data / "wsi" / "tcga-cr-7395-01a-01-ts1.svs")
    assert report.icc_profile_bytes == 3144
    assert len(report.problems) == 1
    assert "--spacing" in report.problems[0]
    assert describe(shared_data / "wsi" / "tcga-cr-7395-01a-01-ts1.svs", spacing=0.25).sound


REASONS = {
    "boxes.tiff": "352.8 um/px, expected 0.05 to 5.0 um/px",
    "boxes_0.dcm": "16 x 16 px = 7.98 x 7.98 um, smaller than one tile",
    "broken.svs": "no known format",
    "cmu_truncated_head.svs": "its directory of images should lie at byte 1,275,950",
    "unopenable.tiff": "Unsupported TIFF compression: 52479",
    "unreadable.svs": "places tried on level 0 are damaged",
}


@pytest.mark.parametrize("name", REASONS)
def test_every_bad_file_has_its_own_reason(shared_data: Path, name: str) -> None:
    path = shared_data / "wsi" / "bad" / name
    first = describe(path).problems[0]
    assert REASONS[name] in first
    assert [other for other, reason in REASONS.items() if reason in first] == [name]
    assert str(path) not in first


def test_an_incomplete_dicom_series_gets_its_own_advice(shared_data: Path) -> None:
    assert "all .dcm files" in describe(shared_data / "wsi" / "bad" / "boxes_0.dcm").problems[0]


@pytest.mark.parametrize("name", ["missing.svs", ".", "empty.svs"])
def test_what_is_no_file_is_described_too(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.svs").touch()
    report = describe(tmp_path / name)
    assert len(report.problems) == 1
    assert report.size is None
    assert report.as_text().startswith(f"{tmp_path / name}\n  PROBLEM")


def test_pixels_cut_off_at_the_end_are_noticed(tmp_path: Path) -> None:
    """As far as the directory comes first: level 0 is written last here."""
    path = tmp_path / "a.tif"
    data = written(path).read_bytes()
    with tifffile.TiffFile(path) as tiff:
        end = tiff.pages.first.dataoffsets[0]
        directory = tiff.pages.first.offset
    moved = bytearray(data + data[end:directory])
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags["TileOffsets"]
        shift = len(data) - end
        offsets = np.array(tag.value, np.uint32) + shift
        moved[tag.valueoffset : tag.valueoffset + 4 * len(offsets)] = offsets.tobytes()
    path.write_bytes(moved)
    assert describe(path).sound
    path.write_bytes(moved[:-5000])
    report = describe(path)
    assert (
        f"cut off: it has {len(moved) - 5000:,} bytes, but its pixels should reach to byte {len(moved):,}"
        in (report.problems[0])
    )


def test_one_damaged_place_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.dataoffsets[4]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\0" * 2000)
    report = describe(path)
    assert not report.sound
    assert "places tried on level 0 are damaged" in report.problems[0]
    assert report.spacing == Spacing(0.25, 0.3)


def test_a_given_spacing_that_overrides_is_noted(tmp_path: Path) -> None:
    report = describe(written(tmp_path / "a.tif"), spacing=0.5)
    assert report.sound
    assert report.spacing == Spacing(0.5, 0.5)
    assert report.spacing_source == "as given"
    assert "the file states 0.25 x 0.3 um/px" in report.notes[0]


def test_a_picture_is_described_with_what_was_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.new("L", (300, 200), 90).save(tmp_path / "a.jpg", exif=exif, dpi=(96, 96))
    report = describe(tmp_path / "a.jpg", spacing=0.5)
    assert report.sound
    assert "EXIF orientation: 3, not applied" in report.notes
    assert any("96 x 96 dpi" in note for note in report.notes)


def test_nothing_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path, spacing: float | None) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(module, "open_slide", broken)
    assert describe(tmp_path).problems == (
        "an unexpected ZeroDivisionError: a bug; please report it, with the file if you can",
    )


def test_random_damage_never_raises(tmp_path: Path) -> None:
    data = written(tmp_path / "a.tif").read_bytes()
    random = np.random.default_rng(8)
    for number in range(25):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), 40):
            damaged[place] = int(random.integers(0, 256))
        for place in random.integers(len(data) - 400, len(data), 3):
            damaged[place] = int(random.integers(0, 256))
        path = tmp_path / f"{number}.tif"
        path.write_bytes(damaged[: int(random.integers(1, len(data)))] if number % 2 else damaged)
        assert isinstance(describe(path), SlideReport)
