"""The parts of torchmil that heads are made of; no other file imports that library, which takes seconds."""

from __future__ import annotations

from torchmil.models import (  # type: ignore[import-untyped]
    ABMIL,
    CLAM_SB,
    DSMIL,
    DTFDMIL,
    PatchGCN,
    SmABMIL,
    SmTransformerABMIL,
    TransformerABMIL,
    TransMIL,
)
from torchmil.nn import AttentionPool, SinusoidalPositionalEncodingND  # type: ignore[import-untyped]

__all__ = [
    "ABMIL",
    "CLAM_SB",
    "DSMIL",
    "DTFDMIL",
    "AttentionPool",
    "PatchGCN",
    "SinusoidalPositionalEncodingND",
    "SmABMIL",
    "SmTransformerABMIL",
    "TransMIL",
    "TransformerABMIL",
]
