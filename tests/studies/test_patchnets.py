"""Whole networks: answers are made of evidence; any size; the same seed, the same network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from histopress.core.errors import RecipeError
from histopress.studies.patchnet_recipe import PatchnetPooling, PatchnetRecipe
from histopress.studies.patchnets import make_patchnet, prepare

RECIPE = PatchnetRecipe(width=-4)


def pictures(height: int = 40, width: int = 56, channels: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.rand(3, channels, height, width, generator=random)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_logits_are_the_weighted_evidence(pooling: PatchnetPooling) -> None:
    net = make_patchnet(replace(RECIPE, pooling=pooling), 1, 3, seed=0)
    found = net.look(pictures())
    assert found.evidence.shape == (3, 3, 4, 6)
    assert found.weights is not None
    torch.testing.assert_close((found.evidence * found.weights[:, None]).sum((2, 3)), found.logits)
    torch.testing.assert_close(net(pictures()), found.logits)
    torch.testing.assert_close(net.evidence(pictures()), found.evidence)


@pytest.mark.parametrize("pooling", ["max", "lse"])
def test_a_single_location_is_its_own_evidence(pooling: PatchnetPooling) -> None:
    net = make_patchnet(replace(RECIPE, pooling=pooling, norm="none"), 1, 2, seed=0)
    found = net.look(pictures(9, 14))
    assert found.weights is None
    torch.testing.assert_close(found.evidence[:, :, 0, 0], found.logits)


def test_one_network_takes_pictures_of_any_size_and_shape() -> None:
    net = make_patchnet(RECIPE, 3, 2, seed=0)
    for height, width in ((40, 56), (73, 34), (120, 96)):
        assert net(pictures(height, width, 3)).shape == (3, 2)


def test_a_seed_is_a_network_and_leaves_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (make_patchnet(RECIPE, 1, 2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first(pictures()), again(pictures()))
    assert not torch.allclose(first(pictures()), other(pictures()))
    torch.manual_seed(0)
    assert torch.equal(make_patchnet(RECIPE, 1, 2)(pictures()), first(pictures()))


def test_weights_survive_a_file(tmp_path: Path) -> None:
    net = make_patchnet(replace(RECIPE, pooling="attention"), 1, 2, seed=0)
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    again = make_patchnet(net.recipe, 1, 2, seed=1)
    again.load_state_dict(load_file(tmp_path / "net.safetensors"))
    assert torch.equal(again(pictures()), net(pictures()))


def test_pictures_are_prepared() -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    unit = prepare(torch.from_numpy(drawn))
    assert (unit.shape, unit.dtype, unit.is_contiguous()) == ((2, 3, 5, 7), torch.float32, True)
    assert float(unit[1, 2, 3, 4]) == pytest.approx(drawn[1, 3, 4, 2] / 255)
    raw = prepare(torch.from_numpy(drawn), PatchnetRecipe(pixels="raw"))
    torch.testing.assert_close(raw, unit * 255)
    with pytest.raises(RecipeError, match=r"float32, expected uint8"):
        prepare(unit)


def test_half_precision_gives_nearly_the_same() -> None:
    net = make_patchnet(RECIPE, 1, 2, seed=0)
    with torch.autocast("cpu", torch.bfloat16):
        half = net(pictures())
    torch.testing.assert_close(half.float(), net(pictures()), atol=0.1, rtol=0.1)


def test_the_compiler_takes_it_in_one_piece() -> None:
    net = make_patchnet(RECIPE, 1, 2, seed=0)
    for stage in net.trunk.stages:  # type: ignore[union-attr]
        del stage[1:]  # more of the same, which takes long
    expected = net(pictures())
    net.checkpointing = True
    torch._dynamo.reset()
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(pictures()), expected)
