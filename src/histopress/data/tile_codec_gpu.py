"""JPEG tiles decoded by a GPU (nvJPEG, through torchvision), many at a time; the contract is `JpegTiles`'.

Worth it where there are few processor cores for each GPU. nvJPEG does not scale while it decodes: tiles are
averaged on the GPU instead, so that its pixels differ from those of libjpeg-turbo by a grey level or two, and
grids tell which of the two made them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import MissingExtraError
from histopress.data.tiff_layout import TiledLevel
from histopress.data.tile_codec import JpegTiles, TileDamage

if TYPE_CHECKING:
    from torch import Tensor


SUPERSEDED = "The image decoding and encoding capabilities of TorchVision"
"""How torchvision's note begins that these functions are going to move to TorchCodec."""


class GpuJpegTiles(JpegTiles):
    """JPEG tiles decoded by a device.

    Args:
        level: of the TIFF.
        first: any tile of it.
        device: as torch names it; "cpu" has torchvision decode on the processor, for tests.

    Raises:
        MissingExtraError: torchvision is not installed, or there is no such device.
    """

    name = "JPEG (nvJPEG)"

    def __init__(self, level: TiledLevel, first: bytes, device: str = "cuda") -> None:
        super().__init__(level, first)
        self._device = _device(device)

    def decode_many(self, tiles: Sequence[bytes], scale: int = 1) -> list[NDArray[np.uint8] | TileDamage]:
        """See `TileCodec.decode_many`; what the device refuses is decoded by the processor, strictly."""
        import torch
        from torchvision.io import ImageReadMode, decode_jpeg

        if not tiles:
            return []
        streams = [torch.frombuffer(bytearray(self.stream(data)), dtype=torch.uint8) for data in tiles]
        try:
            pictures = decode_jpeg(streams, mode=ImageReadMode.RGB, device=self._device)
            batch = torch.stack(pictures)
        except RuntimeError:
            return super().decode_many(tiles, scale)
        if batch.shape[1:] != (3, *self.tile.shape):
            return super().decode_many(tiles, scale)
        return list(_averaged(batch, scale).permute(0, 2, 3, 1).contiguous().cpu().numpy())


def _averaged(batch: Tensor, scale: int) -> Tensor:
    """(n, 3, height, width) uint8 -> the rounded means of blocks."""
    from torch.nn.functional import avg_pool2d

    if scale == 1:
        return batch
    return avg_pool2d(batch.float(), scale).add_(0.5).byte()


def _device(name: str) -> str:
    try:
        import torch
        import torchvision.io  # noqa: F401
    except (ImportError, RuntimeError) as error:
        raise MissingExtraError(
            f"reading with nvJPEG needs torchvision ({error}); install histopress[foundation], or leave out "
            "--reader nvjpeg"
        ) from error
    warnings.filterwarnings("ignore", SUPERSEDED, DeprecationWarning)
    if name == "cuda" and not torch.cuda.is_available():
        raise MissingExtraError(
            "reading with nvJPEG needs an NVIDIA GPU, none was found; leave out --reader nvjpeg"
        )
    return name
