from __future__ import annotations

import json
from dataclasses import fields

import pytest
import torch

from histopress.encoders.augment_draws import BEST_QUALITY, GRAINS, Draws, draw, grains
from histopress.encoders.augment_recipe import BOUNDS, LADDER, AugmentRecipe

MANY = 4000


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("strength", [*LADDER])
def test_ranges_are_honoured_and_filled(strength: str) -> None:
    recipe = LADDER[strength]
    draws = draw(recipe, MANY, seeded())
    assert len(draws) == MANY
    for name in BOUNDS:
        least, most = getattr(recipe, name)
        values = getattr(draws, name)
        ends = torch.tensor([least, most])
        assert values.min() >= ends[0] and values.max() <= ends[1]
        reach = 0.01 * (most - least)
        assert values.min() <= least + reach and values.max() >= most - reach - 1e-6
        assert abs(values.double().mean() - (least + most) / 2) <= 0.03 * (most - least) + 1e-6
    ways = torch.bincount(2 * draws.turns + draws.mirrored, minlength=8)
    assert ways.min() > MANY / 10 if recipe.orientations else ways[0] == MANY
    assert not draws.quality.any()


def test_jpeg_is_drawn_for_a_share_of_the_tiles() -> None:
    quality = draw(AugmentRecipe(jpeg_share=0.3, jpeg_quality=60), MANY, seeded()).quality
    drawn = quality[quality > 0]
    assert 0.27 < len(drawn) / MANY < 0.33
    assert (drawn.min(), drawn.max()) == (60, BEST_QUALITY)


def test_stains_are_drawn_each_alone() -> None:
    draws = draw(LADDER["hed-strong"], MANY, seeded())
    together = torch.cat([draws.stain, draws.stain_bias], dim=1)
    assert (torch.corrcoef(together.T) - torch.eye(6)).abs().max() < 0.06


def test_equal_seeds_give_equal_orientations_in_all_strengths() -> None:
    all_draws = [draw(recipe, 9, seeded()) for name, recipe in LADDER.items() if name != "none"]
    for other in all_draws[1:]:
        assert torch.equal(other.turns, all_draws[0].turns)
        assert torch.equal(other.mirrored, all_draws[0].mirrored)
    after = seeded(), seeded()
    draw(LADDER["none"], 5, after[0])
    draw(LADDER["hed-strong"], 5, after[1])
    assert torch.equal(after[0].get_state(), after[1].get_state())


def test_a_record_is_plain_and_gives_the_same_draws() -> None:
    draws = draw(AugmentRecipe("hed-strong", hue=(-1, 1), angle=(-9, 9), jpeg_share=0.5), 7, seeded())
    record = json.loads(json.dumps(draws.record()))
    again = Draws.recorded(record)
    for field in fields(Draws):
        mine, theirs = getattr(draws, field.name), getattr(again, field.name)
        assert len(record[field.name]) == 7
        assert mine.dtype == theirs.dtype and torch.equal(mine, theirs)


def test_rows_are_the_draws_of_some_tiles() -> None:
    draws = draw(LADDER["hed-strong"], 6, seeded())
    some = draws.rows([4, 1])
    assert len(some) == 2
    assert torch.equal(some.stain, draws.stain[[4, 1]])
    assert torch.equal(draws.rows(slice(2, 5)).grain, draws.grain[2:5])


def test_grains_are_windows_of_one_ring_of_normal_numbers() -> None:
    starts = torch.tensor([5, 0, GRAINS - 3])
    few, many = grains(starts, 8), grains(starts, 5000)
    assert torch.equal(few, many[:, :8])
    assert torch.equal(few[0, :3], few[1, 5:])
    assert torch.equal(few[2, 3:], few[1, :5])
    assert abs(many[:2].mean()) < 0.05 and abs(many[:2].std() - 1) < 0.05
