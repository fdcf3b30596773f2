"""Encoders without labels: the methods by name, how each is trained, and a learner ready to fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from histopress.core.errors import EncoderError
from histopress.core.fit import FitRecipe
from histopress.encoders.bigan import BiganLearner, BiganRecipe
from histopress.encoders.contrastive import ContrastiveLearner, ContrastiveRecipe
from histopress.encoders.network import ImageNetwork
from histopress.encoders.networks import draw_weights
from histopress.encoders.simclr import SimclrLearner, SimclrRecipe
from histopress.encoders.tile_learner import Augment, TileLearner
from histopress.encoders.vae import VaeLearner, VaeRecipe


@dataclass(frozen=True)
class Method:
    """A way to train an encoder without labels.

    Attributes:
        learner: made from a recipe and an augmentation, and from a network if it takes any trunk.
        recipe: the kind of its settings; they have defaults.
        fit: how it is trained.
        batch: elements in a batch.
        pairs: it learns from `RowBatch`es rather than from single tiles.
        tuned: a tuning part chooses the best epoch; otherwise the last weights are kept.
        trunk: it takes any network, not only its own.
        strength: of augmentation, a name in `augment.LADDER`; the published one is no more than "heavy".
    """

    learner: type[Any]
    recipe: type[Any]
    fit: FitRecipe
    batch: int = 64
    pairs: bool = False
    tuned: bool = True
    trunk: bool = False
    strength: str = "hsv-light"


PLATEAU = FitRecipe(
    epochs=200, patience=20, lr=1e-3, weight_decay=0.0, seed=0, optimizer="adam", schedule="plateau", clip=0.0
)
"""Adam, and a tenth of the learning rate on each plateau; epochs and patience are not published."""

METHODS: dict[str, Method] = {
    "vae": Method(VaeLearner, VaeRecipe, PLATEAU),
    "contrastive": Method(
        ContrastiveLearner, ContrastiveRecipe, replace(PLATEAU, lr=1e-2), pairs=True, trunk=True
    ),
    "bigan": Method(
        BiganLearner, BiganRecipe, replace(PLATEAU, lr=2e-4, epochs=128, schedule="constant"), tuned=False
    ),
    "simclr": Method(
        SimclrLearner,
        SimclrRecipe,
        FitRecipe(epochs=100, patience=100, lr=1e-3, weight_decay=1e-4, seed=0, optimizer="adamw"),
        batch=256,
        trunk=True,
    ),
}
"""Name -> method. The first three are those of Tellez et al. (TPAMI 2019); the BiGAN's 200,000 "epochs" are
taken for steps, 128 epochs over their 100,000 tiles. SimCLR's settings are ours."""


def shaped(method: str, tile: int, dim: int, width: float) -> Any:
    """The published settings of a method for other tiles and codes, and with more or fewer channels.

    Args:
        method: a name in `METHODS`.
        tile: width and height of the tiles in px.
        dim: length of a code.
        width: 1 is as published; channels and units are multiplied by it.
    """
    recipe = METHODS[method].recipe()
    known = recipe.encoder
    encoder = replace(
        known, tile=tile, dim=dim, filters=_times(known.filters, width), hidden=_times(known.hidden, width)
    )
    layers = {
        name: _times(getattr(recipe, name), width)
        for name in ("start", "decoder", "generator", "units")
        if hasattr(recipe, name)
    }
    return replace(recipe, encoder=encoder, **layers)


def _times(layers: Any, width: float) -> Any:
    if isinstance(layers, tuple):
        return tuple(_times(layer, width) for layer in layers)
    return max(1, round(layers * width))


def learner_for(
    method: str,
    seed: int,
    augment: Augment | None = None,
    recipe: Any = None,
    network: ImageNetwork | None = None,
) -> TileLearner:
    """A learner with fresh weights, the same on every machine for one seed.

    Args:
        method: a name in `METHODS`.
        seed: of the weights.
        augment: alters images.
        recipe: of the method's kind; without it the published one.
        network: to train instead of the method's own, from the weights that it has.

    Raises:
        EncoderError: no such method, or a network for a method that has its own.
        MissingExtraError: the method needs a library that is not installed.
    """
    if method not in METHODS:
        raise EncoderError(f"no method {method!r}, expected one of {', '.join(METHODS)}")
    known = METHODS[method]
    if network is not None and not known.trunk:
        others = ", ".join(name for name, m in METHODS.items() if m.trunk)
        raise EncoderError(f"{method} trains a network of its own and takes no other; use one of {others}")
    given = {} if network is None else {"network": network}
    with torch.random.fork_rng(devices=[]):
        learner: TileLearner = known.learner(recipe or known.recipe(), augment, **given)
    for number, part in enumerate(learner.children()):
        if part is not network:
            draw_weights(part, int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
    return learner
