"""OpenVINO as a way to compute codes: fp32, bf16, and int8 by nncf."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histopress.encoders.engine_probe import Run

HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}


def openvino_run(
    network: nn.Module, precision: str, threads: int, batches: Sequence[NDArray[np.uint8]]
) -> Run:
    """A network compiled for CPUs by OpenVINO.

    Args:
        network: uint8 tiles -> codes, fp32.
        precision: "fp32", "bf16" or "int8".
        threads: to compute with.
        batches: of tiles, all of the one size that the compiled network then takes; for int8 they also tell
            the range of every layer.
    """
    import openvino

    with torch.no_grad():
        program = torch.export.export(network, (torch.from_numpy(batches[0]),))
    model = openvino.convert_model(program)
    if precision == "int8":
        model = _quantised(model, batches)
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": HINTS[precision],
    }
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        codes: NDArray[np.float32] = request.infer({0: batch}, share_inputs=True)[0]
        return codes

    return run


def _quantised(model: Any, batches: Sequence[NDArray[np.uint8]]) -> Any:
    import nncf

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        return nncf.quantize(model, nncf.Dataset(batches), subset_size=len(batches))
