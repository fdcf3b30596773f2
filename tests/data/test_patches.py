"""Sets of tiles: cut once, kept under their identity, opened again without reading a picture."""

from __future__ import annotations

import hashlib
import logging
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from histopress.core.errors import PatchError, RecipeError
from histopress.data.patch_pictures import PictureSource
from histopress.data.patch_recipes import find_task
from histopress.data.patches import PatchSet, load_patches, load_task

TASK = """
name = "t"
kind = "binary"
classes = ["no", "yes"]
spacing = 0.5
layout = "table"
folder = "data"
note = "{note}"
[files]
"index.csv" = "{digest}"
{file}
[source]
part = "part"
"""

COUNT = 12


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a task file and, in `data`, twelve pictures with four tiles each."""
    data = tmp_path / "data"
    data.mkdir()
    rows = ["file,label,part"]
    for index in range(COUNT):
        pixels = np.random.default_rng(index).integers(0, 256, (16, 20, 3), np.uint8)
        Image.fromarray(pixels).save(data / f"{index}.png")
        rows.append(f"{index}.png,{'yes' if index % 2 else 'no'},{'test' if index > 8 else 'train'}")
    (data / "index.csv").write_text("\n".join(rows) + "\n")
    write_task(tmp_path)
    return tmp_path


def write_task(root: Path, note: str = "", digest: str = "", file: str = "") -> None:
    (root / "t.toml").write_text(TASK.format(note=note, digest=digest, file=file))


def load(home: Path, **options: object) -> PatchSet:
    return load_patches(home / "t.toml", **{"tile": 8, "cache": home / "cache", **options})  # type: ignore[arg-type]


def same(one: PatchSet, other: PatchSet) -> None:
    for name in ("tiles", "targets", "groups", "parts", "names"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.identity == other.identity


def test_asking_again_gives_the_same_and_reads_no_picture(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(root)
    assert first.tiles.shape == (4 * COUNT, 8, 8, 3)
    assert first.targets.dtype == np.float32
    assert {part: len(first.rows(part)) for part in ("train", "tuning", "test")} == {  # type: ignore[arg-type]
        "train": 28,
        "tuning": 8,
        "test": 12,
    }

    def forbidden(*_: object) -> None:
        raise AssertionError("a picture was read")

    for name in ("cut", "places"):
        monkeypatch.setattr(PictureSource, name, forbidden)
    same(first, load(root))


def test_tiles_do_not_depend_on_the_order_of_the_rows(root: Path) -> None:
    first = load(root)
    lines = (root / "data" / "index.csv").read_text().splitlines()
    (root / "data" / "index.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    second = load(root)
    assert second.identity != first.identity
    facts = [
        {n: (p, t.tobytes()) for n, p, t in zip(s.names, s.parts, s.tiles, strict=True)}
        for s in (first, second)
    ]
    assert facts[0] == facts[1]


def test_the_identity_follows_what_matters_wherever_the_data_lie(root: Path, tmp_path: Path) -> None:
    first = load(root).identity
    write_task(root, note="other words")
    assert load(root).identity == first
    shutil.copytree(root / "data", tmp_path / "other" / "data")
    assert load(root, root=tmp_path / "other").identity == first
    assert load(root, tile=4).identity != first
    assert load(root, spacing=1.0).identity != first
    Image.new("RGB", (20, 16)).save(root / "data" / "3.png")
    changed = load(root)
    assert changed.identity != first
    assert (changed.tiles[12:16] == 0).all()


def test_batches_go_to_torch_without_a_warning(root: Path) -> None:
    found = load(root)
    rows = found.rows("test")[::-1]
    batch = torch.from_numpy(found.tiles[rows])
    assert batch.dtype == torch.uint8
    assert type(found.tiles) is np.ndarray
    np.testing.assert_array_equal(batch.numpy(), found.tiles[rows])
    assert not found.tiles.flags.writeable  # nobody changes what is kept


def test_an_interrupted_run_leaves_nothing_that_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("histopress.data.patch_cache.write_whole", stopped)
        with pytest.raises(KeyboardInterrupt):
            load(root)
    same(load(root), load(root, cache=root / "other"))


def test_tiles_and_rows_that_do_not_belong_together_are_told(root: Path) -> None:
    load(root)
    (rows,) = (root / "cache").rglob("rows.csv")
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(PatchError, match=r"48 tiles and 47 rows.*delete"):
        load(root)


def test_listed_files_are_checked(root: Path) -> None:
    digest = hashlib.sha256((root / "data" / "index.csv").read_bytes()).hexdigest()
    write_task(root, digest=digest)
    load(root, verify=True)
    write_task(root, digest="0" * 64)
    load(root)  # only on request
    with pytest.raises(PatchError, match=f"sha256 is {digest}, expected 000"):
        load(root, verify=True)
    write_task(root, file='"more/images.zip" = ""')
    with pytest.raises(PatchError, match=r"images\.zip: missing"):
        load(root)


def test_unreadable_pictures_are_counted(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "data" / "3.png").write_bytes(b"nothing")
    with caplog.at_level(logging.WARNING):
        found = load(root)
    assert len(found.tiles) == 4 * (COUNT - 1)
    assert [failure.item for failure in found.failures] == ["3.png"]
    assert "1 pictures cannot be read" in caplog.text


def test_the_default_cache_is_that_of_the_user(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOPRESS_CACHE", str(root / "mine"))
    found = load(root, cache=None)
    assert (root / "mine" / "patches" / f"t-{found.identity}" / "tiles.npy").is_file()


def test_wrong_task_files_are_told(root: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read recipe"):
        load_task(root / "none.toml")
    text = (root / "t.toml").read_text()
    (root / "t.toml").write_text(text.replace('"table"', '"tables"'))
    with pytest.raises(PatchError, match="layout 'tables', expected one of folder, table"):
        load(root)
    (root / "t.toml").write_text(text.replace('["no", "yes"]', '["no"]'))
    with pytest.raises(RecipeError, match="names 1 classes, expected 2"):
        load(root)
    (root / "t.toml").write_text(text.replace("spacing = 0.5", ""))
    with pytest.raises(PatchError, match="the task states none"):
        load(root)
    (root / "t.toml").write_text(
        text.replace('folder = "data"', 'folder = "gone"').replace('"index.csv" = ""', "")
    )
    with pytest.raises(PatchError, match="there is no such folder, expected the data of task 't'"):
        load(root)


def test_a_kept_set_travels_as_the_name_of_its_file(shared_data: Path) -> None:
    found = load_patches(find_task("crc-tissue7"), shared_data)
    sent = pickle.dumps(found)
    assert len(sent) < found.tiles.nbytes / 20
    there = pickle.loads(sent)
    np.testing.assert_array_equal(there.tiles, found.tiles)
    assert there.identity == found.identity
