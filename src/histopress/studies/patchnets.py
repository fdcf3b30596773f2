"""The networks under test: pictures -> logits, and the evidence of every place, from the same classifier."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from histopress.core.errors import RecipeError
from histopress.studies.patchnet_locations import Locations
from histopress.studies.patchnet_pooling import make_pooling
from histopress.studies.patchnet_recipe import PatchnetRecipe
from histopress.studies.patchnet_timm import TimmTrunk
from histopress.studies.patchnet_trunk import PatchTrunk


@dataclass(frozen=True)
class LocalMaps:
    """What a network says of pictures, and where.

    Attributes:
        logits: (batch, classes).
        evidence: (batch, classes, rows, cols) logits of every location, as if it were the whole picture.
        weights: (batch, rows, cols) share of each location in the answer: logits are the evidence weighted by
            them; None for max and lse, where the shares differ from channel to channel.
    """

    logits: Tensor
    evidence: Tensor
    weights: Tensor | None


class Patchnet(nn.Module):
    """A map of features, pooled over its locations, and a linear classifier.

    Pictures are float (batch, channels, height, width), 0 to 1 or as the recipe says: see `prepare`. Any size
    from the receptive field on will do, and one network takes several. Evidence is local as far as the
    convolutions are: instance norm, which takes its mean and spread from the whole picture, is not.

    Args:
        recipe: of the network.
        channels: of a picture.
        classes: how many logits.

    Attributes:
        recipe: of the network.
    """

    def __init__(self, recipe: PatchnetRecipe, channels: int, classes: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.trunk = _trunk(recipe, channels)
        self.pooling = make_pooling(recipe, self.trunk.features)
        self.classifier = nn.Linear(self.trunk.features, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (batch, channels, height, width) -> logits (batch, classes)."""
        logits: Tensor = self.classifier(self.pooling(self.trunk(pictures)))
        return logits

    def evidence(self, pictures: Tensor) -> Tensor:
        """Pictures as for `forward` -> (batch, classes, rows, cols) logits of each location."""
        return self.look(pictures).evidence

    def look(self, pictures: Tensor) -> LocalMaps:
        """Answers with what they are made of."""
        maps = self.trunk(pictures)
        kernel = self.classifier.weight[:, :, None, None]
        return LocalMaps(
            self.classifier(self.pooling(maps)),
            F.conv2d(maps, kernel, self.classifier.bias),
            self.pooling.weights(maps),
        )

    @property
    def locations(self) -> Locations:
        """Where the locations of the maps lie in a picture."""
        return self.trunk.locations

    @property
    def checkpointing(self) -> bool:
        """Whether stages are run again for their gradients rather than remembered: less memory, more time."""
        return self.trunk.checkpointing

    @checkpointing.setter
    def checkpointing(self, wanted: bool) -> None:
        self.trunk.checkpointing = wanted


def make_patchnet(recipe: PatchnetRecipe, channels: int, classes: int, seed: int | None = None) -> Patchnet:
    """A network with random weights.

    Args:
        recipe: of the network.
        channels: of a picture.
        classes: how many logits.
        seed: of the weights, which leaves torch's own random state alone; None draws from that.

    Raises:
        MissingExtraError: a network of timm, and timm is not installed.
        EncoderError: timm has no such network.
    """
    if seed is None:
        return Patchnet(recipe, channels, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Patchnet(recipe, channels, classes)


def prepare(pictures: Tensor, recipe: PatchnetRecipe | None = None) -> Tensor:
    """Pictures (batch, height, width, channels) uint8 -> (batch, channels, height, width) float32.

    Pixels are scaled to 0 to 1 unless the recipe says raw.

    Raises:
        RecipeError: pixels are not uint8.
    """
    if pictures.dtype != torch.uint8:
        raise RecipeError(
            f"pixels are {pictures.dtype}, expected uint8, 0 to 255; hand them on as they are drawn"
        )
    raw = pictures.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return raw if recipe is not None and recipe.pixels == "raw" else raw / 255


def _trunk(recipe: PatchnetRecipe, channels: int) -> PatchTrunk | TimmTrunk:
    if recipe.name == "patchnet":
        return PatchTrunk(recipe, channels)
    return TimmTrunk(recipe.name.removeprefix("timm:"), channels)
