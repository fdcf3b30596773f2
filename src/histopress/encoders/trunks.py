"""Networks that can be trained into encoders, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from histopress.core.errors import EncoderError
from histopress.encoders.network import ImageNetwork
from histopress.encoders.networks import StridedConv, StridedConvSettings
from histopress.encoders.timm_encoder import TimmNetwork, stated_settings
from histopress.encoders.turned_conv import (
    TurnedConv,
    TurnedConvSettings,
    TurnedPyramid,
    TurnedPyramidSettings,
)

TRUNKS: dict[str, Callable[[int, int], ImageNetwork]] = {
    "turned": lambda tile, dim: TurnedConv(TurnedConvSettings(tile, dim=dim)),
    "wide": lambda tile, dim: TurnedConv(TurnedConvSettings(tile, dim=dim, turns=1)),
    "turned-small": lambda tile, dim: TurnedConv(
        TurnedConvSettings(tile, 2, channels=(64, 128, 128, 256, 1024), blocks=(0,) * 5, dim=dim)
    ),
    "turned-pyramid": lambda tile, dim: TurnedPyramid(
        TurnedPyramidSettings(tile, 2, channels=(64, 160, 192, 384, 1024), blocks=(0,) * 5, dim=dim)
    ),
    "published": lambda tile, dim: StridedConv(StridedConvSettings(tile, dim=dim)),
    "published-deep": lambda tile, dim: StridedConv(
        StridedConvSettings(tile, 1, filters=(32, 64, 128, 256, 512), hidden=(512,), dim=dim, norm_first=True)
    ),
}
"""Name -> (tile in px, length of a code) -> network.

turned: filters in all orientations, so that codes do not change when a tile is turned or mirrored.
wide: the same with ordinary filters.
turned-small: as turned, on tiles of half the resolution, for studies and machines without a GPU.
turned-pyramid: wider, and the code sees textures of all sizes; the network of histopress-small.
published: four strided convolutions on tiles of half the resolution (Tellez et al., MIDL 2020).
published-deep: five strided convolutions (Tellez et al., arXiv 1811.02840).
"""


def make_trunk(name: str, tile: int, dim: int, seed: int) -> ImageNetwork:
    """A network with fresh weights, the same for one seed; torch's own random state is left alone.

    Args:
        name: in `TRUNKS`, or timm:MODEL (whose code has the length that timm gives it).
        tile: width and height of the tiles in px.
        dim: length of a code.
        seed: of the weights.

    Raises:
        EncoderError: no such trunk, or it cannot take such tiles.
    """
    kind, _, model = name.partition(":")
    if kind == "timm" and model:
        return TimmNetwork(stated_settings(model, tile), seed)
    if name not in TRUNKS:
        raise EncoderError(f"no trunk {name!r}, expected one of {', '.join(TRUNKS)} or timm:MODEL")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TRUNKS[name](tile, dim)
