"""The map of features of any network of timm, for pictures of any number of channels."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from histopress.core.errors import RecipeError
from histopress.encoders.timm_encoder import TimmNetwork, stated_settings
from histopress.studies.patchnet_locations import Locations


class TimmTrunk(nn.Module):
    """Pictures (batch, channels, height, width) -> maps (batch, features, rows, cols).

    Each location stands for its own block of the picture, though it sees far beyond it: padding and many
    layers leave no sharper place. Transformers take pictures of any multiple of their patch where timm
    lets them.

    Args:
        model: name in timm.
        channels: of a picture.

    Attributes:
        features: channels of the map.
        locations: where the map lies.

    Raises:
        EncoderError: timm has no such model, or cannot make it for such pictures.
        MissingExtraError: timm is not installed.
        RecipeError: the model makes no map.
    """

    def __init__(self, model: str, channels: int) -> None:
        super().__init__()
        self.name = model
        self.model = _bare(model, channels)
        info = getattr(self.model, "feature_info", None)
        if not info:
            raise RecipeError(f"timm {model} does not state how far apart its locations lie; use another")
        self.features = int(self.model.num_features)  # type: ignore[arg-type]
        reduction = int(info[-1]["reduction"])
        self.locations = Locations(reduction, reduction)
        self._checkpointing = False

    @property
    def checkpointing(self) -> bool:
        """Whether parts are run a second time for their gradients; batch norm then counts a batch twice."""
        return self._checkpointing

    @checkpointing.setter
    def checkpointing(self, wanted: bool) -> None:
        self.model.set_grad_checkpointing(wanted)  # type: ignore[operator]
        self._checkpointing = wanted

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.model.forward_features(pictures)  # type: ignore[operator]
        if found.ndim == 4 and found.shape[1] == self.features:
            return found
        if found.ndim == 4 and found.shape[3] == self.features:
            return found.permute(0, 3, 1, 2)
        if found.ndim == 3 and hasattr(self.model, "patch_embed"):
            return self._laid(found, pictures)
        raise RecipeError(
            f"timm {self.name} makes {tuple(found.shape)} of a picture, expected a map; use another model"
        )

    def _laid(self, tokens: Tensor, pictures: Tensor) -> Tensor:
        """Tokens (batch, prefix + rows * cols, features) -> the map of the patches."""
        size = self.model.patch_embed.dynamic_feat_size(pictures.shape[2:])  # type: ignore[operator,union-attr]
        patches = tokens[:, self.model.num_prefix_tokens :]
        return patches.transpose(1, 2).reshape(len(tokens), self.features, *size)


def _bare(model: str, channels: int) -> nn.Module:
    """The model without its classifier, drawn from torch's own random numbers."""
    settings = replace(stated_settings(model), constructor={"in_chans": channels})
    seed = int(torch.randint(2**31, ()))
    bare: nn.Module = TimmNetwork(settings, seed).model
    if hasattr(bare, "dynamic_img_size"):
        given = settings.constructor | {"dynamic_img_size": True}
        bare = TimmNetwork(replace(settings, constructor=given), seed).model
    return bare.train()
