"""What an ONNX model takes and gives, and what it does not say of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import EncoderError

TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8,
}  # fmt: skip


@dataclass(frozen=True)
class OnnxSettings:
    """What an ONNX file does not say of itself; all of it may stand in the JSON file beside it.

    Attributes:
        spacing: um/px of its tiles; 0 is not stated.
        tile: width and height of its tiles in px; 0 is what the model says.
        mean: of red, green and blue, subtracted from pixels of 0 to 1; empty is not stated.
        deviation: of red, green and blue, by which they are then divided; empty is not stated.
        output: name of the output that holds the codes; empty if there is but one.
        licence: of the weights.
        source: paper, data and file it comes from.
    """

    spacing: float = 0.0
    tile: int = 0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    output: str = ""
    licence: str = ""
    source: str = ""


@dataclass(frozen=True)
class Form:
    """What a model takes and gives.

    Attributes:
        input: its name.
        output: likewise.
        kind: type of the images.
        channels_last: whether images are (batch, height, width, 3) rather than (batch, 3, height, width).
        tile: width and height of the images in px; 0 if any will do.
        batch: the one size of a batch it takes; 0 if any will do.
    """

    input: str
    output: str
    kind: type[np.generic]
    channels_last: bool
    tile: int
    batch: int


def form_of(session: Any, settings: OnnxSettings, name: str) -> Form:
    """What an open model takes and gives.

    Raises:
        EncoderError: not one input of square images in three colours, or several outputs and none is named.
    """
    images = session.get_inputs()
    if len(images) != 1 or images[0].type not in TYPES or len(images[0].shape) != 4:
        found = ", ".join(f"{i.name} {i.type} {i.shape}" for i in images)
        raise EncoderError(
            f"{name}: takes {found}, expected one input of four axes, of {', '.join(TYPES)}; export it for "
            "(batch, 3, height, width) or (batch, height, width, 3)"
        )
    batch, *sides = (side if isinstance(side, int) else 0 for side in images[0].shape)
    last = sides[2] == 3 and sides[0] != 3
    if not last and sides[0] != 3:
        raise EncoderError(f"{name}: takes images of {images[0].shape}, expected 3 colours on axis 1 or 3")
    height, width = sides[:2] if last else sides[1:]
    if height != width:
        raise EncoderError(f"{name}: takes images of {height} x {width} px, expected squares; export it anew")
    output = _output([o.name for o in session.get_outputs()], settings.output, name)
    return Form(images[0].name, output, TYPES[images[0].type], last, height, batch)


def _output(names: Sequence[str], wanted: str, name: str) -> str:
    if wanted in names or (not wanted and len(names) == 1):
        return wanted or names[0]
    raise EncoderError(f"{name}: gives {', '.join(names)}; name the codes among them: output={names[0]}")


def tile_of(form: Form, settings: OnnxSettings, name: str) -> int:
    """Width and height of its tiles in px.

    Raises:
        EncoderError: the model takes others than were asked for, or any, and none were.
    """
    if form.tile and settings.tile not in (0, form.tile):
        raise EncoderError(
            f"{name}: takes tiles of {form.tile} px only, asked are {settings.tile}; leave it out"
        )
    if not form.tile and not settings.tile:
        raise EncoderError(f"{name}: takes tiles of any size; say which: tile=224")
    return form.tile or settings.tile


def check_scale(form: Form, settings: OnnxSettings, name: str) -> None:
    """Raise EncoderError unless it is clear how pixels become images."""
    stated = len(settings.mean) == len(settings.deviation) == 3 and all(settings.deviation)
    if form.kind is np.uint8 and (settings.mean or settings.deviation):
        raise EncoderError(f"{name}: takes pixels as they are stored (uint8); leave out mean and deviation")
    if form.kind is not np.uint8 and not stated:
        raise EncoderError(
            f"{name}: takes numbers, but how pixels become them is not stated; give mean and deviation for "
            "pixels of 0 to 1, three numbers each: mean=0.485/0.456/0.406,deviation=0.229/0.224/0.225 "
            "(plain 0 to 1 is mean=0/0/0,deviation=1/1/1)"
        )


def in_words(form: Form, settings: OnnxSettings) -> str:
    """How pixels become images, for the card."""
    if form.kind is np.uint8:
        return "uint8 0..255 as they are"
    mean, deviation = (", ".join(f"{v:g}" for v in t) for t in (settings.mean, settings.deviation))
    return f"uint8 0..255 scaled linearly to 0..1, minus ({mean}), divided by ({deviation})"


def images_of(tiles: NDArray[np.uint8], form: Form, settings: OnnxSettings) -> NDArray[Any]:
    """Tiles (batch, tile, tile, 3) uint8 -> images as the model takes them."""
    images: NDArray[Any] = tiles
    if form.kind is not np.uint8:
        scale = 1 / (255 * np.array(settings.deviation))
        shift = -np.array(settings.mean) / np.array(settings.deviation)
        images = (tiles * scale.astype(np.float32) + shift.astype(np.float32)).astype(form.kind)
    return images if form.channels_last else np.ascontiguousarray(images.transpose(0, 3, 1, 2))
