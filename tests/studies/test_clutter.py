"""Stamps from pictures of any kind: alike to digits, and each in one part for ever."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histopress.core.errors import PatchError, RecipeError
from histopress.studies.clutter import read_stamps, scaled, stamp_of
from histopress.studies.pictures import PARTS


def stroke(number: int) -> np.ndarray:
    """Black on white, another one for every number."""
    picture = np.full((21, 15), 255, np.uint8)
    picture[3 + number % 14, 2:13] = 0
    picture[3:17, 2 + number // 14 % 11] = 0
    return picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("strokes")
    for number in range(140):
        path = made / f"letter{number % 2}" / f"{number:03}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(stroke(number)).save(path)
    return made


def test_parts_share_no_picture_and_hold_all_of_them(folder: Path) -> None:
    parts = [read_stamps(folder, part, 14) for part in PARTS]
    sources = [source for part in parts for source in part.sources]
    assert len(sources) == len(set(sources)) == 140
    assert [len(p) for p in parts] == [p.pictures.shape[0] for p in parts]
    assert 95 < len(parts[0]) < 125 and len(parts[1]) > 2 and len(parts[2]) > 8


def test_copies_and_other_names_move_no_picture(folder: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        for name in ("a", "b") if number % 3 else ("b",):
            shutil.copy(path, tmp_path / f"{name}{200 - number}.png")
    for part in PARTS:
        here, there = read_stamps(folder, part, 9), read_stamps(tmp_path, part, 9)
        assert here.sources == there.sources and np.array_equal(here.pictures, there.pictures)


def test_a_pattern_takes_some_and_keeps_their_parts(folder: Path) -> None:
    for part in PARTS:
        everything, some = read_stamps(folder, part, 14), read_stamps(folder, part, 14, "letter1/")
        assert set(some.sources) < set(everything.sources)
        rest = everything.without(some)
        assert len(rest) == len(rest.pictures) == len(everything) - len(some)
        assert not set(rest.sources) & set(some.sources)


def test_a_zip_gives_what_its_folder_gives(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "strokes.zip", "w") as file:
        for path in folder.rglob("*.png"):
            file.write(path, path.relative_to(folder).as_posix())
    here, there = read_stamps(folder, "test", 14), read_stamps(tmp_path / "strokes.zip", "test", 14)
    assert here.sources == there.sources and np.array_equal(here.pictures, there.pictures)


def test_strokes_are_bright_on_black_whatever_they_were() -> None:
    black_on_white = stamp_of(stroke(30), 21)
    assert black_on_white.shape == (21, 21) and black_on_white.max() == 255
    assert (black_on_white[:, :3] == 0).all() and (
        black_on_white[:, 18:] == 0
    ).all()  # the sides it was given
    assert np.array_equal(black_on_white[:, 3:18], 255 - stroke(30))
    faint = 200 - (255 - stroke(30)) // 4  # dark grey on light grey
    for other in (255 - stroke(30), faint, 255 - faint, np.repeat(stroke(30)[:, :, None], 3, axis=2)):
        assert np.array_equal(stamp_of(other, 21), black_on_white)


def test_an_empty_picture_is_black() -> None:
    for grey in (0, 90, 255):
        assert not stamp_of(np.full((7, 5), grey, np.uint8), 4).any()


def test_scaling_takes_means_over_areas() -> None:
    pictures = np.random.default_rng(0).random((3, 12, 8)).astype(np.float32)
    assert np.allclose(scaled(pictures, 4), pictures.reshape(3, 4, 3, 4, 2).mean(axis=(2, 4)), atol=1e-6)
    for side in (5, 7, 20):
        small = scaled(pictures, side)
        assert small.shape == (3, side, side)
        assert np.allclose(small.mean(axis=(1, 2)), pictures.mean(axis=(1, 2)), atol=1e-6)
    ramp = np.arange(6, dtype=np.float32)[None, None].repeat(6, axis=1)
    assert np.allclose(scaled(ramp, 4)[0, 0], [1 / 3, 5 / 3, 10 / 3, 14 / 3], atol=1e-6)


def test_what_cannot_be_used_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="no such folder or zip"):
        read_stamps(tmp_path / "missing", "train", 14)
    with pytest.raises(PatchError, match=r"none of 0 different pictures .*'digit'.* train part"):
        read_stamps(folder, "train", 14, "digit")
    with pytest.raises(RecipeError, match="no regular expression"):
        read_stamps(folder, "train", 14, "(")
    buffer = io.BytesIO()
    Image.fromarray(stroke(1)).save(buffer, "PNG")
    (tmp_path / "half.png").write_bytes(buffer.getvalue()[:60])
    with pytest.raises(PatchError, match="cannot be decoded"):
        read_stamps(tmp_path, "train", 14)


def test_omniglot(shared_data: Path) -> None:
    source = shared_data / "omniglot_clutter" / "images_background_small1.zip"
    sizes = {part: len(read_stamps(source, part, 28, "Greek/")) for part in PARTS}
    assert sum(sizes.values()) == 480 and sizes["train"] > 330 and min(sizes.values()) > 15
    stamps = read_stamps(source, "tuning", 28, "Greek/").pictures
    assert (stamps.max(axis=(1, 2)) == 255).all()
    assert 10 < stamps.mean() < 60  # digits of MNIST: 33
