"""Laws of the poolings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from histopress.studies.patchnet_pooling import LogSumExp, Max, Mean, make_pooling
from histopress.studies.patchnet_recipe import PatchnetPooling, PatchnetRecipe

POOLINGS: tuple[PatchnetPooling, ...] = ("mean", "max", "lse", "attention")
RECIPE = PatchnetRecipe(width=-3)


def maps(seed: int = 0) -> torch.Tensor:
    return torch.randn(3, 8, 5, 7, generator=torch.Generator().manual_seed(seed))


def test_log_sum_exp_lies_between_mean_and_maximum_and_nears_both() -> None:
    x = maps()
    mean, largest, lse = Mean()(x), Max()(x), LogSumExp(1.0)(x)
    assert bool((mean < lse).all() and (lse < largest).all())
    torch.testing.assert_close(LogSumExp(1e-3)(x), largest, atol=0.01, rtol=0)
    torch.testing.assert_close(LogSumExp(1e3)(x), mean, atol=0.01, rtol=0)


@pytest.mark.parametrize("name", POOLINGS)
def test_where_a_location_lies_makes_no_difference(name: PatchnetPooling) -> None:
    pooling, x = make_pooling(replace(RECIPE, pooling=name), 8), maps()
    order = torch.randperm(35, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(pooling(x), pooling(x.flatten(2)[:, :, order].view_as(x)))


@pytest.mark.parametrize("name", POOLINGS)
def test_a_map_laid_twice_side_by_side_is_pooled_alike(name: PatchnetPooling) -> None:
    pooling, x = make_pooling(replace(RECIPE, pooling=name), 8), maps()
    torch.testing.assert_close(pooling(x), pooling(torch.cat([x, x], 3)))


@pytest.mark.parametrize("name", POOLINGS)
def test_constant_maps_are_pooled_to_their_value_at_any_precision(name: PatchnetPooling) -> None:
    pooling = make_pooling(replace(RECIPE, pooling=name), 8)
    pooled = pooling(torch.full((2, 8, 63, 65), 1.5))
    torch.testing.assert_close(pooled, torch.full((2, 8), 1.5))
    half = pooling.to(torch.bfloat16)(torch.full((2, 8, 63, 65), 1.5, dtype=torch.bfloat16))
    torch.testing.assert_close(half, pooled)  # in float32


def test_attention_sums_to_one_and_starts_near_even() -> None:
    torch.manual_seed(0)
    weights = make_pooling(replace(RECIPE, pooling="attention"), 8).weights(maps())
    assert weights is not None
    assert weights.shape == (3, 5, 7)
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones(3))
    assert float(weights.detach().max()) < 4 / 35


def test_attention_has_its_published_size_and_scales() -> None:
    for width, hidden in ((0, 128), (-3, 16)):
        pooling = make_pooling(PatchnetRecipe(width=width, pooling="attention"), 256)
        assert sum(p.numel() for p in pooling.parameters()) == 256 * hidden + hidden + hidden + 1
