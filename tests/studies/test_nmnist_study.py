"""The study of nMNIST, from digits to tables and figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tests.studies.conftest import WriteDigits

from histopress.core.recipe import digest, load
from histopress.data.ready_files import ready_folder, ready_names
from histopress.studies.chain_recipe import ChainRecipe
from histopress.studies.end_to_end_recipe import EndToEndRecipe
from histopress.studies.nmnist_study import NmnistSource, study_nmnist
from histopress.studies.nmnist_study_recipe import NmnistStudyRecipe
from histopress.studies.picture_study import picture_trials

TINY = NmnistStudyRecipe(
    canvases=(32,),
    digit=14,
    sizes=(12, 24),
    widths=(-4.0,),
    chains=("crops/mean",),
    replicates=1,
    tuning=4,
    test=8,
    training=EndToEndRecipe(updates=2, look_every=1, batch=4, accumulate=1),
    chain=ChainRecipe(magnify=2, crops=24, dim=8, updates=3, epochs=1, patience=1, batch=4),
)


def test_one_call_makes_runs_tables_and_figures_and_a_second_one_nothing(
    write_digits: WriteDigits, tmp_path: Path
) -> None:
    mnist = write_digits(tmp_path / "mnist", 240, 100)
    summary = study_nmnist(mnist, tmp_path / "study", TINY)
    assert not summary.failures.items
    table = pd.read_parquet(tmp_path / "study" / "results.parquet")
    assert table["control"].value_counts().to_dict() == {"": 4, "permuted": 2, "noise": 2}
    assert set(table["way"]) == {"end to end", "crops/mean"}
    assert table["test_accuracy"].between(0, 1).all() and (table["parameters"] > 0).all()
    names = {path.name for path in (tmp_path / "study").iterdir()}
    assert {"findings.md", "results.csv", "learners.png", "encoders", "runs"} <= names

    moved = (tmp_path / "mnist").rename(
        tmp_path / "elsewhere"
    )  # digits are known by what they are, not where
    again = study_nmnist(moved, tmp_path / "study", TINY)
    assert (again.before, again.now) == (8, 0)


@pytest.mark.parametrize("name", ready_names("studies"))
def test_ready_recipes_give_trials_that_differ(name: str) -> None:
    recipe = load(NmnistStudyRecipe, ready_folder("studies") / f"{name}.toml")
    sources = [NmnistSource(canvas, recipe.digit, 3, 1, "digits") for canvas in recipe.canvases]
    trials = picture_trials(sources, recipe)
    assert len({trial.name for trial in trials}) == len(trials) >= 12
    assert all(field <= min(recipe.canvases) for field in recipe.fields)


def test_a_source_is_the_object_to_image_ratio_of_the_published_canvas() -> None:
    small, published = NmnistSource(64, 14, 3, 1, "x"), NmnistSource(128, 28, 3, 1, "x")
    assert small.o2i == published.o2i
    assert small.crop_source.side * 2 == published.crop_source.side == 64
    assert digest(small) != digest(published) != digest(replace(published, content="y"))
