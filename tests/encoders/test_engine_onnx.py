"""ONNX Runtime as an engine, where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import encode
from histopress.encoders.engine import prepare
from histopress.encoders.engine_probe import probe_tiles
from histopress.encoders.engine_ways import has_bf16

MISSING = [library for library in ("onnxruntime", "onnx", "onnxscript") if find_spec(library) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
needs_bf16 = pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="this CPU does not compute in bf16")
NEAR = {"fp32": 1e-4, "bf16": 0.03, "int8": 0.15}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOPRESS_CACHE", str(tmp_path))


def tissue(count: int) -> NDArray[np.uint8]:
    return probe_tiles(62, count)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_codes_are_near_and_the_same_at_every_start(precision: str) -> None:
    encoder, tiles = load_encoder("random:tile=62,width=16,dim=10"), tissue(21)
    engine = prepare(encoder, "cpu", precision, "onnxruntime", probe=tissue(40))
    assert engine.choice.backend == "onnxruntime"
    assert engine.choice.cosine > (0.98 if precision == "int8" else 0.999)
    codes, true = engine.encode(tiles), encode(encoder, tiles)
    assert np.linalg.norm(codes - true) < NEAR[precision] * np.linalg.norm(true)
    again = prepare(encoder, "cpu", precision, "onnxruntime", probe=tissue(40))
    assert np.array_equal(again.encode(tiles), codes)
    assert np.array_equal(again.encode(tiles[:5]), codes[:5])
