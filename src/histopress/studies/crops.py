"""Pictures as a labelled patch set on disk: what an encoder of the chain is trained on."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histopress.core.files import write_whole
from histopress.core.recipe import save
from histopress.data.patch_task import PatchTask
from histopress.studies.pictures import Part, Pictures, drawn

SPACING = 1.0
"""um/px that drawn pictures are declared to have."""

STORED_PARTS = {"train": "train", "tuning": "val", "test": "test"}
"""Names of the parts in the file, as MedMNIST has them."""


def coloured(pictures: NDArray[np.uint8], magnify: int = 1) -> NDArray[np.uint8]:
    """Pictures of 1 or 3 channels as RGB, every px shown as a square of `magnify` px.

    Args:
        pictures: (n, height, width, channels) uint8.
        magnify: px a side.
    """
    rgb = np.broadcast_to(pictures, (*pictures.shape[:3], 3))
    return np.ascontiguousarray(rgb.repeat(magnify, axis=1).repeat(magnify, axis=2))


def write_task(name: str, parts: Mapping[Part, Pictures], folder: Path, magnify: int = 1) -> Path:
    """Write pictures of two classes as a patch task of layout npz.

    Args:
        name: of the task.
        parts: the pictures; those without a part are left out.
        folder: for `NAME.npz` and `NAME.toml`, made if absent.
        magnify: see `coloured`.

    Returns:
        The path of the description.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for part, pictures in parts.items():
        stored = STORED_PARTS[part]
        arrays[f"{stored}_images"] = coloured(drawn(pictures, range(len(pictures))), magnify)
        arrays[f"{stored}_labels"] = pictures.labels
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    write_whole(folder / f"{name}.npz", packed.getvalue())
    stored_parts = {STORED_PARTS[part]: str(part) for part in parts}
    task = PatchTask(
        name=name,
        kind="binary",
        layout="npz",
        classes=("no", "yes"),
        spacing=SPACING,
        spacing_note="pictures are drawn; it is declared",
        source={"file": f"{name}.npz", "parts": stored_parts},
        licence="that of the pictures it is drawn from",
    )
    save(task, folder / f"{name}.toml")
    return folder / f"{name}.toml"
