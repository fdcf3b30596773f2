from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from histopress.core.errors import EncoderError
from histopress.encoders import augment as module
from histopress.encoders.augment import LADDER, AugmentRecipe, Draws, apply, augment, draw

EVERYTHING = AugmentRecipe(
    "hed-strong", hue=(-1, 1), saturation=(-1, 1), angle=(-20, 20), jpeg_share=0.5, jpeg_quality=20
)
PARTLY = AugmentRecipe("basic", jpeg_share=0.5)
RECIPES = {**LADDER, "everything": EVERYTHING, "partly": PARTLY}


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiles(batch: int, side: int = 40) -> Tensor:
    """Square, as quarter turns ask for."""
    return torch.rand(batch, 3, side, side, generator=seeded(9))


def check_same(some: Tensor, other: Tensor) -> None:
    """Equal but for the last bits, which another size of batch may change; JPEG can round few apart."""
    apart = (some - other).abs() > 2e-6
    assert apart.float().mean() < 0.002
    assert (some - other).abs().max() < 0.2


@pytest.mark.parametrize("name", RECIPES)
def test_a_batch_equals_its_elements(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images, draws = tiles(7), draw(RECIPES[name], 7, seeded())
    whole = apply(images, draws)
    for row in range(7):
        alone = apply(images[row : row + 1], draws.rows([row]))
        check_same(alone[0], whole[row])
    backwards = apply(images.flip(0), draws.rows(list(range(7))[::-1]))
    check_same(backwards.flip(0), whole)
    monkeypatch.setattr(module, "CACHED", 2 * images[0].numel())
    check_same(apply(images, draws), whole)


@pytest.mark.parametrize("name", RECIPES)
def test_a_record_applied_again_gives_the_same_pixels(name: str) -> None:
    images = tiles(5)
    draws = draw(RECIPES[name], 5, seeded())
    first = apply(images, draws)
    again = Draws.recorded(json.loads(json.dumps(draws.record())))
    assert torch.equal(apply(images, again), first)
    assert torch.equal(augment(images, RECIPES[name], seeded()), first)
    if name != "none":
        assert not torch.equal(augment(images, RECIPES[name], seeded(2)), first)


@pytest.mark.parametrize("name", RECIPES)
def test_results_stay_numbers_within_the_range(name: str) -> None:
    black, white = torch.zeros(9, 3, 24, 24), torch.ones(9, 3, 24, 24)
    hard = tiles(9, 24).round()
    for images in (black, white, hard):
        after = augment(images, RECIPES[name], seeded())
        assert after.isfinite().all()
        assert after.min() >= 0 and after.max() <= 1


def test_none_gives_the_pixels_back_bit_for_bit_in_memory_of_its_own() -> None:
    images = tiles(3)
    after = augment(images, LADDER["none"], seeded())
    assert torch.equal(after, images)
    assert after.data_ptr() != images.data_ptr()


def test_basic_only_moves_pixels() -> None:
    images = tiles(8)
    after = augment(images, LADDER["basic"], seeded())
    assert torch.equal(after.flatten(1).sort(1).values, images.flatten(1).sort(1).values)


def test_tiles_for_which_nothing_was_drawn_are_left_alone() -> None:
    images = tiles(30)
    draws = draw(AugmentRecipe(jpeg_share=0.5), 30, seeded())
    kept = draws.quality == 0
    after = apply(images, draws)
    assert 5 < int(kept.sum()) < 25
    assert torch.equal(after[kept], images[kept])
    assert not torch.isclose(after[~kept], images[~kept]).flatten(1).all(1).any()


def test_layout_in_memory_does_not_matter_and_is_kept() -> None:
    images, draws = tiles(4), draw(EVERYTHING, 4, seeded())
    last = images.contiguous(memory_format=torch.channels_last)
    after = apply(last, draws)
    assert after.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(after, apply(images, draws))


@pytest.mark.parametrize("name", RECIPES)
def test_images_are_left_as_they_were(name: str) -> None:
    images = tiles(4)
    before = images.clone()
    augment(images, RECIPES[name], seeded())
    assert torch.equal(images, before)


def test_low_precision_around_it_does_not_reach_in() -> None:
    images, draws = tiles(3), draw(EVERYTHING, 3, seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = apply(images, draws)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, apply(images, draws))


def test_oblong_tiles_go_through_when_they_are_not_turned() -> None:
    images = torch.rand(3, 3, 40, 56)
    recipe = replace(EVERYTHING, orientations=False)
    assert augment(images, recipe, seeded()).shape == images.shape
    with pytest.raises(EncoderError, match="40 x 56 px and cannot be turned"):
        augment(images, LADDER["basic"], seeded())


def test_an_empty_batch_stays_empty() -> None:
    assert augment(torch.empty(0, 3, 40, 40), EVERYTHING, seeded()).shape == (0, 3, 40, 40)


def test_wrong_images_are_refused() -> None:
    draws = draw(LADDER["basic"], 2, seeded())
    with pytest.raises(EncoderError, match=r"\(2, 8, 12, 3\) torch.uint8, expected .* divide uint8"):
        apply(torch.zeros(2, 8, 12, 3, dtype=torch.uint8), draws)
    with pytest.raises(EncoderError, match="2 draws for 3 images"):
        apply(torch.zeros(3, 3, 8, 12), draws)
