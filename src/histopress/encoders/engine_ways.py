"""The ways in which codes can be computed, by device and precision."""

from __future__ import annotations

import logging
import platform
import shutil
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histopress.core.errors import EncoderError, MissingExtraError
from histopress.encoders.engine_batches import Workplace, in_batches, side_by_side, using_threads
from histopress.encoders.engine_fold import TileNetwork, cast, fold
from histopress.encoders.engine_fuse import fuse
from histopress.encoders.engine_gpu import Cuda, Ring
from histopress.encoders.engine_probe import Run

log = logging.getLogger(__name__)

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
PRECISIONS = ("auto", "fp32", "bf16", "int8")
EXTRAS = {"openvino": ("openvino",), "onnxruntime": ("onnxruntime", "onnx", "onnxscript")}
"""Backend that is an extra -> libraries it needs."""

FAULTS = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NotImplementedError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What libraries raise at networks that they cannot take."""


def _torch(place: Workplace, precision: str) -> Run:
    return _eager(place, cast(place.network, TYPES[precision]))


def _torch_folded(place: Workplace, precision: str) -> Run:
    return _eager(place, fold(place.network, TYPES[precision]))


def _torch_fused(place: Workplace, precision: str) -> Run:
    with using_threads(1):
        return _eager(place, fuse(fold(place.network, TYPES[precision])))


def _compile(place: Workplace, precision: str) -> Run:
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None and place.device.type == "cpu":
        raise EncoderError("torch.compile needs a C++ compiler, none was found; install one, or use auto")
    network = _folded(place, precision).to(place.device)
    compiled: nn.Module = torch.compile(network, dynamic=False)  # type: ignore[assignment]
    return _eager(place, compiled, shared=False)


def _cuda_graph(place: Workplace, precision: str) -> Run:
    return _ring(place, _folded(place, precision), graph=True)


def _openvino(place: Workplace, precision: str) -> Run:
    _need("openvino", *(["nncf"] if precision == "int8" else []))
    from histopress.encoders.engine_openvino import openvino_run

    network = fold(place.network, torch.float32, whole_kernel=True)
    return in_batches(openvino_run(network, precision, place.threads, _batches(place)), place)


def _onnxruntime(place: Workplace, precision: str) -> Run:
    _need("onnxruntime")
    from histopress.encoders.engine_onnx import onnx_run

    network = fold(place.network, torch.float32, whole_kernel=True)
    return in_batches(onnx_run(network, precision, place.threads, _batches(place)), place)


BACKENDS: dict[str, Callable[[Workplace, str], Run]] = {
    "torch": _torch,
    "torch-folded": _torch_folded,
    "torch-fused": _torch_fused,
    "compile": _compile,
    "cuda-graph": _cuda_graph,
    "openvino": _openvino,
    "onnxruntime": _onnxruntime,
}
"""Name -> how the way is built.

torch: channels last, one cast for all layers. torch-folded: without scaling and batch norms of their own.
torch-fused: activations within convolutions, too. compile: torch.compile, only when it is asked for.
"""

AUTOMATIC = {
    "cuda": ("cuda-graph", "torch-folded", "torch"),
    "cpu": ("torch-folded", "torch-fused", "torch", "openvino", "onnxruntime"),
    "other": ("torch-folded", "torch"),
}
"""Kind of device -> what is tried, the expected winner first: others must be clearly faster."""

ABLE = {"openvino": ("fp32", "bf16", "int8"), "onnxruntime": ("fp32", "int8")}


def ways(device: torch.device, precision: str, backend: str) -> list[tuple[str, list[str]]]:
    """What to try: precisions, the fastest first, and for each the backends that know it.

    Raises:
        EncoderError: what is asked for does not exist, or not on this device.
        MissingExtraError: what is asked for is not installed.
    """
    _check_names(device, precision, backend)
    precisions = [precision] if precision != "auto" else ["bf16", "fp32"] if has_bf16(device) else ["fp32"]
    asked = [backend] if backend != "auto" else AUTOMATIC.get(device.type, AUTOMATIC["other"])
    able = [
        (p, [b for b in asked if p in ABLE.get(b, TYPES) and (backend != "auto" or _installed(b, p))])
        for p in precisions
    ]
    found = [(p, names) for p, names in able if names]
    if not found and precision == "int8" and backend == "auto":
        raise MissingExtraError(
            "int8 needs OpenVINO or ONNX Runtime: pip install 'histopress[openvino]' or "
            "'histopress[onnxruntime]'"
        )
    if not found:
        raise EncoderError(f"backend {backend!r} cannot compute in {precision}; use another, or auto")
    return found


def _check_names(device: torch.device, precision: str, backend: str) -> None:
    if precision not in PRECISIONS:
        raise EncoderError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    if backend != "auto" and backend not in BACKENDS:
        raise EncoderError(f"backend is {backend!r}, expected auto or one of {', '.join(BACKENDS)}")
    if precision == "bf16" and not has_bf16(device):
        raise EncoderError(f"device {device} does not compute in bf16; use fp32 or auto")
    for_cpu = backend in (*EXTRAS, "torch-fused")
    if device.type != "cpu" and (precision == "int8" or for_cpu):
        raise EncoderError(
            f"{backend if for_cpu else precision} runs on CPUs, not on {device}; use cpu or auto"
        )
    if device.type != "cuda" and backend == "cuda-graph":
        raise EncoderError(f"cuda-graph needs a CUDA GPU, not {device}; use auto")
    if backend in EXTRAS:
        _need(backend)


def has_bf16(device: torch.device) -> bool:
    """Whether a device has units for bf16, rather than slow stand-ins."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if platform.machine().lower() in ("aarch64", "arm64"):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _installed(backend: str, precision: str) -> bool:
    libraries = [
        *EXTRAS.get(backend, ()),
        *(["nncf"] if (backend, precision) == ("openvino", "int8") else []),
    ]
    return all(find_spec(library) is not None for library in libraries)


def _need(extra: str, *more: str) -> None:
    missing = [library for library in (*EXTRAS[extra], *more) if find_spec(library) is None]
    if missing:
        raise MissingExtraError(f"{', '.join(missing)} not installed; pip install 'histopress[{extra}]'")


def _batches(place: Workplace) -> list[NDArray[np.uint8]]:
    return [place.tiles[i : i + place.batch] for i in range(0, len(place.tiles), place.batch)]


def _folded(place: Workplace, precision: str) -> TileNetwork:
    """Folded, where the network can be followed."""
    try:
        return fold(place.network, TYPES[precision])
    except FAULTS as error:
        log.info("%s is not folded: %s", type(place.network).__name__, error)
        return cast(place.network, TYPES[precision])


def _eager(place: Workplace, network: nn.Module, *, shared: bool = True) -> Run:
    if place.device.type == "cuda":
        return _ring(place, network, graph=False)

    def run(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            codes: NDArray[np.float32] = network(torch.from_numpy(tiles).to(place.device)).cpu().numpy()
            return codes

    network = network.to(place.device)
    return side_by_side(run, place) if shared and place.device.type == "cpu" else in_batches(run, place)


def _ring(place: Workplace, network: nn.Module, *, graph: bool) -> Run:
    shape = (place.batch, *place.tiles.shape[1:])
    return Ring(Cuda(place.device), network.to(place.device), shape, place.network.dim, graph=graph)
