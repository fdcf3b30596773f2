"""ONNX Runtime as a way to compute codes: fp32, and int8 by its own static quantisation."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histopress.encoders.engine_probe import Run


def onnx_run(network: nn.Module, precision: str, threads: int, batches: Sequence[NDArray[np.uint8]]) -> Run:
    """A network run by ONNX Runtime on the CPU.

    Args:
        network: uint8 tiles -> codes, fp32.
        precision: "fp32" or "int8".
        threads: to compute with.
        batches: of tiles, all of the one size that the network then takes; for int8 they also tell the range
            of every layer.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    with TemporaryDirectory(prefix="histopress-onnx-") as folder:
        path = Path(folder) / "network.onnx"
        _export(network, batches[0], path)
        if precision == "int8":
            path = _quantised(path, batches)
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        codes: NDArray[np.float32] = session.run(None, {"tiles": batch})[0]
        return codes

    return run


def _export(network: nn.Module, tiles: NDArray[np.uint8], path: Path) -> None:
    with torch.no_grad():
        torch.onnx.export(
            network,
            (torch.from_numpy(tiles),),
            path,
            input_names=["tiles"],
            output_names=["codes"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _quantised(path: Path, batches: Sequence[NDArray[np.uint8]]) -> Path:
    """Eight-bit weights and maps, ranges from batches of tiles."""
    from onnxruntime import quantization as quantise
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Ranges(quantise.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter([{"tiles": tiles} for tiles in batches])

        def get_next(self) -> dict[str, Any] | None:
            return next(self.left, None)

    ready, small = path.with_stem("ready"), path.with_stem("int8")
    with _silent_root():
        quant_pre_process(path, ready, skip_symbolic_shape=True)
        quantise.quantize_static(
            ready,
            small,
            Ranges(),
            quant_format=quantise.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantise.QuantType.QUInt8,
            weight_type=quantise.QuantType.QInt8,
        )
    return small


@contextmanager
def _silent_root() -> Iterator[None]:
    """The quantiser writes its advice to the root log."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
