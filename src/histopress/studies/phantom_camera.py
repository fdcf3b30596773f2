"""From depths of stain to grey levels: the colours of a slide, uneven light and the noise of the camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Size
from histopress.studies.phantom_plan import Stain
from histopress.studies.phantom_textures import Grey

Packed = NDArray[np.uint32]
"""Red, green and blue as the bytes of one word, so that they add at once.

They keep so far from 0 and 255 that no byte runs over into the next.
"""

GREY = np.uint32(0x010101)
"""Turns a grey level into a word."""

SWING = 6
"""Grey levels by which noise may move a pixel, and by which light falls off at most."""


def colour_table(stain: Stain) -> Packed:
    """(65536,) colours less `SWING` for every pair of depths: haematoxylin * 256 + eosin.

    Stains absorb after Beer and Lambert. Where haematoxylin is deep there is a nucleus, which eosin hardly
    enters; the deepest eosin is that of red cells, whose own pigment absorbs green and blue.
    """
    depth = np.arange(256) / 255
    nucleus = np.clip((depth - 0.25) / 0.4, 0, 1)[:, None]
    eosin = depth[None, :] * (1 - 0.5 * nucleus)
    density = depth[:, None, None] * np.array(stain.haematoxylin) + eosin[..., None] * np.array(stain.eosin)
    density += np.clip((depth - 0.8) / 0.1, 0, 1)[:, None] * (0.0, 0.45, 0.55)
    light = np.array(stain.glass) * np.exp(-density)
    return _packed(np.clip(np.rint(light), 2 * SWING, 255 - SWING) - SWING).ravel()


def colour_noise(grey: Grey, deviation: float) -> Packed:
    """Noise plus `SWING` of three channels, from a seamless texture with a standard deviation of 16."""
    steps = np.clip(np.rint((grey.astype(np.float32) - 128) * deviation / 16), -SWING, SWING) + SWING
    return _packed(np.stack([steps, steps[::-1], steps[:, ::-1]], -1))


def shading(stain: Stain, size: Size, beyond: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """256ths of grey levels by which light falls off along y and along x, and `beyond` px further."""
    down, right = np.sin(stain.shade_angle), np.cos(stain.shade_angle)
    levels = 256 * min(stain.shade, SWING - 1) / (abs(down) + abs(right))
    return _ramp(levels * down, size.height + beyond), _ramp(levels * right, size.width + beyond)


def shaded(light: Packed, fall: NDArray[np.uint16], dither: NDArray[np.uint8]) -> Packed:
    """Light less its fall (256ths of grey levels), rounded up or down by chance so that no steps show."""
    return np.asarray(light - (fall + dither >> 8).astype(np.uint32) * GREY)


def _ramp(levels: float, length: int) -> NDArray[np.uint16]:
    """From 0 to so many levels, or from as many to 0 if they are negative."""
    climb = np.linspace(0, 1, length)
    return (abs(levels) * (climb if levels > 0 else 1 - climb)).astype(np.uint16)


def _packed(colours: NDArray[np.floating]) -> Packed:
    """(..., 3) whole numbers below 256 -> (...) words."""
    words = colours.astype(np.uint32)
    packed: Packed = words[..., 0] | words[..., 1] << np.uint32(8) | words[..., 2] << np.uint32(16)
    return packed
