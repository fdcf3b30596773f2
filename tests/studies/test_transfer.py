from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from histopress.core.errors import EncoderError, PatchError
from histopress.data.patch_task import PatchTask
from histopress.data.patches import PatchSet
from histopress.encoders.catalogue import load_encoder
from histopress.studies import transfer as transfer_file
from histopress.studies.transfer import PatchesFor, TransferSummary, judge_encoders, split_names, transfer
from histopress.studies.transfer_codes import ORIENTATIONS, CodeBook, stained, turned
from histopress.studies.transfer_recipe import TransferRecipe

TILE = 64
MEAN, RANDOM, TEXTURE = (f"{name}:tile={TILE}" for name in ("mean-rgb", "random", "stain-texture"))
SMALL = TransferRecipe(shots=(1, 3), draws=20, turned=12, stains=("hed-light",), resamples=100)


def made_set(kind: str = "binary", groups: int = 24, seed: int = 0) -> PatchSet:
    """Reddish tiles; redder ones where the label is high; three tiles a group."""
    rng = np.random.default_rng(seed)
    classes = {"binary": 2, "multiclass": 3, "ordinal": 3, "multilabel": 2, "regression": 0}[kind]
    group = np.repeat(np.arange(groups), 3)
    level = (group % max(classes, 2)).astype(np.float32)
    if kind == "regression":
        level += rng.uniform(0, 0.5, len(group)).astype(np.float32)
    tiles = rng.integers(60, 120, (len(group), TILE, TILE, 3))
    tiles[..., 0] += (30 * level + rng.normal(0, 5, len(group))).astype(int)[:, None, None]
    tiles[:, : TILE // 3, : TILE // 4] //= 2  # so that turning matters
    part = np.array(["train", "train", "train", "tuning", "test", "test"])[(group // max(classes, 2)) % 6]
    targets = np.stack([level, 1 - level], axis=1) if kind == "multilabel" else level
    return PatchSet(
        task=PatchTask(f"made-{kind}", kind, "table", tuple("abc"[:classes]), 0.5),  # type: ignore[arg-type]
        spacing=0.5,
        tiles=np.clip(tiles, 0, 255).astype(np.uint8),
        targets=targets.astype(np.float32),
        groups=np.array([f"g{g}" for g in group]),
        parts=part,
        names=np.array([f"t{i}" for i in range(len(group))]),
        identity=f"{kind}-{groups}-{seed}",
    )


def given(*sets: PatchSet) -> tuple[list[Path], PatchesFor]:
    known = {s.task.name: s for s in sets}

    def patches_for(task: Path, tile: int, spacing: float) -> PatchSet:
        assert (tile, spacing) == (TILE, 0.5)
        if task.stem not in known:
            raise PatchError(f"{task}: no such task; name another")
        return known[task.stem]

    return [Path(f"{name}.toml") for name in known], patches_for


def judged(
    output: Path, encoders: list[str], *sets: PatchSet, recipe: TransferRecipe = SMALL
) -> TransferSummary:
    tasks, patches_for = given(*sets)
    return judge_encoders(encoders, tasks, recipe, output, patches_for, device="cpu")


def point(table: pd.DataFrame, encoder: str, **facts: str) -> float:
    chosen = table[(table["encoder"] == encoder)]
    for column, value in facts.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen) == 1
    return float(chosen["point"].iloc[0])


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TransferSummary]:
    output = tmp_path_factory.mktemp("transfer")
    sets = [made_set(kind) for kind in ("binary", "multiclass", "ordinal", "regression", "multilabel")]
    return output, judged(output, [MEAN, RANDOM, TEXTURE], *sets)


def test_every_pair_is_judged(everything: tuple[Path, TransferSummary]) -> None:
    output, summary = everything
    assert (summary.judged, summary.known, list(summary.failures)) == (15, 0, [])
    table = pd.read_csv(output / "transfer.csv")
    pd.testing.assert_frame_equal(table, pd.read_parquet(output / "transfer.parquet"), check_dtype=False)
    assert len(table.groupby(["encoder", "task"])) == 15
    limited = table.dropna(subset="low")
    assert (
        (limited["low"] <= limited["point"] + 1e-12) & (limited["point"] <= limited["high"] + 1e-12)
    ).all()
    facts = json.loads((output / "transfer.json").read_text(), parse_constant=pytest.fail)
    assert len(facts["pairs"]) == 15
    assert json.loads((output / "summary.json").read_text())["judged"] == 15


def test_colour_tells_what_colour_was_planted(everything: tuple[Path, TransferSummary]) -> None:
    table = pd.read_csv(everything[0] / "transfer.csv")
    for kind, measure in (
        ("binary", "auroc"), ("multiclass", "macro_auroc"), ("ordinal", "quadratic_kappa"),
        ("regression", "spearman"), ("multilabel", "macro_auroc"),
    ):  # fmt: skip
        for method, least in (("linear", 0.8), ("neighbours", 0.7)):
            found = point(table, MEAN, task=f"made-{kind}", method=method, measure=measure, unit="tile")
            assert found > least, (kind, method)


def test_what_sees_no_orientation_keeps_its_codes(everything: tuple[Path, TransferSummary]) -> None:
    table = pd.read_csv(everything[0] / "transfer.csv").query("method == 'turned'")
    of_mean = table[table["encoder"] == MEAN]
    assert len(of_mean) == 4 * 5
    assert (of_mean["point"] == 1).all()
    assert (table[table["encoder"] == TEXTURE]["point"] > 0.99).all()
    assert (table[table["encoder"] == RANDOM].query("measure != 'cosine_median'")["point"] < 0.99).all()


def test_tables_and_picture_are_for_people(everything: tuple[Path, TransferSummary]) -> None:
    output, summary = everything
    text = (output / "transfer.md").read_text()
    for words in (
        "Linear probe, by tile",
        "3-shot",
        f"gain over {MEAN}",
        "effective dimension",
        "hed-light, std",
    ):
        assert words in text
    assert "15 pairs judged" in summary.headline
    with Image.open(output / "transfer.png") as picture:
        assert picture.width > 1000
        assert np.asarray(picture.convert("L")).std() > 5


def test_asked_twice_nothing_is_computed(
    everything: tuple[Path, TransferSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, _ = everything
    before = (output / "transfer.csv").read_bytes()
    monkeypatch.setattr(transfer_file, "judge_pair", pytest.fail)
    again = judged(output, [MEAN, RANDOM], made_set("binary"), made_set("ordinal"))
    assert (again.judged, again.known) == (0, 4)
    whole = judged(output, [MEAN, RANDOM, TEXTURE], *[
        made_set(kind) for kind in ("binary", "multiclass", "ordinal", "regression", "multilabel")
    ])  # fmt: skip
    assert whole.known == 15
    assert (output / "transfer.csv").read_bytes() == before


def test_new_settings_keep_the_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(tmp_path, [MEAN], made_set())
    monkeypatch.setattr(CodeBook, "_encode", pytest.fail)
    assert judged(tmp_path, [MEAN], made_set(), recipe=replace(SMALL, draws=21)).judged == 1


def test_failures_are_listed_and_the_others_go_on(tmp_path: Path) -> None:
    tasks, patches_for = given(made_set())
    lacking = [*tasks, Path("absent.toml")]
    summary = judge_encoders([MEAN, "no-such-encoder"], lacking, SMALL, tmp_path, patches_for)
    assert (summary.judged, len(summary.failures)) == (1, 2)
    rows = pd.read_csv(tmp_path / "failures.csv")
    assert rows["slide"].tolist() == [f"{MEAN} on absent", "no-such-encoder"]
    assert (tmp_path / "transfer.png").exists()


def test_a_set_without_a_test_part_is_a_failure(tmp_path: Path) -> None:
    bare = made_set()
    bare.parts[bare.parts == "test"] = "train"
    summary = judged(tmp_path, [MEAN], bare)
    assert "no labelled tile in its test part" in summary.failures.items[0].reason
    assert not (tmp_path / "transfer.csv").exists()


def test_nothing_to_judge_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="0 encoders and 1 tasks"):
        judged(tmp_path, [], made_set())


def test_test_labels_touch_no_probe(tmp_path: Path) -> None:
    """Only scores may change when the labels of the test part are dealt out anew."""

    def answers(patches: PatchSet, folder: Path) -> tuple[list[float], np.ndarray]:
        found = judged(folder, [MEAN], patches).pairs[0].result.strengths
        (path,) = (folder / "pairs").glob("*.npz")
        with np.load(path) as stored:
            return found, stored["answers"]

    honest, shuffled = made_set(), made_set()
    test = shuffled.rows("test")
    shuffled.targets[test] = np.random.default_rng(3).permutation(shuffled.targets[test])
    one, two = answers(honest, tmp_path / "a"), answers(shuffled, tmp_path / "b")
    assert one[0] == two[0]
    np.testing.assert_array_equal(one[1], two[1])


def test_tiles_whose_label_is_not_known_are_left_out(tmp_path: Path) -> None:
    patches = made_set()
    patches.targets[::5] = np.nan
    (pair,) = judged(tmp_path, [MEAN], patches).pairs
    found = pair.result.find("linear")
    assert found is not None
    assert found.cases == int((~np.isnan(patches.targets[patches.rows("test")])).sum())


def test_encoders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    judged(tmp_path, ["random:seed=1,dim=8,tile=64", "random:seed=2,dim=8,tile=64"], made_set())
    table = pd.read_csv(tmp_path / "transfer.csv")
    assert table["encoder"].nunique() == 2


def test_eight_orientations_are_all_there_are() -> None:
    tile = np.random.default_rng(0).integers(0, 255, (1, 5, 5, 3), np.uint8)
    views = [turned(tile, i) for i in range(ORIENTATIONS)]
    assert len({view.tobytes() for view in views}) == 8
    np.testing.assert_array_equal(views[0], tile)
    np.testing.assert_array_equal(views[1], np.rot90(tile, 1, (1, 2)))
    np.testing.assert_array_equal(views[4], tile[:, :, ::-1])


def test_stains_change_and_shapes_stay() -> None:
    tiles = made_set().tiles[:3]
    tiles[:, :10] = 255
    once, again, other = (stained(tiles, "hed-strong", seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert (once != tiles).any()
    assert (once != other).any()
    assert np.abs(once[:, :10].astype(int) - 255).max() <= 2  # glass stays glass: nothing was moved
    np.testing.assert_array_equal(stained(tiles, "basic", 0), tiles)


def test_codes_are_kept_by_encoder_and_tiles(tmp_path: Path) -> None:
    tiles = made_set().tiles
    calls: list[tuple[int, int]] = []

    def some(start: int, end: int) -> np.ndarray:
        calls.append((start, end))
        return tiles[start:end]

    book = CodeBook(load_encoder(MEAN), tmp_path, "cpu", "fp32")
    first = book.of(["a"], some, 20)
    np.testing.assert_array_equal(book.of(["a"], some, 20), first)
    assert calls == [(0, 20)]
    book.of(["b"], some, 20)
    CodeBook(load_encoder(RANDOM), tmp_path, "cpu", "fp32").of(["a"], some, 20)
    assert len(calls) == 3
    np.testing.assert_allclose(first, tiles[:20].mean(axis=(1, 2)) / 255, atol=1e-6)


@pytest.fixture
def recipe_file() -> Callable[[str], Path]:
    folder = Path(__file__).resolve().parents[2] / "recipes" / "patches"
    return lambda name: folder / f"{name}.toml"


def test_real_tissue_is_told_apart(
    tmp_path: Path, shared_data: Path, recipe_file: Callable[[str], Path]
) -> None:
    nic = f"nic:{shared_data / 'nic_encoder_weights' / 'encoder_multitask-4.h5'}"
    recipe = replace(SMALL, stains=(), turned=16)
    summary = transfer([recipe_file("crc-tissue7")], [nic, "mean-rgb"], shared_data, tmp_path, recipe)
    assert not summary.failures
    table = pd.read_csv(tmp_path / "transfer.csv")
    head = {"method": "linear", "measure": "macro_auroc", "unit": "tile"}
    assert point(table, "nic", **head) > 0.9
    accuracy = {**head, "measure": "balanced_accuracy"}
    assert point(table, "nic", **accuracy) > point(table, "mean-rgb", **accuracy) > 2 / 7
    turned_share = {"method": "turned", "measure": "standardised_cosine_median"}
    assert point(table, "nic", **turned_share) < point(table, "mean-rgb", **turned_share) == 1


def test_names_are_split_at_commas_but_not_within_settings() -> None:
    text = "mean-rgb,random:seed=3,dim=32,nic:a/b.h5,timm:resnet50@m.safetensors,spacing=0.25,tile=256,runs/x"
    assert split_names(text) == [
        "mean-rgb", "random:seed=3,dim=32", "nic:a/b.h5",
        "timm:resnet50@m.safetensors,spacing=0.25,tile=256", "runs/x",
    ]  # fmt: skip
