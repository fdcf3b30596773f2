"""The verb `train-encoder`: every method leaves a whole run, stops and goes on, and looks at no test part."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from histopress.core.errors import EncoderError, PatchError, RunError
from histopress.core.fit import fit
from histopress.core.fit_recipe import FitResources
from histopress.encoders.augment import augment
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import NetworkEncoder, encode, save_encoder
from histopress.encoders.networks import StridedConvSettings
from histopress.encoders.train_encoder import TrainedEncoder, train_encoder
from histopress.encoders.train_encoder_recipe import TrainEncoderRecipe
from histopress.encoders.unsupervised import METHODS
from histopress.encoders.untrained import random_weights

Written = Callable[..., str]
SLIDE = "wsi/cmu-1-small-region.svs"
FILES = {"run.json", "log.csv", "last.pt", "card.json", "weights.safetensors", "scores.json", "done"}
SMALL = TrainEncoderRecipe(
    trunk="published", tile=64, dim=24, updates=2, look_every=1, batch=16, width=0.25,
    precision="32-true", device="cpu",
)  # fmt: skip
EVERY = ["multitask", *METHODS]


def of(method: str, **settings: Any) -> TrainEncoderRecipe:
    """Small and short."""
    return replace(SMALL, method=method, **settings)  # type: ignore[arg-type]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Counts batches that are altered for training, and may press Ctrl-C at one of them."""

    def count(stop: int = 0) -> list[int]:
        seen: list[int] = []

        def counted(images: Tensor, **given: Any) -> Tensor:
            seen.append(len(images))
            if len(seen) == stop:
                raise KeyboardInterrupt
            return augment(images, **given)

        monkeypatch.setattr("histopress.encoders.train_encoder.augment", counted)
        return seen

    return count


def check_run(found: TrainedEncoder, dim: int = 24) -> None:
    """Whether a folder holds all that a run leaves, and the encoder gives codes."""
    assert {p.name for p in found.folder.iterdir()} == FILES
    encoder = load_encoder(str(found.folder))
    assert encoder.card.identity == found.encoder.card.identity
    tiles = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    codes = encode(encoder, tiles, "cpu")
    assert codes.shape == (3, dim)
    assert np.isfinite(codes).all() and codes.std(0).max() > 0


@pytest.mark.parametrize("method", EVERY)
def test_every_method_leaves_a_whole_run_and_is_done_once(
    method: str, written_task: Written, tmp_path: Path, steps: Callable[..., list[int]]
) -> None:
    task, output = written_task(tmp_path / "set"), tmp_path / "run"
    found = train_encoder([task], output, of(method))
    check_run(found)
    assert found.epochs == len((output / "log.csv").read_text().splitlines()) - 1 > 0
    files = {p.name: p.read_bytes() for p in output.iterdir()}
    seen = steps()
    again = train_encoder([task], output, of(method))
    assert not seen
    assert {p.name: p.read_bytes() for p in output.iterdir()} == files
    assert again.encoder.card == found.encoder.card
    assert again.scores == found.scores == json.loads(files["scores.json"])


@pytest.mark.parametrize("method", EVERY)
def test_every_method_trains_on_real_patches(method: str, shared_data: Path, tmp_path: Path) -> None:
    tasks = ["crc-tissue7", "oral-oscc"] if method == "multitask" else ["crc-tissue7"]
    found = train_encoder(tasks, tmp_path / "run", of(method), root=shared_data)
    check_run(found)
    assert found.encoder.card.training["method"] == method
    assert list(found.scores.get("test", {})) == (tasks if method == "multitask" else [])


@pytest.mark.parametrize("trunk", ["turned", "timm:resnet10t"])
def test_other_trunks_learn_too(trunk: str, written_task: Written, tmp_path: Path) -> None:
    if trunk.startswith("timm"):
        pytest.importorskip("timm")
    task = written_task(tmp_path / "set")
    found = train_encoder([task], tmp_path / "run", of("multitask", trunk=trunk, updates=1, batch=4))
    check_run(found, dim=512 if trunk.startswith("timm") else 24)


def test_colours_are_learned_in_tasks_of_every_kind(written_task: Written, tmp_path: Path) -> None:
    kinds = ("binary", "multiclass", "ordinal", "regression")
    tasks = [written_task(tmp_path / kind, kind=kind) for kind in kinds]
    recipe = of("multitask", updates=40, look_every=10, batch=32, lr=1e-2, augmentation="basic")
    found = train_encoder(tasks, tmp_path / "run", recipe)
    assert list(found.scores["test"]) == list(kinds)
    assert min(found.scores["test"].values()) > 0.8
    assert [line.split(":")[0] for line in found.headline.splitlines()[:-1]] == list(kinds)


def test_the_card_tells_of_tasks_licences_scores_and_recipe(written_task: Written, tmp_path: Path) -> None:
    tasks = [
        written_task(tmp_path / "one", "colours", licence="CC BY 4.0"),
        written_task(tmp_path / "two", "steps", "ordinal", licence="research only"),
    ]
    found = train_encoder(tasks, tmp_path / "mine", of("multitask", seed=7))
    card, run = found.encoder.card, json.loads((found.folder / "run.json").read_text())
    first, second = card.training["tasks"]
    assert (card.name, card.tile, card.spacing, card.dim) == ("mine", 64, 0.5, 24)
    assert "CC BY 4.0" in card.licence and "research only" in card.licence
    assert card.source == "trained by histopress, multitask on colours, steps"
    assert (first["name"], first["kind"], first["classes"]) == ("colours", "binary", ["no", "yes"])
    assert (second["licence"], second["citation"]) == ("research only", "Somebody, steps, 2020")
    assert first["tiles"] == {"train": 24, "tuning": 12, "test": 12}
    assert [t["data"] for t in (first, second)] == run["inputs"]["tiles"]
    assert first["scores"] == {part: found.scores[part]["colours"] for part in ("tuning", "test")}
    assert card.training["run"] == run["identity"]
    assert card.training["recipe"] == run["recipe"]
    assert card.training["recipe"]["seed"] == 7


def test_another_recipe_or_other_tasks_in_the_same_folder_are_refused(
    written_task: Written, tmp_path: Path
) -> None:
    task, other = written_task(tmp_path / "one"), written_task(tmp_path / "two", kind="ordinal")
    train_encoder([task], tmp_path / "run", of("multitask"))
    with pytest.raises(RunError, match=r"holds another run \(seed: 0 there, 3 asked\)"):
        train_encoder([task], tmp_path / "run", of("multitask", seed=3))
    with pytest.raises(RunError, match=r"holds another run \(tiles: "):
        train_encoder([task, other], tmp_path / "run", of("multitask"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trunk": "resnet"}, "no trunk 'resnet', expected one of turned, wide"),
        ({"method": "gan"}, "no method 'gan', expected one of multitask, vae"),
        ({"teacher": "TEACHER"}, "takes tiles of 128 px .* but the training has 64 px.*set tile and spacing"),
        ({"teacher": "mean-rgb:tile=64"}, "mean-rgb.* is no network of convolutions"),
        ({"start": "TEACHER"}, "takes tiles of 128 px .* but the training has 64 px.*set tile and spacing"),
        ({"method": "bigan", "start": "TEACHER"}, "bigan trains a network of its own"),
        ({"updates": 0}, "updates 0 and look_every 1, expected at least 1 of each"),
        ({"method": "vae", "teacher": "TEACHER"}, "vae has no teacher"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(
    settings: dict[str, Any], words: str, written_task: Written, tmp_path: Path
) -> None:
    teacher = random_weights(0, StridedConvSettings(tile=128, filters=(4, 4), dim=5), 0.5)
    save_encoder(teacher, tmp_path / "teacher")
    given = {k: str(tmp_path / "teacher") if v == "TEACHER" else v for k, v in settings.items()}
    with pytest.raises(EncoderError, match=words):
        train_encoder([written_task(tmp_path / "set")], tmp_path / "run", replace(SMALL, **given))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", EVERY)
def test_no_inputs_are_refused(method: str, tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="nothing to train on; name tasks, or slides"):
        train_encoder([], tmp_path / "run", of(method))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", EVERY)
def test_a_task_without_a_training_part_is_refused(
    method: str, written_task: Written, tmp_path: Path
) -> None:
    task = written_task(tmp_path / "set")
    table = tmp_path / "set" / "index.csv"
    table.write_text(table.read_text().replace(",train", ",test").replace(",tuning", ",test"))
    with pytest.raises(PatchError, match="of 48 patches none trains"):
        train_encoder([task], tmp_path / "run", of(method))


def test_slides_alone_teach_no_labels(shared_data: Path, tmp_path: Path) -> None:
    slide = str(shared_data / SLIDE)
    with pytest.raises(EncoderError, match="no task is given; name a task, or a teacher"):
        train_encoder([slide], tmp_path / "run", of("multitask", slide_tiles=16))


def test_slides_that_nothing_could_be_learned_from_are_refused(
    written_task: Written, shared_data: Path, tmp_path: Path
) -> None:
    inputs = [written_task(tmp_path / "set"), str(shared_data / SLIDE)]
    with pytest.raises(EncoderError, match=r"slides have no labels.*teacher.*consistency"):
        train_encoder(inputs, tmp_path / "run", of("multitask", slide_tiles=16))


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    """An encoder for tiles of 64 px, by name."""
    encoder = random_weights(0, StridedConvSettings(tile=64, filters=(4, 4), dim=5), 0.5)
    save_encoder(encoder, tmp_path / "teacher")
    return str(tmp_path / "teacher")


def test_tasks_slides_and_a_teacher_train_together(
    teacher: str, written_task: Written, shared_data: Path, tmp_path: Path
) -> None:
    inputs = [written_task(tmp_path / "set"), str(shared_data / SLIDE)]
    recipe = of("multitask", teacher=teacher, slide_tiles=24, updates=4, look_every=2)
    found = train_encoder(inputs, tmp_path / "run", recipe)
    check_run(found)
    training, run = found.encoder.card.training, json.loads((found.folder / "run.json").read_text())
    assert [t["name"] for t in training["tasks"]] == ["binary"]
    assert training["slides"] == ["cmu-1-small-region"]
    assert "unlabelled slides" in found.encoder.card.source
    assert run["inputs"]["teacher"] == load_encoder(teacher).card.identity
    assert len(run["inputs"]["tiles"]) == 2
    rows = list(csv.DictReader((found.folder / "log.csv").read_text().splitlines()))
    assert all(np.isfinite(float(row["tuning"])) for row in rows)


def test_a_teacher_alone_can_be_learned_from_slides(teacher: str, shared_data: Path, tmp_path: Path) -> None:
    recipe = of("multitask", teacher=teacher, slide_tiles=24)
    found = train_encoder([str(shared_data / SLIDE)], tmp_path / "run", recipe)
    check_run(found)
    assert found.encoder.card.training["tasks"] == []
    assert found.scores == {"tuning": {}, "test": {}}


@pytest.mark.parametrize("method", ["contrastive", "simclr"])
def test_slides_are_enough_without_labels(method: str, shared_data: Path, tmp_path: Path) -> None:
    found = train_encoder([str(shared_data / SLIDE)], tmp_path / "run", of(method, slide_tiles=40))
    check_run(found)
    assert found.encoder.card.training["slides"] == ["cmu-1-small-region"]


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("updates", [1, 5])
def test_there_are_no_more_updates_than_asked_for(
    method: str, updates: int, written_task: Written, tmp_path: Path
) -> None:
    task = written_task(tmp_path / "set", count=96)  # 3 batches of 16 train
    train_encoder([task], tmp_path / "run", of(method, updates=updates, look_every=2, width=0.1))
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    done = max(int(s["step"]) for s in state["optimizer"]["state"].values())
    assert (updates + 1) // 2 <= done <= updates


@pytest.mark.parametrize("method", ["multitask", "vae"])
def test_resumed_equals_uninterrupted(
    method: str,
    written_task: Written,
    tmp_path: Path,
    steps: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = [written_task(tmp_path / kind, kind=kind) for kind in ("binary", "ordinal")]  # 3 batches in all
    recipe = of(method, updates=12, look_every=3, weighting="uncertainty", consistency=0.5, width=0.1)
    whole = train_encoder(tasks, tmp_path / "whole", recipe)
    monkeypatch.setattr("histopress.encoders.train_encoder.fit", partial(fit, save_seconds=0.0))
    steps(stop=8)
    with pytest.raises(KeyboardInterrupt):
        train_encoder(tasks, tmp_path / "broken", recipe)
    assert not (tmp_path / "broken" / "done").exists()
    seen = steps()
    resumed = train_encoder(tasks, tmp_path / "broken", recipe)
    assert len(seen) == 6
    assert resumed.encoder.card.identity == whole.encoder.card.identity
    assert resumed.scores == whole.scores
    assert resumed.epochs == whole.epochs == 4


@pytest.mark.parametrize("method", EVERY)
def test_the_test_part_influences_nothing(method: str, written_task: Written, tmp_path: Path) -> None:
    recipe, found = of(method, updates=4, look_every=2), []
    for folder in ("as-it-is", "permuted"):
        task, table = written_task(tmp_path / folder), tmp_path / folder / "index.csv"
        if folder == "permuted":
            table.write_text(_permuted(table.read_text()))
        found.append(train_encoder([task], tmp_path / f"{folder}-run", recipe))
    first, second = found
    assert second.encoder.card.identity == first.encoder.card.identity
    if method == "multitask":
        data = [f.encoder.card.training["tasks"][0]["data"] for f in found]
        assert data[0] != data[1]
        assert first.scores["test"] != second.scores["test"]
        assert first.scores["tuning"] == second.scores["tuning"]


def _permuted(table: str) -> str:
    """Other labels for the test part."""
    other = {"no": "yes", "yes": "no"}
    rows = [line.split(",") for line in table.splitlines()]
    return "".join(f"{f},{other.get(y, y) if p == 'test' else y},{p}\n" for f, y, p in rows)


def test_equal_seeds_give_equal_encoders_and_others_do_not(written_task: Written, tmp_path: Path) -> None:
    task = written_task(tmp_path / "set")
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(len(found))  # of no consequence
        found.append(train_encoder([task], tmp_path / name, of("multitask", seed=seed)))
    identities = [f.encoder.card.identity for f in found]
    assert identities[0] == identities[1] != identities[2]


@pytest.mark.parametrize("method", ["multitask", "simclr"])
def test_a_training_can_go_on_from_another_encoder(
    method: str, written_task: Written, tmp_path: Path
) -> None:
    task = written_task(tmp_path / "set")
    first = train_encoder([task], tmp_path / "first", of(method))
    name = str(tmp_path / "first")
    still = train_encoder([task], tmp_path / "still", of(method, start=name, lr=0.0, weight_decay=0.0))
    weights, before = still.encoder.weights(), first.encoder.weights()
    kept = [n for n in weights if n.endswith(("weight", "bias"))]
    assert all(torch.equal(weights[n], before[n]) for n in kept)
    further = train_encoder([task], tmp_path / "further", of(method, start=name))
    assert further.encoder.card.identity != first.encoder.card.identity
    run = json.loads((tmp_path / "further" / "run.json").read_text())
    assert run["inputs"]["start"] == first.encoder.card.identity


def test_the_last_weights_are_kept_on_request(written_task: Written, tmp_path: Path) -> None:
    task = written_task(tmp_path / "set")
    found = train_encoder([task], tmp_path / "run", of("multitask", updates=6, keep="last", patience=1))
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert found.epochs == 6
    for name, weight in found.encoder.weights().items():
        assert torch.equal(weight, state["weights"][f"network.{name}"]), name


def test_a_turned_trunk_gives_codes_that_turning_does_not_change(
    written_task: Written, tmp_path: Path
) -> None:
    recipe = of("multitask", trunk="turned", batch=4)
    found = train_encoder([written_task(tmp_path / "set", count=24)], tmp_path / "run", recipe)
    assert isinstance(found.encoder, NetworkEncoder)
    tiles = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    turned = np.ascontiguousarray(np.rot90(tiles, axes=(1, 2))[:, :, ::-1])
    straight, other = (encode(found.encoder, t, "cpu") for t in (tiles, turned))
    np.testing.assert_allclose(straight, other, atol=1e-4)


def test_speed_and_waiting_are_told(written_task: Written, tmp_path: Path) -> None:
    found = train_encoder([written_task(tmp_path / "set")], tmp_path / "run", of("multitask"))
    assert found.rate > 0
    assert 0 <= found.waiting <= 1
    assert "tiles/s" in found.headline


@pytest.mark.slow
def test_two_processes_train_together(tmp_path: Path, written_task: Any) -> None:
    found = train_encoder(
        [written_task(tmp_path)],
        tmp_path / "run",
        replace(SMALL, updates=4, look_every=2),
        resources=FitResources(devices=2),
    )
    assert (tmp_path / "run" / "done").exists()
    assert found.encoder.card.dim
