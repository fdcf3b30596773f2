"""Networks of timm under test; nothing is downloaded."""

from __future__ import annotations

import pytest
import torch

from histopress.core.errors import EncoderError, MissingExtraError
from histopress.encoders import timm_encoder
from histopress.studies.patchnet_recipe import PatchnetRecipe
from histopress.studies.patchnets import make_patchnet

timm = pytest.importorskip("timm", reason="timm is not installed")


@pytest.mark.parametrize(
    ("name", "stride"),
    [("resnet10t", 32), ("convnext_atto", 32), ("test_vit", 16), ("test_efficientnet", 32)],
)
def test_networks_of_timm_take_any_size_and_any_channels(name: str, stride: int) -> None:
    net = make_patchnet(PatchnetRecipe(name=f"timm:{name}"), 1, 3, seed=0).eval()
    assert net.locations.stride == stride
    with torch.no_grad():
        for height, width in ((64, 96), (96, 128)):
            found = net.look(torch.rand(2, 1, height, width))
            assert found.evidence.shape == (2, 3, height // stride, width // stride)
            torch.testing.assert_close(found.evidence.mean((2, 3)), found.logits)


def test_the_map_is_that_of_timm() -> None:
    net = make_patchnet(PatchnetRecipe(name="timm:resnet10t"), 3, 2, seed=0).eval()
    model = timm.create_model("resnet10t", num_classes=2).eval()
    ours = {n.removeprefix("trunk.model."): w for n, w in net.state_dict().items() if "model." in n}
    head = {f"fc.{n}": w for n, w in net.classifier.state_dict().items()}
    model.load_state_dict(ours | head)
    pictures = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(net(pictures), model(pictures))


def test_the_resnet_is_the_plain_one() -> None:
    net = make_patchnet(PatchnetRecipe(name="resnet50"), 1, 2, seed=0)
    assert sum(p.numel() for p in net.parameters()) == 23_508_032 + 2 * 2048 + 2 - 2 * 64 * 49
    assert net.training
    assert net.evidence(torch.rand(1, 1, 64, 96)).shape == (1, 2, 2, 3)


def test_a_seed_is_a_network_and_other_poolings_work() -> None:
    recipe = PatchnetRecipe(name="timm:resnet10t", pooling="attention")
    first, again, other = (make_patchnet(recipe, 1, 2, seed=seed).eval() for seed in (0, 0, 1))
    pictures = torch.rand(2, 1, 64, 96)
    assert torch.equal(first(pictures), again(pictures))
    assert not torch.equal(first(pictures), other(pictures))


def test_checkpointing_gives_the_same_gradients() -> None:
    found = []
    for wanted in (False, True):
        net = make_patchnet(PatchnetRecipe(name="timm:resnet10t"), 1, 2, seed=0)
        net.checkpointing = wanted
        assert net.checkpointing is wanted
        torch.manual_seed(1)
        net(torch.rand(2, 1, 64, 96)).logsumexp(1).sum().backward()
        found.append([p.grad for p in net.parameters()])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_errors_name_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EncoderError, match="did you mean"):
        make_patchnet(PatchnetRecipe(name="timm:resnett18"), 1, 2)
    monkeypatch.setattr(timm_encoder, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"histopress\[foundation\]"):
        make_patchnet(PatchnetRecipe(name="resnet50"), 1, 2)
