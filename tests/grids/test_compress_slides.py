"""Slides that cannot be read, change while they are read, or meet a failing encoder: each is explained."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from histopress import cli
from histopress.encoders.engine import Engine
from histopress.grids import compressor, store
from histopress.grids.compress import CompressRecipe, Resources, compress

MakeSlide = Callable[..., Path]
ONE_THREAD = Resources(threads=1)
READERS = [CompressRecipe(encoder="mean-rgb"), CompressRecipe(encoder="mean-rgb", reader="openslide")]
IDS = ["auto", "openslide"]


@pytest.fixture(autouse=True)
def short_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slide takes many batches and chunks, so that most of it is still to be read in the middle."""
    monkeypatch.setattr(store, "CHUNK", 16)
    monkeypatch.setattr(compressor, "BATCH", 16)


def grids_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.find_grids(folder)}


def failures_in(folder: Path) -> dict[str, dict[str, str]]:
    """Rows of failures.csv by the name of the slide."""
    rows = list(csv.DictReader((folder / "failures.csv").read_text().splitlines()))
    assert all(row["reason"] and row["remedy"] and row["stage"] for row in rows), rows
    return {Path(row["slide"]).name: row for row in rows}


def at_batch(patch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> list[int]:
    """Do something in another thread before a batch is encoded; gives the sizes of all batches so far."""
    encode, sizes = Engine.encode, []

    def meanwhile(self: Engine, tiles: Any) -> Any:
        sizes.append(len(tiles))
        if len(sizes) == number:
            thread = Thread(target=act)
            thread.start()
            thread.join()
        return encode(self, tiles)

    patch.setattr(Engine, "encode", meanwhile)
    return sizes


@pytest.mark.parametrize("recipe", READERS, ids=IDS)
@pytest.mark.parametrize(("number", "share"), [(1, 0.0), (4, 0.0), (1, 0.4), (4, 0.4)])
def test_a_slide_cut_off_while_it_is_read(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    make_slide: MakeSlide,
    monkeypatch: pytest.MonkeyPatch,
    recipe: CompressRecipe,
    number: int,
    share: float,
) -> None:
    path, output = make_slide("a", rows=12, cols=15), tmp_path / "out"
    compress([path], tmp_path / "straight", recipe)
    whole = path.read_bytes()
    with monkeypatch.context() as patch:
        at_batch(patch, number, lambda: os.truncate(path, int(len(whole) * share)))
        summary = compress([path, make_slide("z", 3)], output, recipe, ONE_THREAD)
    found = failures_in(output)["a.tiff"]
    assert (summary.compressed, len(summary.failures)) == (1, 1)
    assert "cut off" in found["reason"] or "changed while it was read" in found["reason"]
    assert found["stage"] == "read"
    assert list(grids_in(output)) == ["z.grid.zarr.zip"]
    path.write_bytes(whole)
    summary = compress([path, path.with_name("z.tiff")], output, recipe)
    assert (summary.compressed, summary.skipped, len(summary.failures)) == (1, 1, 0)
    name = "a.grid.zarr.zip"
    assert grids_in(output)[name] == grids_in(tmp_path / "straight")[name]


@pytest.mark.parametrize("recipe", READERS, ids=IDS)
@pytest.mark.parametrize("number", [1, 5, 8])
@pytest.mark.parametrize("by", ["renaming", "writing"])
def test_a_slide_replaced_by_another_of_its_size(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    make_slide: MakeSlide,
    monkeypatch: pytest.MonkeyPatch,
    recipe: CompressRecipe,
    number: int,
    by: str,
) -> None:
    path, other, output = make_slide("a", 1, 12, 15), make_slide("b", 2, 12, 15), tmp_path / "out"
    size = max(path.stat().st_size, other.stat().st_size)
    other = other.replace(tmp_path / "a.tiff")
    os.truncate(path, size)
    os.truncate(other, size)
    os.utime(path, (1e9, 1e9))
    content = other.read_bytes()
    compress([other], tmp_path / "straight", recipe)
    act = (lambda: other.replace(path)) if by == "renaming" else (lambda: path.write_bytes(content))
    with monkeypatch.context() as patch:
        at_batch(patch, number, act)
        compress([path], output, recipe, ONE_THREAD)
    assert "changed while it was read" in failures_in(output)["a.tiff"]["reason"]
    assert grids_in(output) == {}
    assert compress([path], output, recipe).compressed == 1
    assert grids_in(output) == grids_in(tmp_path / "straight")


def test_a_slide_that_changes_between_opening_and_encoding(
    tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second slide is opened while the first is encoded, which may take an hour."""
    paths = [make_slide("a", 1, 12, 15), make_slide("b", 2)]
    with monkeypatch.context() as patch:
        at_batch(patch, 8, lambda: os.utime(paths[1]))
        compress(paths, tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    assert list(failures_in(tmp_path / "out")) == ["b.tiff"]
    assert compress(paths, tmp_path / "out", CompressRecipe(encoder="mean-rgb")).compressed == 1


def test_nothing_is_taken_up_that_was_read_from_another_state_of_the_file(
    tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash of a large slide says nothing of most of its bytes."""
    monkeypatch.setattr(compressor, "quick_hash", lambda path: "the same")
    path, output = make_slide("a", 1, 12, 15), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "encode", failing_at(6))
        compress([path], output, CompressRecipe(encoder="mean-rgb"))
    make_slide("a", 2, 12, 15)
    compress([path], tmp_path / "straight", CompressRecipe(encoder="mean-rgb"))
    sizes = at_batch(monkeypatch, 0, lambda: None)
    compress([path], output, CompressRecipe(encoder="mean-rgb"))
    assert grids_in(output) == grids_in(tmp_path / "straight")
    assert sum(sizes) == 10 * 12


def failing_at(number: int) -> Callable[[Engine, Any], Any]:
    """What encodes, but for one batch."""
    encode, calls = Engine.encode, []

    def fail(self: Engine, tiles: Any) -> Any:
        calls.append(len(tiles))
        if len(calls) == number:
            raise RuntimeError("the encoder has a bug")
        return encode(self, tiles)

    return fail


def test_an_encoder_that_fails_on_one_batch(
    tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [make_slide(name, seed, rows=12, cols=15) for seed, name in enumerate("abc")]
    compress(paths, tmp_path / "straight", CompressRecipe(encoder="mean-rgb"))
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "encode", failing_at(8 + 5))
        assert compress(paths, output, CompressRecipe(encoder="mean-rgb")).compressed == 2
    assert [(name, row["stage"]) for name, row in failures_in(output).items()] == [("b.tiff", "encode")]
    assert "RuntimeError: the encoder has a bug" in failures_in(output)["b.tiff"]["reason"]
    sizes = at_batch(monkeypatch, 0, lambda: None)
    assert compress(paths, output, CompressRecipe(encoder="mean-rgb")).compressed == 1
    assert sum(sizes) == 120 - 4 * 16
    assert failures_in(output) == {}
    assert grids_in(output) == grids_in(tmp_path / "straight")


def test_files_that_cannot_be_read(
    tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = make_slide("good")
    locked = make_slide("locked")
    folder = good.parent
    (folder / "folder.tiff").mkdir()
    (folder / "link.tiff").symlink_to(tmp_path / "nowhere.tiff")
    (folder / "empty.tiff").touch()
    (folder / "text.svs").write_text("no image")
    os.mkfifo(folder / "pipe.tiff")
    forbid(locked, monkeypatch)
    reasons = {
        "folder.tiff": "this is a folder",
        "link.tiff": "there is no such file",
        "empty.tiff": "the file is empty",
        "text.svs": "of no known format",
        "pipe.tiff": "a pipe or a device",
        "locked.tiff": "may not be read",
    }
    rows = "".join(f"p,{folder / name}\n" for name in [*reasons, "good.tiff"])
    (tmp_path / "cohort.csv").write_text(f"patient,slide\n{rows}")
    assert cli.run(["compress", str(tmp_path / "cohort.csv"), "-o", str(tmp_path / "out")]) == 1
    found = failures_in(tmp_path / "out")
    assert found.keys() == reasons.keys()
    assert all(reason in found[name]["reason"] for name, reason in reasons.items())
    assert {row["stage"] for row in found.values()} == {"open"}
    assert list(grids_in(tmp_path / "out")) == ["good.grid.zarr.zip"]
    assert cli.run(["compress", str(good), "-o", str(tmp_path / "out")]) == 0


def forbid(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Take away the right to read a file; root has it all the same, so it is played to root."""
    if os.geteuid() != 0:
        path.chmod(0)
        return
    open_path = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return open_path(self, *arguments, **options)

    patch.setattr(Path, "open", refuse)


def test_an_output_folder_that_cannot_be_written(
    tmp_path: Path, make_slide: MakeSlide, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_slide("a")
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        assert cli.run(["compress", str(path), "-o", str(output)]) == 1
        assert str(tmp_path / "file") in capsys.readouterr().err


def test_all_real_slides_good_and_bad(tmp_path: Path, shared_data: Path) -> None:
    slides, output = tmp_path / "slides", tmp_path / "out"
    slides.mkdir()
    for path in [p for p in shared_data.glob("wsi/**/*") if p.is_file() and p.suffix != ".md"]:
        (slides / path.name).symlink_to(path)
    names = {path.name for path in slides.iterdir()}
    good, tcga = "cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs"
    assert {good, tcga} < names
    assert cli.run(["compress", str(slides), "-o", str(output)]) == 1
    found = failures_in(output)
    assert found.keys() == names - {good}
    assert "no spacing" in found[tcga]["reason"]
    assert "--spacing" in found[tcga]["remedy"]
    assert list(grids_in(output)) == ["cmu-1-small-region.grid.zarr.zip"]
    table = tmp_path / "cohort.csv"
    table.write_text(f"patient,slide,spacing\np,{slides / good},\nq,{slides / tcga},0.5\n")
    assert cli.run(["compress", str(table), "-o", str(output)]) == 0
    made = {path: path.stat().st_mtime_ns for path in store.find_grids(output)}
    assert len(made) == 2
    assert cli.run(["compress", str(table), "-o", str(output)]) == 0
    assert {path: path.stat().st_mtime_ns for path in store.find_grids(output)} == made
    assert failures_in(output) == {}
