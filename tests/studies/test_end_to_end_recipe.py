"""Settings of training end to end: the published ones, and how they turn into looks, draws and steps."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from histopress.core.errors import RecipeError
from histopress.core.recipe import build, digest, plain
from histopress.studies.end_to_end_recipe import EndToEndRecipe
from histopress.studies.patchnet_recipe import PatchnetRecipe

PUBLISHED = EndToEndRecipe()
FULL = 11276


def test_the_defaults_are_the_published_ones() -> None:
    fitting = PUBLISHED.fitting(FULL, 1972)
    assert (fitting.optimizer, fitting.lr, fitting.eps, fitting.weight_decay) == ("rmsprop", 5e-5, 1e-5, 0)
    assert (fitting.epochs, fitting.schedule, fitting.milestones) == (200, "steps", (80, 120, 160))
    assert (PUBLISHED.batch, fitting.accumulate, fitting.seed, fitting.clip) == (32, 4, 42, 0)
    assert (fitting.patience, fitting.enough) == (200, None)
    assert PUBLISHED.draws(FULL) == FULL


@pytest.mark.parametrize(
    ("pictures", "times"), [(1400, 8), (2819, 4), (2820, 3), (5638, 2), (7500, 1), (99999, 1)]
)
def test_fewer_pictures_are_passed_more_often(pictures: int, times: int) -> None:
    fitting = PUBLISHED.fitting(pictures, 1972)
    assert fitting.epochs == fitting.patience == PUBLISHED.looks(pictures) == 200 * times
    assert fitting.milestones == (80 * times, 120 * times, 160 * times)
    assert replace(PUBLISHED, full=0).looks(pictures) == 200


def test_quirks_make_an_update_of_one_batch_less_and_clip_nothing() -> None:
    recipe = replace(PUBLISHED, quirks=True, clip=1.0)
    assert recipe.fitting(FULL, 9).accumulate * recipe.batch == 96
    assert recipe.fitting(FULL, 9).clip == 0
    assert replace(recipe, quirks=False).fitting(FULL, 9).clip == 1
    assert replace(recipe, accumulate=1).fitting(FULL, 9).accumulate == 1


@pytest.mark.parametrize("quirks", [False, True])
def test_updates_are_counted(quirks: bool) -> None:
    recipe = replace(PUBLISHED, updates=1000, look_every=50, quirks=quirks)
    fitting = recipe.fitting(300, 9)
    assert (fitting.epochs, fitting.milestones) == (20, (8, 12, 16))
    assert recipe.draws(300) == recipe.draws(9) == 50 * fitting.accumulate * 32
    few = replace(recipe, updates=30)
    assert few.looks(300) * few.draws(300) == 30 * fitting.accumulate * 32


def test_other_schedules_have_no_steps() -> None:
    assert replace(PUBLISHED, schedule="cosine").fitting(FULL, 9).milestones == ()


@pytest.mark.parametrize(("stop_at", "wrong"), [(1.0, 0), (0.9, 20), (0.95, 10), (0.999, 0)])
def test_enough_is_so_many_wrong_pictures(stop_at: float, wrong: int) -> None:
    assert replace(PUBLISHED, stop_at=stop_at).fitting(FULL, 200).enough == wrong + 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"batch": 0}, "batch is 0"), ({"updates": -1}, "updates is -1"), ({"stop_at": 1.5}, "stop_at is 1.5")],
)
def test_what_cannot_be_is_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        EndToEndRecipe(**setting)


def test_it_is_a_recipe() -> None:
    recipe = replace(PUBLISHED, network=PatchnetRecipe(width=-3))
    assert build(EndToEndRecipe, plain(recipe)) == recipe
    assert digest(recipe) != digest(PUBLISHED)


def test_it_is_quick_to_import() -> None:
    asked = "import sys, histopress.studies.end_to_end_recipe"
    code = f"{asked}; sys.exit(bool({{'torch', 'pandas'}} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
