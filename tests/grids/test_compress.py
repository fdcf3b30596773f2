"""The laws of compression: nothing lost, nothing half done, nothing computed twice."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from histopress.core.errors import CohortError, EncoderError, GridError
from histopress.encoders.engine import Engine
from histopress.grids import store
from histopress.grids.compress import CompressRecipe, Resources, compress
from histopress.grids.grid import FeatureGrid

MakeSlide = Callable[..., Path]
RANDOM = CompressRecipe(encoder="random:dim=6")


def grids_of(folder: Path) -> dict[str, FeatureGrid]:
    return {p.name.removesuffix(store.SUFFIX): store.read_grid(p) for p in store.find_grids(folder)}


def failures_of(folder: Path) -> dict[str, str]:
    rows = csv.DictReader((folder / "failures.csv").read_text().splitlines())
    return {Path(r["slide"]).name: f"{r['stage']}: {r['reason']}; {r['remedy']}" for r in rows}


def test_slides_become_grids_with_all_that_names_them(tmp_path: Path, make_slide: MakeSlide) -> None:
    paths = [make_slide("a", 1), make_slide("b", 2, rows=5, cols=11)]
    summary = compress(paths, tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    grids = grids_of(tmp_path / "out")
    assert (summary.compressed, summary.skipped, len(summary.failures)) == (2, 0, 0)
    assert {name: g.shape for name, g in grids.items()} == {"a": (6, 9), "b": (5, 11)}
    assert len(grids["a"]) == 4 * 6
    assert len(grids["b"]) == 3 * 8
    assert grids["a"].encoder["name"] == "mean-rgb"
    assert (grids["a"].tissue > 0.9).all()
    stored = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert stored["tiles"] == sum(map(len, grids.values()))
    assert stored["failed"] == 0
    assert (tmp_path / "out" / "encoder" / "card.json").exists()


def test_codes_are_those_of_the_pixels(tmp_path: Path, make_slide: MakeSlide) -> None:
    compress([make_slide("a")], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    grid = grids_of(tmp_path / "out")["a"]
    with Image.open(tmp_path / "slides" / "a.tiff") as picture:
        pixels = np.asarray(picture)
    for code, (row, col) in zip(grid.features, grid.cells, strict=True):
        tile = pixels[row * 128 : row * 128 + 128, col * 128 : col * 128 + 128]
        assert np.allclose(code, tile.mean(axis=(0, 1)) / 255, atol=2e-3)


@pytest.mark.parametrize(
    "turn",
    [np.flipud, np.fliplr, np.rot90, lambda a: np.rot90(a, 2), lambda a: np.rot90(a, 3)],
    ids=["flipud", "fliplr", "quarter", "half", "three quarters"],
)
def test_mean_rgb_commutes_with_turning_the_slide(
    tmp_path: Path, make_slide: MakeSlide, turn: Callable[..., np.ndarray]
) -> None:
    """Turning by whole pixels re-encodes the JPEG, which moves means by far less than a grey level."""
    paths = [make_slide("straight", 5), make_slide("turned", 5, turn=turn)]
    compress(paths, tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    grids = grids_of(tmp_path / "out")
    straight, mask = grids["straight"].dense()
    turned, turned_mask = grids["turned"].dense()
    assert np.array_equal(turn(mask), turned_mask)
    expected = turn(straight.transpose(1, 2, 0)).transpose(2, 0, 1)
    assert np.abs(expected - turned).max() < 0.5 / 255


def test_twice_computes_once(tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [make_slide("a"), make_slide("b", 2)]
    compress(paths, tmp_path / "out", RANDOM)
    before = {p.name: p.stat().st_mtime_ns for p in store.find_grids(tmp_path / "out")}
    monkeypatch.setattr(Engine, "encode", None)
    summary = compress(paths, tmp_path / "out", RANDOM)
    assert (summary.compressed, summary.skipped, len(summary.failures)) == (0, 2, 0)
    assert {p.name: p.stat().st_mtime_ns for p in store.find_grids(tmp_path / "out")} == before


def test_other_settings_never_mix_with_or_replace_what_is_there(
    tmp_path: Path, make_slide: MakeSlide
) -> None:
    path = make_slide("a")
    compress([path], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    before = grids_of(tmp_path / "out")["a"]
    changed = CompressRecipe(encoder="mean-rgb", tissue_share=0.9)
    summary = compress([path], tmp_path / "out", changed)
    assert "tissue_share: 0.25 there, 0.9 asked" in failures_of(tmp_path / "out")["a.tiff"]
    assert len(summary.failures) == 1
    assert grids_of(tmp_path / "out")["a"].identity == before.identity
    compress([path], tmp_path / "out", changed, Resources(overwrite=True))
    assert grids_of(tmp_path / "out")["a"].identity != before.identity


def test_another_encoder_never_takes_the_place_of_the_one_that_made_the_grids(
    tmp_path: Path, make_slide: MakeSlide
) -> None:
    path, output = make_slide("a"), tmp_path / "out"
    compress([path], output, CompressRecipe(encoder="mean-rgb"))
    card = (output / "encoder" / "card.json").read_bytes()
    with pytest.raises(GridError, match="holds grids of encoder mean-rgb"):
        compress([path], output, RANDOM)
    assert (output / "encoder" / "card.json").read_bytes() == card
    compress([path], output, RANDOM, Resources(overwrite=True))
    assert grids_of(output)["a"].encoder["name"] == "random:dim=6"
    assert (output / "encoder" / "card.json").read_bytes() != card


def test_a_damaged_grid_is_told_and_can_be_replaced(tmp_path: Path, make_slide: MakeSlide) -> None:
    path, output = make_slide("a"), tmp_path / "out"
    compress([path], output, CompressRecipe(encoder="mean-rgb"))
    stored = output / f"a{store.SUFFIX}"
    whole = stored.read_bytes()
    stored.write_bytes(whole[: len(whole) // 2])
    assert (
        "--overwrite"
        in next(iter(compress([path], output, CompressRecipe(encoder="mean-rgb")).failures)).remedy
    )
    compress([path], output, CompressRecipe(encoder="mean-rgb"), Resources(overwrite=True))
    assert stored.read_bytes() == whole


def test_a_changed_slide_is_noticed(tmp_path: Path, make_slide: MakeSlide) -> None:
    compress([make_slide("a", 1)], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    summary = compress([make_slide("a", 2)], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    assert "slide hash" in next(iter(summary.failures)).reason


def test_bad_slides_are_listed_and_stop_nobody(tmp_path: Path, make_slide: MakeSlide) -> None:
    good = [make_slide("a", 1), make_slide("z", 2)]
    (tmp_path / "broken.svs").write_bytes(b"no image")
    Image.fromarray(np.full((700, 900, 3), 244, np.uint8)).save(tmp_path / "glass.png")
    (tmp_path / "out" / "m").mkdir(parents=True)
    bad = [tmp_path / "broken.svs", tmp_path / "gone.svs", tmp_path / "glass.png"]
    summary = compress(
        [good[0], *bad, good[1]], tmp_path / "out", CompressRecipe(encoder="mean-rgb", spacing=0.5)
    )
    assert sorted(grids_of(tmp_path / "out")) == ["a", "z"]
    reasons = failures_of(tmp_path / "out")
    assert set(reasons) == {"broken.svs", "gone.svs", "glass.png"}
    assert "tissue" in reasons["glass.png"]
    assert summary.headline.startswith("2 compressed, 0 already there, 3 failed")


def test_a_picture_needs_a_spacing(tmp_path: Path, make_slide: MakeSlide) -> None:
    make_slide("a")
    with Image.open(tmp_path / "slides" / "a.tiff") as picture:
        picture.convert("RGB").save(tmp_path / "p.png")
    compress([tmp_path / "p.png"], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    assert "--spacing" in failures_of(tmp_path / "out")["p.png"]
    compress([tmp_path / "p.png"], tmp_path / "out", CompressRecipe(encoder="mean-rgb", spacing=0.5))
    assert len(grids_of(tmp_path / "out")["p"]) == 24


def test_two_slides_of_one_name_are_refused(tmp_path: Path, make_slide: MakeSlide) -> None:
    first = make_slide("a")
    second = tmp_path / "elsewhere" / "a.tiff"
    second.parent.mkdir()
    second.write_bytes(first.read_bytes())
    with pytest.raises(CohortError, match="a"):
        compress([first, second], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))


def test_an_unknown_encoder_stops_before_the_first_slide(tmp_path: Path, make_slide: MakeSlide) -> None:
    with pytest.raises(EncoderError):
        compress([make_slide("a")], tmp_path / "out", CompressRecipe(encoder="meanrgb"))
    assert not (tmp_path / "out").exists()


def test_a_cohort_brings_spacing_and_mask(tmp_path: Path, make_slide: MakeSlide) -> None:
    make_slide("a")
    mask = np.zeros((60, 90), np.uint8)
    mask[20:40, 20:50] = 255
    Image.fromarray(mask).save(tmp_path / "half.png")
    (tmp_path / "cohort.csv").write_text(
        "patient,slide,label,spacing,mask\np1,slides/a.tiff,x,0.25,half.png\n"
    )
    compress([tmp_path / "cohort.csv"], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    grid = grids_of(tmp_path / "out")["a"]
    assert grid.slide.spacing.x == 0.25
    assert grid.shape == (3, 5)
    assert set(map(tuple, grid.cells)) == {(1, 1), (1, 2)}


def test_masks_may_come_from_a_folder(tmp_path: Path, make_slide: MakeSlide) -> None:
    path = make_slide("a")
    mask = np.zeros((6, 9), np.uint8)
    mask[2, 3:5] = 1
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "a.mask.png")
    compress([path], tmp_path / "out", CompressRecipe(encoder="mean-rgb", mask=tmp_path / "masks"))
    assert grids_of(tmp_path / "out")["a"].cells.tolist() == [[2, 3], [2, 4]]
    summary = compress(
        [make_slide("b", 2)], tmp_path / "out", CompressRecipe(encoder="mean-rgb", mask=tmp_path / "masks")
    )
    assert "b.mask.png" in next(iter(summary.failures)).reason


def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK", 64)
    path = make_slide("a", rows=14, cols=17)
    compress([path], tmp_path / "straight", RANDOM)
    encode, calls = Engine.encode, []

    def stumbling(self: Engine, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        calls.append(1)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return encode(self, tiles)

    monkeypatch.setattr(Engine, "encode", stumbling)
    summary = compress([path], tmp_path / "broken", RANDOM)
    assert "No space left" in next(iter(summary.failures)).reason
    assert grids_of(tmp_path / "broken") == {}
    summary = compress([path], tmp_path / "broken", RANDOM)
    straight, resumed = grids_of(tmp_path / "straight")["a"], grids_of(tmp_path / "broken")["a"]
    assert len(straight) > 2 * 64
    assert len(calls) == 1 + -(-len(straight) // 64)
    assert np.array_equal(straight.features, resumed.features)
    names = [tmp_path / d / f"a{store.SUFFIX}" for d in ("straight", "broken")]
    assert names[0].read_bytes() == names[1].read_bytes()


SCRIPT = """
import sys, time
from pathlib import Path
import numpy as np
from histopress.encoders.engine import Engine
from histopress.grids import store
from histopress.grids.compress import CompressRecipe, compress
store.CHUNK = 64
encode = Engine.encode
def slow(self, tiles):
    time.sleep(float(sys.argv[3]))
    return encode(self, tiles)
Engine.encode = slow
summary = compress([Path(sys.argv[1])], Path(sys.argv[2]), CompressRecipe(encoder="random:dim=6"))
print(summary.headline)
sys.exit(len(summary.failures))
"""


def start(slides: Path, output: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(slides), str(output), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_kill_9_leaves_nothing_that_counts_as_done(
    tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_slide("a", rows=14, cols=17)
    output = tmp_path / "out"
    process = start(path.parent, output, 0.3)
    mark = output / ".work" / "a" / "rows_done.json"
    until(mark.exists)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert store.find_grids(output) == []
    monkeypatch.setattr(store, "CHUNK", 64)
    summary = compress([path], output, RANDOM)
    compress([path], tmp_path / "straight", RANDOM)
    assert summary.compressed == 1
    assert (output / f"a{store.SUFFIX}").read_bytes() == (
        tmp_path / "straight" / f"a{store.SUFFIX}"
    ).read_bytes()


def test_two_processes_on_one_folder_share_the_work(tmp_path: Path, make_slide: MakeSlide) -> None:
    slides = [make_slide(name, seed, rows=8, cols=10).parent for seed, name in enumerate("abcd")]
    output = tmp_path / "out"
    both = [start(slides[0], output, 0.1) for _ in range(2)]
    told = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    counts = [
        tuple(int(word) for word in line.replace(",", "").split() if word.isdigit())[:3] for line in told
    ]
    assert sum(c[0] for c in counts) == 4
    assert all(sum(c) == 4 for c in counts)
    compress([slides[0]], tmp_path / "alone", RANDOM)
    alone, shared = grids_of(tmp_path / "alone"), grids_of(output)
    assert sorted(shared) == list("abcd")
    assert all(np.array_equal(alone[n].features, shared[n].features) for n in "abcd")


def test_workers_do_the_same(tmp_path: Path, make_slide: MakeSlide) -> None:
    paths = [make_slide(name, seed) for seed, name in enumerate("ab")]
    (tmp_path / "broken.svs").write_bytes(b"no image")
    summary = compress([*paths, tmp_path / "broken.svs"], tmp_path / "two", RANDOM, Resources(workers=2))
    compress(paths, tmp_path / "one", RANDOM)
    assert (summary.compressed, len(summary.failures)) == (2, 1)
    one, two = grids_of(tmp_path / "one"), grids_of(tmp_path / "two")
    assert all(np.array_equal(one[n].features, two[n].features) for n in "ab")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is told by Linux alone")
def test_memory_does_not_grow_with_the_slide(tmp_path: Path, make_slide: MakeSlide) -> None:
    """Six times the area may fill caches, and costs a few bytes a tile, far from its pixels."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom histopress.grids.compress import *\n"
        "compress([Path(sys.argv[1])], Path(sys.argv[2]))\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    peaks = []
    for name, rows, cols in [("small", 24, 30), ("large", 58, 72)]:
        path = make_slide(name, rows=rows, cols=cols)
        told = subprocess.run(
            [sys.executable, "-c", code, str(path), str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(told.stdout) * 1024)
    more_pixels = (58 * 72 - 24 * 30) * 128 * 128 * 3
    assert peaks[1] - peaks[0] < more_pixels / 3
