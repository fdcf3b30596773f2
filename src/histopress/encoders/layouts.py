"""Weights of vision transformers in the names of the transformers library -> the names of timm."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from histopress.core.errors import EncoderError

RENAMED = {
    r"embeddings\.cls_token": "cls_token",
    r"embeddings\.register_tokens": "reg_token",
    r"embeddings\.position_embeddings": "pos_embed",
    r"embeddings\.patch_embeddings\.projection\.(\w+)": r"patch_embed.proj.\1",
    r"encoder\.layer\.(\d+)\.(?:norm1|layernorm_before)\.(\w+)": r"blocks.\1.norm1.\2",
    r"encoder\.layer\.(\d+)\.(?:norm2|layernorm_after)\.(\w+)": r"blocks.\1.norm2.\2",
    r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(\w+)": r"blocks.\1.attn.proj.\2",
    r"encoder\.layer\.(\d+)\.layer_scale([12])\.lambda1": r"blocks.\1.ls\2.gamma",
    r"encoder\.layer\.(\d+)\.(?:mlp\.fc1|mlp\.weights_in)\.(\w+)": r"blocks.\1.mlp.fc1.\2",
    r"encoder\.layer\.(\d+)\.intermediate\.dense\.(\w+)": r"blocks.\1.mlp.fc1.\2",
    r"encoder\.layer\.(\d+)\.(?:mlp\.fc2|mlp\.weights_out|output\.dense)\.(\w+)": r"blocks.\1.mlp.fc2.\2",
    r"layernorm\.(\w+)": r"norm.\1",
}
"""Name in transformers, all of it -> name in timm."""

QUERY = re.compile(r"encoder\.layer\.(\d+)\.attention\.attention\.query\.(\w+)")
OUTSIDE = re.compile(r"(vit|dinov2|model)\.(?=embeddings\.|encoder\.|layernorm\.|pooler\.)")
UNUSED = re.compile(r"pooler\.|classifier\.|embeddings\.mask_token")


def from_transformers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a ViT or DINOv2, with or without registers, in timm's names.

    Query, key and value become one layer. In networks with registers timm gives the class token no position
    of its own, so that its position is added to it. What only training needs is left out.

    Args:
        weights: name in transformers -> weight.

    Raises:
        EncoderError: a weight of another name.
    """
    bare = {OUTSIDE.sub("", name, count=1): weight for name, weight in weights.items()}
    found: dict[str, Tensor] = {}
    for name, weight in bare.items():
        query = QUERY.fullmatch(name)
        if query is not None:
            parts = [bare.get(name.replace(".query.", f".{part}.")) for part in ("query", "key", "value")]
            if any(part is None for part in parts):
                raise EncoderError(f"weight {name} has no key or value beside it; fetch the file again")
            layer, kind = query.groups()
            found[f"blocks.{layer}.attn.qkv.{kind}"] = torch.cat([p for p in parts if p is not None])
        elif not re.search(r"\.attention\.attention\.(key|value)\.", name) and not UNUSED.match(name):
            found[_renamed(name)] = weight
    if "reg_token" in found and {"cls_token", "pos_embed"} <= found.keys():
        positions = found["pos_embed"]
        found["cls_token"] = found["cls_token"] + positions[:, :1]
        found["pos_embed"] = positions[:, 1:].contiguous()
    return found


def _renamed(name: str) -> str:
    for pattern, replacement in RENAMED.items():
        match = re.fullmatch(pattern, name)
        if match is not None:
            return match.expand(replacement)
    raise EncoderError(
        f"weight {name!r} is none of a ViT or DINOv2 in the names of the transformers library; is it the "
        "file of another model?"
    )
