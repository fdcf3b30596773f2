"""Which way was the fastest here, remembered in the user's cache folder, one small JSON file per question.

A later run on the same machine takes the same way, so that its codes are the same bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from histopress.core.cache import cache_folder
from histopress.core.errors import RecipeError
from histopress.core.files import write_whole
from histopress.core.recipe import build, digest, plain, read_settings

log = logging.getLogger(__name__)

REVISION = 2
"""Raised when a way changes its codes or its speed, so that choices are made anew."""

WAIT = 300.0
"""Seconds to wait for another process that is measuring the same."""


@dataclass(frozen=True)
class EngineChoice:
    """A way to compute codes.

    Attributes:
        device: as torch names it.
        precision: "fp32", "bf16" or "int8".
        backend: see `engine_ways.BACKENDS`; "exact" where the encoder runs as it is.
        cosine: the lowest between a code of a probe tile and its plain fp32 code.
        batch: tiles a call.
    """

    device: str
    precision: str
    backend: str
    cosine: float
    batch: int


def question(
    identity: str, device: torch.device, asked: dict[str, Any], probe: NDArray[np.uint8] | None
) -> dict[str, Any]:
    """Everything that a choice depends on, as plain values.

    Args:
        identity: of the encoder.
        device: where it is to run.
        asked: what was asked for, as plain values.
        probe: tiles that were given to judge by.
    """
    return {
        "revision": REVISION,
        "encoder": identity,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "cpu": _cpu(),
        **asked,
        "versions": dict(_versions()),
        "probe": "" if probe is None else hashlib.sha256(probe.tobytes()).hexdigest()[:16],
    }


def _cpu() -> str:
    """Model of the CPU, and the instructions that torch uses."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def _versions() -> Iterator[tuple[str, str]]:
    for library in ("torch", "openvino", "nncf", "onnxruntime"):
        try:
            yield library, version(library)
        except PackageNotFoundError:
            yield library, "none"


def remembered(key: dict[str, Any], measure: Callable[[], EngineChoice]) -> EngineChoice:
    """The choice that was made for this key, or a new one; of several processes at once only one measures.

    Args:
        key: everything the choice depends on, as plain values.
        measure: makes the choice.
    """
    path = cache_folder() / "engines" / f"{digest(key)}.json"
    found = _read(path, key)
    if found is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=WAIT):
            found = _read(path, key)
            if found is None:
                found = measure()
                write_whole(path, json.dumps({"key": key, "choice": plain(found)}, indent=2) + "\n")
            return found
    except (OSError, Timeout) as error:
        log.warning("the choice of engine cannot be kept in %s: %s; it may differ next time", path, error)
        return found or measure()


def _read(path: Path, key: dict[str, Any]) -> EngineChoice | None:
    if not path.exists():
        return None
    try:
        kept = read_settings(path)
        if kept.get("key") != plain(key):
            raise RecipeError("it answers another question")
        return build(EngineChoice, kept.get("choice", {}), where=str(path))
    except RecipeError as error:
        log.warning("%s is ignored and made again: %s", path, error)
        return None
