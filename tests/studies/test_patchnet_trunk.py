"""Receptive fields by gradient, published sizes, and the same numbers by the faster ways."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from histopress.core.errors import RecipeError
from histopress.studies.patchnet_recipe import COUNTS, PatchnetNorm, PatchnetRecipe, field_of
from histopress.studies.patchnet_trunk import Bottleneck, PatchTrunk, Stem
from histopress.studies.patchnets import Patchnet, make_patchnet

PUBLISHED = {5: 22.9e6, 9: 22.9e6, 17: 23.0e6, 33: 23.1e6, 177: 23.5e6}
SMALL = PatchnetRecipe(width=-4, norm="none")


@cache
def parameters(recipe: PatchnetRecipe, channels: int = 1) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in make_patchnet(recipe, channels, 2).parameters())


def seen(net: Patchnet, height: int, width: int, row: int, col: int) -> tuple[Tensor, Tensor]:
    """Rows and cols of the picture whose change would change the evidence of one location, smoothly."""
    for layer in net.modules():  # what sees a pixel does not depend on which ReLU happens to be off
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.abs_()
    picture = torch.rand(1, 1, height, width, dtype=torch.float64, requires_grad=True)
    net.double().evidence(picture)[0, 0, row, col].backward()  # type: ignore[no-untyped-call]
    assert picture.grad is not None
    touched = picture.grad[0, 0] != 0
    rows, cols = touched.any(1).nonzero()[:, 0], touched.any(0).nonzero()[:, 0]
    assert touched.sum() == len(rows) * len(cols)  # a whole rectangle
    return rows, cols


@pytest.mark.parametrize("field", COUNTS)
def test_a_location_sees_its_field_and_nothing_else(field: int) -> None:
    net = make_patchnet(replace(SMALL, field=field), 1, 2, seed=0)
    assert field_of(COUNTS[field]) == field == net.locations.field
    rows, cols = seen(net, field + 16, field + 24, 1, 2)
    top, left, side = net.locations.square(1, 2)
    assert (top, left, side) == (8, 16, field)
    assert rows.tolist() == list(range(top, top + side))
    assert cols.tolist() == list(range(left, left + side))


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (0, 0, 2, 0), (3, 0, 0, 1)])
def test_any_counts_have_the_field_that_they_add_up_to(counts: tuple[int, ...]) -> None:
    net = make_patchnet(replace(SMALL, counts=counts), 1, 2, seed=0)
    rows, cols = seen(net, net.locations.field + 5, net.locations.field + 9, 0, 1)
    assert (rows.min(), rows.max()) == (0, field_of(counts) - 1)  # gaps between, where a stride skips places
    assert (cols.min(), cols.max()) == (8, 8 + field_of(counts) - 1)


def test_locations_are_eight_pixels_apart() -> None:
    for field in (5, 17, 77):
        trunk = PatchTrunk(replace(SMALL, field=field), 1).eval()
        for height, width in ((field, field + 7), (field + 8, field + 15), (field + 40, field + 41)):
            maps = trunk(torch.rand(1, 1, height, width))
            assert maps.shape == (1, 128, (height - field) // 8 + 1, (width - field) // 8 + 1)


def test_a_picture_moved_by_the_stride_moves_its_map() -> None:
    trunk = PatchTrunk(replace(SMALL, field=33), 1).double()
    picture = torch.rand(1, 1, 64, 80, dtype=torch.float64)
    torch.testing.assert_close(trunk(picture[:, :, 8:, 16:]), trunk(picture)[:, :, 1:, 2:])


@pytest.mark.parametrize("field", PUBLISHED)
def test_there_are_as_many_parameters_as_published(field: int) -> None:
    assert parameters(PatchnetRecipe(field=field)) == pytest.approx(PUBLISHED[field], rel=0.005)


def test_capacity_hardly_depends_on_the_receptive_field() -> None:
    counts = [parameters(PatchnetRecipe(field=field)) for field in COUNTS]
    assert max(counts) / min(counts) < 1.03
    lean, full = (parameters(PatchnetRecipe(field=field, compensate=False)) for field in (5, 177))
    assert full == counts[-1]
    assert full / lean > 1.7


def test_channels_follow_the_width() -> None:
    assert [PatchTrunk(PatchnetRecipe(width=w), 1).features for w in (-2, -3, -4)] == [512, 256, 128]
    assert parameters(PatchnetRecipe(width=-1)) == pytest.approx(22.9e6 / 4, rel=0.02)
    assert parameters(PatchnetRecipe(width=1)) == pytest.approx(22.9e6 * 4, rel=0.02)
    assert parameters(PatchnetRecipe(), channels=3) == parameters(PatchnetRecipe()) + 2 * 64


def test_the_stem_is_its_two_convolutions() -> None:
    stem = Stem(3, PatchnetRecipe(width=-3)).double()
    picture = torch.rand(2, 3, 11, 14, dtype=torch.float64)
    fast, slow = stem(picture), torch.relu(stem.norm(stem.look(stem.mix(picture))))
    torch.testing.assert_close(fast, slow)
    weights, signs = [stem.mix.weight, stem.look.weight], torch.randn_like(fast)
    for ours, theirs in zip(
        *(torch.autograd.grad((maps * signs).sum(), weights) for maps in (fast, slow)), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm_is_that_of_torch(affine: bool) -> None:
    norm: PatchnetNorm = "instance" if affine else "instance-plain"
    stem = Stem(1, PatchnetRecipe(width=-3, norm=norm))
    theirs = nn.InstanceNorm2d(8, affine=affine)
    if affine:
        for ours in (stem.norm, theirs):
            nn.init.constant_(ours.weight, 2.0)  # type: ignore[arg-type]
            nn.init.constant_(ours.bias, -0.5)  # type: ignore[arg-type]
    assert sum(p.numel() for p in stem.norm.parameters()) == 16 * affine
    maps = torch.randn(3, 8, 9, 12)
    torch.testing.assert_close(stem.norm(maps), theirs(maps))


def test_norms_differ_in_whom_they_look_at() -> None:
    pictures = torch.rand(3, 1, 40, 48)
    for norm, alone in (("instance", True), ("instance-plain", True), ("none", True), ("batch", False)):
        recipe = PatchnetRecipe(width=-4, norm=norm)  # type: ignore[arg-type]
        net = make_patchnet(recipe, 1, 2, seed=0)
        assert torch.allclose(net(pictures)[:1], net(pictures[:1]), atol=1e-5) is alone
        net.eval()
        torch.testing.assert_close(net(pictures)[:1], net(pictures[:1]), atol=1e-4, rtol=1e-4)


def test_weights_are_he_normal_by_fan_out() -> None:
    net = PatchTrunk(PatchnetRecipe(width=-1), 1)
    block = net.stages[2][1]  # type: ignore[index]
    assert isinstance(block, Bottleneck)
    for conv in (block.branch[0], block.branch[3], block.branch[7]):
        assert isinstance(conv, nn.Conv2d)
        assert float(conv.weight.detach().std()) == pytest.approx((2 / conv.out_channels) ** 0.5, rel=0.05)


def test_without_a_norm_the_answers_stay_of_one_size() -> None:
    maps = PatchTrunk(PatchnetRecipe(width=-2, norm="none", field=33), 1)(torch.rand(2, 1, 64, 72))
    assert 1e-2 < float(maps.detach().std()) < 1e2


def test_dropout_takes_whole_channels_in_training_only() -> None:
    recipe = PatchnetRecipe(width=-4, dropout=0.5)
    net, picture = make_patchnet(recipe, 1, 2, seed=0), torch.rand(1, 1, 40, 48)
    assert not torch.equal(net(picture), net(picture))
    net.eval()
    assert torch.equal(net(picture), make_patchnet(replace(recipe, dropout=0.0), 1, 2, seed=0)(picture))


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_checkpointing_gives_the_same_gradients(norm: PatchnetNorm) -> None:
    found = []
    for wanted in (False, True):
        net = make_patchnet(PatchnetRecipe(width=-4, field=33, norm=norm, dropout=0.2), 1, 2, seed=0)
        net.checkpointing = wanted
        torch.manual_seed(1)
        net(torch.rand(2, 1, 56, 64)).logsumexp(1).sum().backward()
        found.append((net, [p.grad for p in net.parameters()]))
    (plain, ours), (again, theirs) = found
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))  # type: ignore[arg-type]
    for a, b in zip(plain.buffers(), again.buffers(), strict=True):
        assert a.ndim == 0 or torch.equal(a, b)  # batch norm learns a batch once; its counter says twice


def test_checkpointing_remembers_less() -> None:
    kept = []
    for wanted in (False, True):
        net, sizes = make_patchnet(PatchnetRecipe(width=-4), 1, 2, seed=0), [0]
        net.checkpointing = wanted

        def keep(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            net(torch.rand(1, 1, 64, 72))
        kept.append(sizes[0])
    assert kept[1] < kept[0] / 4


def test_too_small_pictures_are_refused_with_the_size_that_would_do() -> None:
    net = make_patchnet(replace(SMALL, field=33), 1, 2)
    assert net(torch.rand(2, 1, 33, 33)).shape == (2, 2)
    with pytest.raises(RecipeError, match=r"30 x 40 px .* at least 33 px"):
        net(torch.rand(2, 1, 30, 40))
    with pytest.raises(RecipeError, match="at least 41 px: instance norm needs two locations"):
        make_patchnet(replace(SMALL, field=33, norm="instance"), 1, 2)(torch.rand(2, 1, 33, 40))
