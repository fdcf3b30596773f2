"""Ready descriptions: each one is valid, found by name, and true of the data where they are at hand."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from histopress.core.errors import PatchError
from histopress.core.recipe import load
from histopress.data.patch_recipes import find_task, ready_folder, ready_tasks
from histopress.data.patch_set import open_source
from histopress.data.patch_task import PatchTask

PUBLIC = {
    "colorectal-nct-crc",
    "metastasis-camelyon16",
    "metastasis-pcam",
    "mitosis-midog",
    "mitosis-tupac16",
    "prostate-panda",
    "prostate-peso",
}
PLACES = {  # class -> tiles of 128 px at 0.5 um/px
    "breakhis400": {"benign": 96, "malignant": 72},
    "crc-tissue7": dict.fromkeys(("ADI", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"), 28),
    "lung-colon5": {"colon_aca": 108, "colon_n": 108, "lung_aca": 117, "lung_n": 108, "lung_scc": 108},
    "mitosis-atypical": {"normal": 560, "atypical": 370},
    "mitosis-crops": {"background": 1714, "mitosis": 857},
    "oral-oscc": {"normal": 544, "oscc": 544},
    "prostate-epithelium": {"rest": 174, "epithelium": 705},
}


def read(name: str) -> PatchTask:
    return load(PatchTask, find_task(name))


def test_every_set_is_known_here() -> None:
    assert set(ready_tasks()) == PUBLIC | set(PLACES)


@pytest.mark.parametrize("name", sorted(PUBLIC | set(PLACES)))
def test_a_description_says_all_that_a_user_needs(name: str, tmp_path: Path) -> None:
    task = read(name)
    assert task.name == name
    assert task.licence != "not stated" and task.citation and len(task.origin) > 80 and task.folder
    assert task.redistributable == task.licence.startswith(("CC0", "CC BY 4.0", "MIT"))
    assert all(digest == "" or len(bytes.fromhex(digest)) == 32 for digest in task.files.values())
    (tmp_path / task.source.get("images", "")).mkdir(exist_ok=True)
    open_source(task, tmp_path).close()  # the settings of the layout are right
    assert f"`{name}`" in (ready_folder() / "README.md").read_text()


@pytest.mark.parametrize("name", sorted(PLACES))
def test_descriptions_of_samples_are_true(name: str, shared_data: Path) -> None:
    task = read(name)
    folder = shared_data / task.folder
    for file, digest in task.files.items():
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest
    with open_source(task, folder) as source:
        places = source.places(64.0)
        assert source.cut(places[len(places) // 2], 128).shape == (128, 128, 3)
    counts = Counter(task.classes[int(place.label)] for place in places if isinstance(place.label, float))
    assert counts == PLACES[name]
    assert {place.part for place in places} == {"train", "test"}
    parts = {(place.group, place.part) for place in places}
    assert len(parts) == len({group for group, _ in parts})


def test_a_path_wins_and_unknown_names_are_answered_with_near_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "oral-oscc"
    assert find_task("oral-oscc") == ready_folder() / "oral-oscc.toml"
    own.write_text("name = 'mine'")
    assert find_task("oral-oscc") == Path("oral-oscc") and find_task(own) == own
    with pytest.raises(PatchError, match="prostate-panda"):
        find_task("prostat-panda")
    with pytest.raises(PatchError, match="breakhis400"):
        find_task("zzzz")
