from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from histopress.core.errors import PatchError
from histopress.studies.tasks import listed, study_tasks
from histopress.studies.tasks_recipe import TasksRecipe
from histopress.studies.tasks_scores import Score
from histopress.studies.tasks_trend import as_markdown, fit_trend


def make_task(folder: Path, name: str, channel: int, seed: int) -> str:
    """A task whose tiles are brighter in one colour where the label is yes."""
    rng, rows = np.random.default_rng(seed), []
    (folder / name).mkdir(parents=True)
    with zipfile.ZipFile(folder / name / "images.zip", "w") as archive:
        for number in range(24):
            label = number % 2
            pixels = rng.integers(80, 160, (128, 128, 3))
            pixels[..., channel] += 60 * label
            stream = BytesIO()
            Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
            archive.writestr(f"{number}.png", stream.getvalue())
            part = ["train", "train", "tuning", "test"][number // 2 % 4]
            rows.append((f"{number}.png", ("no", "yes")[label], part))
    pd.DataFrame(rows, columns=["file", "label", "split"]).to_csv(folder / name / "index.csv", index=False)
    (folder / f"{name}.toml").write_text(
        f'name = "{name}"\nkind = "binary"\nlayout = "table"\nclasses = ["no", "yes"]\nspacing = 0.5\n'
        f'folder = "{name}"\n[source]\ntable = "index.csv"\nimages = "images.zip"\npart = "split"\n'
    )
    return str(folder / f"{name}.toml")


def test_every_subset_and_seed_once() -> None:
    recipe = TasksRecipe(pool=("a", "b", "c"), seeds=2, methods=("vae",), references=("mean-rgb",))
    found = list(listed(recipe))
    assert len(found) == 2 * (7 + 1) + 1
    assert len({c.name for c in found}) == len(found)
    assert {c.tasks for c in found if len(c.tasks) == 2} == {("a", "b"), ("a", "c"), ("b", "c")}


def test_a_pool_of_one_has_no_trend(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="two tasks"):
        study_tasks(None, tmp_path, TasksRecipe(pool=("crc-tissue7",)))


def test_the_study_trains_judges_and_draws(tmp_path: Path) -> None:
    tasks = [make_task(tmp_path, name, c, c) for c, name in enumerate(("red", "green", "blue"))]
    recipe = TasksRecipe(
        pool=(tasks[0], tasks[1]),
        judges=(tasks[2],),
        seeds=1,
        methods=("simclr",),
        references=("mean-rgb",),
        updates=2,
        batch=8,
        mosaics="",
        resamples=50,
    )
    summary = study_tasks(None, tmp_path / "study", recipe)
    assert not list(summary.failures)
    assert summary.encoders == 5
    table = pd.read_csv(tmp_path / "study" / "scores.csv")
    assert len(table) == 5 * 3
    seen = table[table["group"] == "multitask"].groupby("encoder")["seen"].sum()
    assert seen.to_dict() == {"red-0": 1, "green-0": 1, "red+green-0": 2}
    assert table.query("group == 'mean-rgb'")["point"].min() > 0.95
    assert (tmp_path / "study" / "tasks.png").stat().st_size > 10_000
    weights = [p.stat().st_mtime_ns for p in (tmp_path / "study" / "encoders").rglob("*.safetensors")]
    again = study_tasks(None, tmp_path / "study", recipe)
    assert again.scores == summary.scores
    assert weights == [p.stat().st_mtime_ns for p in (tmp_path / "study" / "encoders").rglob("*.safetensors")]


def score(
    encoder: str, tasks: int, task: str, point: float, *, seen: bool = False, group: str = "multitask"
) -> Score:
    return Score(encoder, group, tasks, 0, task, seen, "auroc", point, point, point)


def test_the_trend_counts_unseen_tasks_alone_each_on_its_own_level() -> None:
    scores = [
        score(f"{n}-{s}", n, task, level + 0.02 * n + 0.001 * s)
        for n in (1, 2, 3)
        for s in range(3)
        for task, level in (("easy", 0.9), ("hard", 0.5))
        if not (n == 3 and task == "easy")  # encoders of three tasks have seen the easy one
    ]
    scores += [score("3-0", 3, "easy", 0.1, seen=True), score("nic", 0, "easy", 0.2, group="nic")]
    trend = fit_trend(scores, TasksRecipe(resamples=200))
    assert trend["slope"] == pytest.approx(0.02, abs=1e-6)
    assert trend["low"] < 0.02 < trend["high"]
    assert trend["by_number"]["2"] - trend["by_number"]["1"] == pytest.approx(0.02)
    assert "+0.0200" in trend["text"]


def test_no_trend_without_two_numbers_of_tasks() -> None:
    assert fit_trend([score("a", 1, "t", 0.5), score("b", 1, "t", 0.6)], TasksRecipe()) == {}
    assert fit_trend([], TasksRecipe()) == {}


def test_the_table_names_every_kind_of_encoder() -> None:
    scores = [score("a", 1, "t", 0.5), score("b", 2, "t", 0.7), score("nic", 0, "t", 0.9, group="nic")]
    text = as_markdown(pd.DataFrame([vars(s) for s in scores]), {})
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:5]] == ["1 task", "2 tasks", "nic"]
