"""Names of transformers and of timm: the same network under both."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from histopress.core.errors import EncoderError
from histopress.encoders.layouts import from_transformers

BACK = {
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "reg_token": "embeddings.register_tokens",
}
DINO = {
    "norm1": "norm1", "norm2": "norm2", "attn.proj": "attention.output.dense", "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2", "ls1.gamma": "layer_scale1.lambda1", "ls2.gamma": "layer_scale2.lambda1",
}  # fmt: skip
VIT = DINO | {
    "norm1": "layernorm_before", "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
}  # fmt: skip


def in_transformers(name: str, weight: Tensor, parts: dict[str, str]) -> dict[str, Tensor]:
    """A weight of timm under its names in transformers, written independently of what is tested."""
    for ours, theirs in BACK.items():
        if name.startswith(ours):
            return {name.replace(ours, theirs): weight}
    if name.startswith("norm."):
        return {f"layer{name}": weight}
    _, layer, rest = name.split(".", 2)
    if rest.startswith("attn.qkv."):
        kind = rest.rpartition(".")[2]
        thirds = zip(("query", "key", "value"), weight.chunk(3), strict=True)
        return {f"encoder.layer.{layer}.attention.attention.{part}.{kind}": third for part, third in thirds}
    ours = next(part for part in parts if rest.startswith(part))
    return {f"encoder.layer.{layer}.{rest.replace(ours, parts[ours])}": weight}


@pytest.mark.parametrize(("parts", "extra"), [(VIT, {}), (DINO, {"init_values": 1e-5})])
def test_names_come_back_as_they_were(parts: dict[str, str], extra: dict[str, float]) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    model = timm.create_model("vit_tiny_patch16_224", depth=2, img_size=48, num_classes=0, **extra)
    theirs: dict[str, Tensor] = {
        "pooler.dense.weight": torch.ones(2, 2),
        "embeddings.mask_token": torch.ones(1, 2),
    }
    for name, weight in model.state_dict().items():
        theirs |= in_transformers(name, weight, parts)
    found = from_transformers({f"vit.{name}": weight for name, weight in theirs.items()})
    assert found.keys() == model.state_dict().keys()
    assert all(torch.equal(found[name], weight) for name, weight in model.state_dict().items())


def test_other_names_are_refused() -> None:
    with pytest.raises(EncoderError, match=r"'text\.layer\.0\.weight' is none of a ViT or DINOv2"):
        from_transformers({"text.layer.0.weight": torch.ones(1)})
    with pytest.raises(EncoderError, match="has no key or value beside it"):
        from_transformers({"encoder.layer.0.attention.attention.query.bias": torch.ones(1)})


@pytest.mark.parametrize(
    ("kind", "model", "given"),
    [
        ("ViT", "vit_base_patch16_224", {}),
        ("Dinov2", "vit_large_patch16_224", {"init_values": 1e-5}),
        ("Dinov2WithRegisters", "vit_base_patch14_reg4_dinov2", {"mlp_ratio": 176 / 32}),
    ],
)
def test_codes_are_those_of_transformers(
    kind: str, model: str, given: dict[str, float], tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    timm = pytest.importorskip("timm", reason="timm is not installed")
    patch, swiglu = (14, True) if "reg4" in model else (16, False)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": patch}
    own = {"intermediate_size": 128} if kind == "ViT" else {"mlp_ratio": 4, "use_swiglu_ffn": swiglu}
    config = getattr(transformers, f"{kind}Config")(image_size=4 * patch, **shape, **own)
    torch.manual_seed(0)
    theirs = getattr(transformers, f"{kind}Model")(config).eval()
    for weight in theirs.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    theirs.save_pretrained(tmp_path)
    layers = {"mlp_layer": timm.layers.SwiGLUPacked, "act_layer": torch.nn.SiLU} if swiglu else {}
    ours = timm.create_model(
        model, img_size=4 * patch, embed_dim=32, depth=2, num_heads=2, num_classes=0, **given, **layers
    ).eval()
    ours.load_state_dict(from_transformers(load_file(tmp_path / "model.safetensors")))
    images = torch.randn(2, 3, 4 * patch, 4 * patch)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images).last_hidden_state[:, 0], rtol=1e-3, atol=1e-4)
