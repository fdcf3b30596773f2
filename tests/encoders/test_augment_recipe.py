from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from histopress.core.errors import RecipeError
from histopress.core.recipe import build, digest, load, plain, save
from histopress.encoders.augment_recipe import BOUNDS, LADDER, STILL, AugmentRecipe


def test_the_ladder_holds_the_published_ranges() -> None:
    assert [*LADDER] == [
        "none", "basic", "morphology", "brightness-contrast",
        "hsv-light", "hsv-strong", "hed-light", "hed-strong",
    ]  # fmt: skip
    strong = LADDER["hed-strong"]
    assert (strong.zoom, strong.elastic_alpha, strong.elastic_sigma) == ((0.8, 1.2), (80, 120), (9, 11))
    assert (strong.noise, strong.brightness, strong.contrast) == ((0, 0.1), (0.65, 1.35), (0.5, 1.5))
    assert (strong.stain, strong.stain_bias, strong.hue) == ((-1, 1), (-1, 1), (0, 0))
    assert LADDER["hed-light"].stain == (-0.3, 0.3)
    assert (LADDER["hsv-strong"].hue, LADDER["hsv-light"].saturation) == ((-1, 1), (-0.1, 0.1))
    assert not any(recipe.jpeg_share for recipe in LADDER.values())


def test_each_step_keeps_what_the_weaker_ones_have() -> None:
    steps = ["none", "basic", "morphology", "brightness-contrast"]
    for last in ("hsv-light", "hsv-strong", "hed-light", "hed-strong"):
        chain = [plain(LADDER[name]) for name in [*steps, last]]
        for weak, strong in pairwise(chain):
            kept = [name for name in STILL if plain(STILL[name]) != weak[name]]
            assert all(strong[name] == weak[name] for name in kept)


def test_what_is_given_goes_before_the_strength() -> None:
    recipe = AugmentRecipe("hed-light", zoom=(1.0, 1.0), orientations=False, jpeg_share=0.2)
    assert recipe == replace(LADDER["hed-light"], zoom=(1.0, 1.0), orientations=False, jpeg_share=0.2)
    assert recipe.blur == (0.1, 1.0)


def test_recipes_survive_files_and_tell_their_numbers(tmp_path: Path) -> None:
    recipe = AugmentRecipe("hsv-light", angle=(-10.0, 10.0))
    for name in ("recipe.toml", "recipe.json"):
        save(recipe, tmp_path / name)
        assert load(AugmentRecipe, tmp_path / name) == recipe
    (tmp_path / "short.toml").write_text('strength = "hsv-light"\nangle = [-10, 10]\n')
    assert load(AugmentRecipe, tmp_path / "short.toml") == recipe
    assert digest(recipe) != digest(LADDER["hsv-light"])
    assert build(AugmentRecipe, plain(recipe)) == recipe


def test_wrong_numbers_are_all_named() -> None:
    with pytest.raises(RecipeError, match=r"'hed' is unknown; expected one of none, basic"):
        AugmentRecipe("hed")
    with pytest.raises(RecipeError, match=r"(?s)zoom is \[1.2, 0.8\].*blur is \[1.0\].*jpeg_share is 2"):
        AugmentRecipe(zoom=(1.2, 0.8), blur=(1.0,), jpeg_share=2)
    for name, (least, most) in BOUNDS.items():
        for value in (least - 1, most + 1, float("nan")):
            with pytest.raises(RecipeError, match=name):
                AugmentRecipe(**{name: (value, value)})
    with pytest.raises(RecipeError, match="jpeg_quality is 100, expected 1 to 95"):
        AugmentRecipe(jpeg_quality=100)


def test_shrunk_ranges_in_px_follow_the_tile() -> None:
    recipe = LADDER["hed-strong"].shrunk(2)
    assert (recipe.elastic_alpha, recipe.elastic_sigma) == ((20, 30), (4.5, 5.5))
    assert (recipe.blur, recipe.noise) == ((0.05, 0.5), (0, 0.05))
    assert replace(recipe, **{n: getattr(LADDER["hed-strong"], n) for n in ("blur", "noise", "elastic_alpha")}
                   ) == replace(LADDER["hed-strong"], elastic_sigma=(4.5, 5.5))  # fmt: skip
    assert LADDER["hed-strong"].shrunk(1) == LADDER["hed-strong"]
