"""Settings that cannot be are refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from histopress.core.errors import RecipeError
from histopress.core.recipe import build, digest, plain
from histopress.studies.patchnet_recipe import PatchnetRecipe


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"name": "resnet"}, "patchnet, resnet50 or timm:NAME"),
        ({"field": 11}, "expected one of 5, 9, 17"),
        ({"counts": (1, 1, 1)}, "expected four"),
        ({"counts": (4, 0, 0, 0)}, "up to"),
        ({"dropout": 1.0}, "below 1"),
        ({"temperature": 0.0}, "more than 0"),
        ({"name": "resnet50", "width": -3}, "takes no width -3.0"),
        ({"name": "timm:resnet18", "field": 33, "norm": "none"}, "takes no field 33, norm 'none'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        PatchnetRecipe(**settings)


def test_settings_survive_a_file_and_whole_numbers_are_the_same_setting() -> None:
    recipe = PatchnetRecipe(width=-3, counts=(1, 0, 2, 0), pooling="lse")
    assert build(PatchnetRecipe, plain(recipe)) == recipe
    assert digest(recipe) == digest(PatchnetRecipe(width=-3.0, counts=(1, 0, 2, 0), pooling="lse"))
    assert recipe.looks == (1, 0, 2, 0)


def test_settings_come_without_torch() -> None:
    code = "import sys, histopress.studies.patchnet_recipe; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
