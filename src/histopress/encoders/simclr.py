"""SimCLR: two altered views of a tile shall be nearer to each other than to all other tiles of the batch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from histopress.core.errors import MissingExtraError
from histopress.encoders.network import ImageNetwork
from histopress.encoders.networks import StridedConv, StridedConvSettings
from histopress.encoders.tile_learner import Augment, TileLearner
from histopress.encoders.vae import WIDE


@dataclass(frozen=True)
class SimclrRecipe:
    """Settings of `SimclrLearner`.

    Attributes:
        encoder: that is trained, unless a network is given.
        units: of the hidden layer of the projection.
        projection: length of what is compared.
        temperature: by which cosines are divided.
    """

    encoder: StridedConvSettings = WIDE
    units: int = 512
    projection: int = 128
    temperature: float = 0.1


class SimclrLearner(TileLearner):
    """SimCLR (Chen et al. 2020) for any trunk; a batch is tiles (batch, tile, tile, 3) uint8.

    The larger the batch, the more tiles each view is told from: 256 and more are customary. The projection is
    for training only; the code is what comes before it.
    """

    def __init__(
        self,
        recipe: SimclrRecipe | None = None,
        augment: Augment | None = None,
        network: ImageNetwork | None = None,
    ) -> None:
        """Build.

        Raises:
            MissingExtraError: pytorch-metric-learning is not installed.
        """
        recipe = recipe or SimclrRecipe()
        super().__init__(network or StridedConv(recipe.encoder), augment)
        self.projection = nn.Sequential(
            nn.Linear(self.network.dim, recipe.units),
            nn.BatchNorm1d(recipe.units),
            nn.ReLU(),
            nn.Linear(recipe.units, recipe.projection),
        )
        self.contrast = _contrast(recipe.temperature)

    def losses(self, batch: Tensor) -> Tensor:
        """(batch,) normalised temperature-scaled cross-entropy, mean of both views; see `Learner.losses`."""
        views = self.images(torch.cat([batch, batch]), self.draws())
        projected: Tensor = self.projection(self.network.codes(views)).float()
        if len(batch) == 1:
            return 0 * projected.sum()[None]
        tiles = torch.arange(len(batch), device=projected.device).repeat(2)
        found: Tensor = self.contrast(projected, tiles)["loss"]["losses"]
        return found.view(2, -1).mean(0)


def _contrast(temperature: float) -> Any:
    """The loss of each view, not yet averaged.

    With one positive an anchor, `SupConLoss` is the loss of SimCLR. The library's `NTXentLoss` gives the same
    numbers, but its memory grows with the third power of the batch.
    """
    if find_spec("pytorch_metric_learning") is None:
        raise MissingExtraError(
            "pytorch-metric-learning is not installed; pip install 'histopress[contrastive]'"
        )
    from pytorch_metric_learning.losses import SupConLoss
    from pytorch_metric_learning.reducers import DoNothingReducer

    return SupConLoss(temperature, reducer=DoNothingReducer())
