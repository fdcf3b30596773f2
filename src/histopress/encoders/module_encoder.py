"""Any torch module as an encoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from histopress.core.errors import EncoderError
from histopress.core.recipe import digest, plain
from histopress.encoders.encoder import Encoder, EncoderCard, NetworkEncoder, weights_hash
from histopress.encoders.network import ImageNetwork, PixelScale

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class ModuleSettings:
    """What a module wants to see.

    Attributes:
        tile: width and height of a tile in px.
        mean: of red, green and blue, subtracted from pixels of 0 to 1.
        deviation: of red, green and blue, by which they are then divided.
    """

    tile: int
    mean: Triple = (0.0, 0.0, 0.0)
    deviation: Triple = (1.0, 1.0, 1.0)


class ModuleNetwork(ImageNetwork):
    """A module behind the scaling of its pixels.

    Args:
        module: images (batch, 3, tile, tile) -> codes (batch, dim).
        settings: what it wants to see.
    """

    def __init__(self, module: nn.Module, settings: ModuleSettings) -> None:
        mean, deviation = (", ".join(f"{v:g}" for v in t) for t in (settings.mean, settings.deviation))
        words = f"uint8 0..255 scaled linearly to 0..1, minus ({mean}), divided by ({deviation})"
        super().__init__(settings, _dim(module, settings.tile), words)
        self.module = module
        scale = [1 / (255 * d) for d in settings.deviation]
        shift = [-m / d for m, d in zip(settings.mean, settings.deviation, strict=True)]
        self.pixels = PixelScale(1, (scale[0], scale[1], scale[2]), (shift[0], shift[1], shift[2]))

    def forward(self, tiles: Tensor) -> Tensor:
        """Tiles (batch, tile, tile, 3) uint8 -> codes (batch, dim) float32."""
        scale, shift = torch.tensor([self.pixels.scale, self.pixels.shift], device=tiles.device)
        return self.codes((tiles * scale).add_(shift).permute(0, 3, 1, 2))

    def codes(self, images: Tensor) -> Tensor:
        """Images (batch, 3, tile, tile) -> codes (batch, dim), in the type of the images."""
        codes: Tensor = self.module(images)
        return codes


class ModuleEncoder(NetworkEncoder):
    """A torch module behind the Encoder contract, frozen; the engine makes it fast as it does our own.

    Its weights are not kept beside grids: it is made again by its name.

    Args:
        module: images (batch, 3, tile, tile) float32 -> codes (batch, dim); taken over.
        name: under which it is registered, with settings that are not the default.
        spacing: um/px of its tiles.
        tile: width and height of its tiles in px.
        mean: of red, green and blue, subtracted from pixels of 0 to 1.
        deviation: of red, green and blue, by which they are then divided.
        version: of the code; change it when the module computes something else with the same weights.
        licence: of the weights.
        source: paper, data and file they come from.

    Raises:
        EncoderError: the module does not turn such tiles into one code each.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str,
        spacing: float,
        tile: int,
        mean: Triple = (0.0, 0.0, 0.0),
        deviation: Triple = (1.0, 1.0, 1.0),
        version: str = "1",
        licence: str = "",
        source: str = "",
    ) -> None:
        Encoder.__init__(self)
        settings = ModuleSettings(tile, mean, deviation)
        network = ModuleNetwork(module, settings)
        self.network = network.requires_grad_(False)
        made_of = {"module": type(module).__qualname__, "version": version, **plain(settings)}
        self.card = EncoderCard(
            name=name,
            identity=digest(made_of, str(module), float(spacing), weights_hash(network)),
            spacing=spacing,
            tile=tile,
            dim=network.dim,
            normalisation=network.normalisation,
            architecture=made_of,
            licence=licence,
            source=source,
        )
        self.to(memory_format=torch.channels_last)
        self.eval()

    def weights(self) -> dict[str, Tensor]:
        """None: the encoder is made again by its name."""
        return {}


def _dim(module: nn.Module, tile: int) -> int:
    """Length of a code, found with two black tiles."""
    module.eval()
    with torch.no_grad():
        codes = module(torch.zeros(2, 3, tile, tile))
    if not isinstance(codes, Tensor) or codes.ndim != 2 or len(codes) != 2:
        found = tuple(codes.shape) if isinstance(codes, Tensor) else type(codes).__name__
        raise EncoderError(
            f"{type(module).__qualname__} turns 2 tiles of {tile} px into {found}, expected (2, dim); pool "
            "or flatten inside the module"
        )
    return codes.shape[1]
