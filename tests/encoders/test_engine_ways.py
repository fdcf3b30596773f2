"""What is tried where, and what is refused with a way out."""

from __future__ import annotations

import pytest
import torch

from histopress.core.errors import EncoderError, HistopressError, MissingExtraError
from histopress.encoders import engine_ways as module
from histopress.encoders.engine_ways import ways

CPU, GPU, OTHER = torch.device("cpu"), torch.device("cuda:0"), torch.device("mps")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Libraries that seem to be installed; a test may add some. bf16 is everywhere but on `mps`."""
    libraries: set[str] = set()
    monkeypatch.setattr(module, "find_spec", lambda name: name if name in libraries else None)
    monkeypatch.setattr(module, "has_bf16", lambda device: device.type != "mps")
    return libraries


def test_bf16_is_tried_before_fp32_where_there_is_any() -> None:
    torch_only = ["torch-folded", "torch-fused", "torch"]
    assert ways(CPU, "auto", "auto") == [("bf16", torch_only), ("fp32", torch_only)]
    assert ways(CPU, "fp32", "auto") == [("fp32", torch_only)]
    assert ways(OTHER, "auto", "auto") == [("fp32", ["torch-folded", "torch"])]
    assert ways(GPU, "bf16", "auto") == [("bf16", ["cuda-graph", "torch-folded", "torch"])]


def test_extras_are_tried_where_they_are_installed(installed: set[str]) -> None:
    installed |= {"openvino", "onnxruntime", "onnx", "onnxscript"}
    bf16, fp32 = ways(CPU, "auto", "auto")
    assert "openvino" in bf16[1]
    assert "onnxruntime" not in bf16[1]
    assert {"openvino", "onnxruntime"} < set(fp32[1])
    assert ways(CPU, "int8", "auto") == [("int8", ["onnxruntime"])]
    installed.add("nncf")
    assert ways(CPU, "int8", "auto") == [("int8", ["openvino", "onnxruntime"])]


def test_compiling_is_never_tried_unasked() -> None:
    assert all("compile" not in names for _, names in ways(CPU, "auto", "auto"))
    assert ways(CPU, "auto", "compile") == [("bf16", ["compile"]), ("fp32", ["compile"])]


@pytest.mark.parametrize(
    ("device", "precision", "backend", "says"),
    [
        (CPU, "fp16", "auto", "expected one of auto, fp32, bf16, int8"),
        (CPU, "auto", "tensorrt", "expected auto or one of torch, torch-folded"),
        (CPU, "int8", "torch", "'torch' cannot compute in int8"),
        (CPU, "auto", "cuda-graph", "needs a CUDA GPU, not cpu"),
        (OTHER, "bf16", "auto", "mps does not compute in bf16; use fp32 or auto"),
        (GPU, "int8", "auto", "int8 runs on CPUs, not on cuda:0"),
        (GPU, "auto", "openvino", "openvino runs on CPUs"),
        (GPU, "fp32", "torch-fused", "torch-fused runs on CPUs"),
    ],
)
def test_what_cannot_be_is_refused(device: torch.device, precision: str, backend: str, says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        ways(device, precision, backend)


@pytest.mark.parametrize(
    ("precision", "backend", "says"),
    [
        ("auto", "openvino", r"openvino not installed; pip install 'histopress\[openvino\]'"),
        ("fp32", "onnxruntime", r"onnxruntime, onnx, onnxscript not installed.*\[onnxruntime\]"),
        ("int8", "auto", r"\[openvino\]' or 'histopress\[onnxruntime\]"),
    ],
)
def test_missing_extras_are_named(precision: str, backend: str, says: str) -> None:
    with pytest.raises(MissingExtraError, match=says):
        ways(CPU, precision, backend)


def test_missing_parts_of_an_extra_are_named(installed: set[str]) -> None:
    installed |= {"onnxruntime", "onnx"}
    with pytest.raises(HistopressError, match=r"^onnxscript not installed"):
        ways(CPU, "int8", "onnxruntime")
