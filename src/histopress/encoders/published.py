"""Weights that others published, read into our own networks."""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from torch import Tensor

from histopress.core.errors import EncoderError
from histopress.encoders.encoder import NetworkEncoder
from histopress.encoders.networks import (
    StridedConv,
    StridedConvSettings,
    architecture_of,
    build_network,
    without_weights,
)

NIC_SPACING = 0.5
NIC_TILE = 128
NIC_HINT = (
    "nic:PATH takes the Keras HDF5 file of an encoder with strided convolutions, such as "
    "encoder_multitask-4.h5 of the repository davidtellez/neural-image-compression"
)


FOUR_TASKS = "a5a236c210ebad81"
"""Identity of the published four-task encoder, whose licence is known."""


class Layer(NamedTuple):
    """One layer of a Keras model: its class, its name, its settings, and the layers that feed it."""

    kind: str
    name: str
    settings: dict[str, Any]
    inputs: list[str]

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


BLOCK = ("Conv2D", "LeakyReLU", "BatchNormalization")
REQUIRED: dict[str, dict[str, Any]] = {
    "Conv2D": {
        "kernel_size": [3, 3],
        "strides": [2, 2],
        "padding": "valid",
        "data_format": "channels_last",
        "dilation_rate": [1, 1],
        "activation": "linear",
        "use_bias": True,
    },
    "BatchNormalization": {"axis": -1, "center": True, "scale": True},
    "Dense": {"activation": "linear", "use_bias": True},
}
"""Settings that a Keras layer must have, as our network knows no other."""

WEIGHTS: dict[str, dict[str, tuple[str, tuple[int, ...]]]] = {
    "Conv2D": {"kernel": ("weight", (3, 2, 0, 1)), "bias": ("bias", (0,))},
    "BatchNormalization": {
        "gamma": ("weight", (0,)),
        "beta": ("bias", (0,)),
        "moving_mean": ("running_mean", (0,)),
        "moving_variance": ("running_var", (0,)),
    },
    "Dense": {"kernel": ("weight", (1, 0)), "bias": ("bias", (0,))},
}
"""Keras weight -> torch weight, and the order of the Keras axes in it."""


def load_nic(path: Path) -> NetworkEncoder:
    """An encoder of neural image compression from its Keras 2 HDF5 file.

    Takes 128 x 128 px tiles at 0.5 um/px, scaled linearly from 0..255 to -1..+1 and averaged down to what the
    network wants (64 x 64 px in the published four-task encoder), as in the authors' example.

    Args:
        path: file with the layers in its `model_config` attribute and the weights under `model_weights`.

    Raises:
        EncoderError: no such file, no HDF5 or Keras file, another network, or weights of other shapes.

    Paper: Tellez et al., Extending Unsupervised Neural Image Compression With Supervised Multitask Learning,
    MIDL 2020, arXiv 2004.07041.
    """
    if not path.is_file():
        raise EncoderError(f"{path}: no such file; {NIC_HINT}")
    try:
        with h5py.File(path, "r") as file:
            layers = _layers(file)
            network = _network(layers, file)
    except OSError as error:
        raise EncoderError(f"{path} cannot be read as HDF5 ({error}); {NIC_HINT}") from error
    except EncoderError as error:
        raise EncoderError(f"{path}: {error}; {NIC_HINT}") from error
    known = NetworkEncoder(network, name="nic", spacing=NIC_SPACING).card.identity == FOUR_TASKS
    return NetworkEncoder(
        network,
        name="nic",
        spacing=NIC_SPACING,
        licence="MIT" if known else "not stated",
        source=f"Tellez et al., MIDL 2020, arXiv 2004.07041; file {path.name}",
    )


def _layers(file: Any) -> list[Layer]:
    """The layers of a Keras functional model, in the order of the file."""
    if "model_config" not in file.attrs or "model_weights" not in file:
        raise EncoderError(
            f"holds {', '.join([*file.attrs, *file]) or 'nothing'}, expected the attribute model_config "
            "and the group model_weights of a saved Keras model"
        )
    try:
        return [_layer(entry) for entry in json.loads(file.attrs["model_config"])["config"]["layers"]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise EncoderError(f"model_config is not that of a Keras functional model ({error!r})") from error


def _layer(entry: dict[str, Any]) -> Layer:
    inputs = [link[0] for node in entry["inbound_nodes"] for link in node]
    return Layer(entry["class_name"], entry["name"], dict(entry["config"]), inputs)


def _network(layers: list[Layer], file: Any) -> StridedConv:
    settings = _settings(layers)
    network: StridedConv = without_weights(StridedConv, settings)
    wanted = network.state_dict()
    weights = {name: torch.zeros_like(w, device="cpu") for name, w in wanted.items() if "tracked" in name}
    for layer, module in _weighted(layers):
        for source, (target, axes) in WEIGHTS[layer.kind].items():
            name = f"{module}.{target}"
            weights[name] = _weight(file["model_weights"], layer, source, axes, wanted[name])
    filled: StridedConv = build_network(architecture_of(network), weights)  # type: ignore[assignment]
    return filled


def _settings(layers: list[Layer]) -> StridedConvSettings:
    """The settings of our network that say the same as these layers."""
    _check_chain(layers)
    side = _input_side(layers[0])
    return StridedConvSettings(
        tile=NIC_TILE,
        shrink=NIC_TILE // side,
        filters=tuple(_count(layer, "filters") for layer in layers if layer.kind == "Conv2D"),
        dim=_count(layers[-1], "units"),
        slope=_shared(layers, "LeakyReLU", "alpha"),
        epsilon=_shared(layers, "BatchNormalization", "epsilon"),
    )


def _check_chain(layers: list[Layer]) -> None:
    """Raise EncoderError unless the layers are one chain of blocks, a flattening and a dense layer."""
    blocks = max(1, sum(layer.kind == "Conv2D" for layer in layers))
    chain = ("InputLayer", *(BLOCK * blocks), "Flatten", "Dense")
    before: list[str] = []
    for place, (layer, kind) in enumerate(zip_longest(layers, chain), start=1):
        if layer is None or layer.kind != kind:
            raise EncoderError(f"layer {place} is {layer or 'missing'}, expected {kind or 'no more layers'}")
        for setting, value in REQUIRED.get(kind, {}).items():
            found = layer.settings.get(setting)
            if found != value:
                raise EncoderError(f"layer {place}, {layer}, has {setting} {found!r}, expected {value!r}")
        if layer.inputs != before:
            raise EncoderError(f"layer {place}, {layer}, is fed by {layer.inputs}, expected {before}")
        before = [layer.name]


def _input_side(layer: Layer) -> int:
    shape = layer.settings.get("batch_input_shape")
    sides = [side for side in range(1, NIC_TILE + 1) if NIC_TILE % side == 0]
    for side in sides:
        if shape == [None, side, side, 3]:
            return side
    raise EncoderError(f"input is {shape}, expected [None, side, side, 3] with a side in {sides}")


def _count(layer: Layer, setting: str) -> int:
    value = layer.settings.get(setting)
    if not isinstance(value, int) or value < 1:
        raise EncoderError(f"{layer} has {setting} {value!r}, expected a whole number from 1")
    return value


def _shared(layers: list[Layer], kind: str, setting: str) -> float:
    """The one value of a setting that all layers of a kind must share."""
    values = [layer.settings.get(setting) for layer in layers if layer.kind == kind]
    value = values[0]
    if not isinstance(value, int | float) or any(other != value for other in values):
        raise EncoderError(f"{kind} layers have {setting} {values}, expected one number for all")
    return float(value)


def _weighted(layers: list[Layer]) -> list[tuple[Layer, str]]:
    """Every layer that has weights, and the module of our network that takes them."""
    modules = {
        "Conv2D": iter(f"trunk.{i}.conv" for i in range(len(layers))),
        "BatchNormalization": iter(f"trunk.{i}.norm" for i in range(len(layers))),
        "Dense": iter(["code"]),
    }
    return [(layer, next(modules[layer.kind])) for layer in layers if layer.kind in WEIGHTS]


def _weight(group: Any, layer: Layer, source: str, axes: tuple[int, ...], wanted: Tensor) -> Tensor:
    """One Keras weight with its axes in torch's order."""
    name = f"{layer.name}/{layer.name}/{source}:0"
    if not isinstance(group.get(name), h5py.Dataset):
        raise EncoderError(f"weight {name} is missing")
    found = np.asarray(group[name], np.float32)
    shape = tuple(wanted.shape[axes.index(axis)] for axis in range(len(axes)))
    if found.shape != shape:
        raise EncoderError(f"weight {name} is {found.shape}, expected {shape}")
    if not np.isfinite(found).all():
        raise EncoderError(f"weight {name} holds values that are no numbers; fetch the file again")
    return torch.from_numpy(found.transpose(axes).copy())
