"""Ready tasks: every file is whole, its settings are those of `train`, its figures are marked."""

from __future__ import annotations

from pathlib import Path

import pytest

from histopress.core.errors import CohortError, RecipeError
from histopress.core.recipe import build
from histopress.data.cohort_recipes import make_cohort
from histopress.data.ready_files import ready_folder
from histopress.data.task_recipes import (
    KIND,
    describe_task,
    find_task_recipe,
    list_tasks,
    read_task_recipe,
    task_names,
)
from histopress.heads.targets import parse_target
from histopress.heads.train import TrainRecipe

NAMES = (
    "camelyon16",
    "clm-growth-pattern",
    "overall-survival",
    "panda",
    "recurrence",
    "tcga-survival",
    "treatment-response",
    "tupac16",
)


def test_every_task_is_there_and_listed() -> None:
    assert task_names() == NAMES
    listed = list_tasks()
    assert all(f"{name} " in listed for name in NAMES)
    readme = (ready_folder(KIND) / "README.md").read_text()
    assert all(f"| `{name}` |" in readme for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_says_all_that_a_user_needs(name: str) -> None:
    recipe = read_task_recipe(name)
    task = recipe.task
    assert task.title and task.measure and len(task.download) > 40 and len(task.layout) > 80
    assert task.confirmed and task.from_memory
    assert task.cohort.startswith(f"histopress cohort {name} ")
    table = task.cohort.rpartition(" -o ")[2]
    assert task.compress == f"histopress compress {table} -o grids"
    assert task.train.startswith(f"histopress train {table} --grids grids --target ")
    assert task.target in task.train and "--recipe {recipe}" in task.train
    assert len(parse_target(task.target)) == 1
    assert isinstance(build(TrainRecipe, recipe.train, where=name), TrainRecipe)


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_marked_and_have_a_source(name: str) -> None:
    figures = read_task_recipe(name).task.published
    assert all(f.mark in ("C", "C2") for f in figures)
    assert all(f.system and f.measure and f.value and f.data and f.source for f in figures)
    told = describe_task(name)
    assert all(f"{f.measure} {f.value}" in told for f in figures)
    assert figures or "none that we could confirm" in told


@pytest.mark.parametrize("name", NAMES)
def test_every_task_has_a_reader(name: str, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="there is no"):
        make_cohort(name, [tmp_path / "absent.csv"], tmp_path / "cohort.csv")


def test_the_description_names_this_file_and_all_commands() -> None:
    told = describe_task("tupac16")
    assert f"--recipe {find_task_recipe('tupac16')}" in told
    assert "histopress cohort tupac16" in told and "From memory" in told and "490 GB" in told


def test_figures_without_a_mark_and_unknown_names_are_refused(tmp_path: Path) -> None:
    text = find_task_recipe("tupac16").read_text().replace('mark = "C"', 'mark = "M"', 1)
    own = tmp_path / "own.toml"
    own.write_text(text)
    with pytest.raises(RecipeError, match="mark"):
        read_task_recipe(own)
    with pytest.raises(RecipeError, match="tupac16"):
        find_task_recipe("tupac")
