"""Published weights: read rightly (against an independent forward pass in NumPy), and only where they fit."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from histopress.core.errors import EncoderError
from histopress.encoders.encoder import encode, load_saved, save_encoder
from histopress.encoders.published import load_nic

Config = dict[str, Any]


def keras_forward(path: Path, tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Codes of a Keras 2 chain in plain NumPy: tiles scaled to -1..+1 and averaged down to its input."""
    with h5py.File(path) as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
        weights = {
            name.decode().split("/")[-1].removesuffix(":0") + "@" + layer["name"]: np.asarray(
                file["model_weights"][layer["name"]][name], np.float64
            )
            for layer in layers
            for name in file["model_weights"][layer["name"]].attrs["weight_names"]
        }
    x = tiles.astype(np.float64) / 255 * 2 - 1
    for layer in layers:
        config, name = layer["config"], layer["name"]
        match layer["class_name"]:
            case "InputLayer":
                side = config["batch_input_shape"][1]
                block = tiles.shape[1] // side
                x = x.reshape(len(x), side, block, side, block, 3).mean((2, 4))
            case "Conv2D":
                windows = sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2]
                x = np.einsum("brcihw,hwio->brco", windows, weights[f"kernel@{name}"], optimize=True)
                x = x + weights[f"bias@{name}"]
            case "LeakyReLU":
                x = np.where(x > 0, x, config["alpha"] * x)
            case "BatchNormalization":
                scale = weights[f"gamma@{name}"] / np.sqrt(
                    weights[f"moving_variance@{name}"] + config["epsilon"]
                )
                x = (x - weights[f"moving_mean@{name}"]) * scale + weights[f"beta@{name}"]
            case "Flatten":
                x = x.reshape(len(x), -1)
            case "Dense":
                x = x @ weights[f"kernel@{name}"] + weights[f"bias@{name}"]
    return x


def small_layers() -> list[Config]:
    """Two blocks of 5 and 6 filters on 16 x 16 px, then a code of 7 numbers."""
    conv = {
        "kernel_size": [3, 3], "strides": [2, 2], "padding": "valid", "data_format": "channels_last",
        "dilation_rate": [1, 1], "activation": "linear", "use_bias": True,
    }  # fmt: skip
    norm = {"axis": -1, "epsilon": 0.002, "center": True, "scale": True}
    chain = [
        ("InputLayer", "input_1", {"batch_input_shape": [None, 16, 16, 3]}),
        ("Conv2D", "conv_1", {**conv, "filters": 5}),
        ("LeakyReLU", "leaky_1", {"alpha": 0.3}),
        ("BatchNormalization", "norm_1", dict(norm)),
        ("Conv2D", "conv_2", {**conv, "filters": 6}),
        ("LeakyReLU", "leaky_2", {"alpha": 0.3}),
        ("BatchNormalization", "norm_2", dict(norm)),
        ("Flatten", "flatten_1", {}),
        ("Dense", "encoded", {"units": 7, "activation": "linear", "use_bias": True}),
    ]
    names = [name for _, name, _ in chain]
    return [
        {
            "class_name": kind,
            "name": name,
            "config": config,
            "inbound_nodes": [[[before, 0, 0, {}]]] if before else [],
        }
        for (kind, name, config), before in zip(chain, [None, *names], strict=False)
    ]


SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "conv_1": {"kernel": (3, 3, 3, 5), "bias": (5,)},
    "norm_1": dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (5,)),
    "conv_2": {"kernel": (3, 3, 5, 6), "bias": (6,)},
    "norm_2": dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (6,)),
    "encoded": {"kernel": (54, 7), "bias": (7,)},
}


def write_keras(
    path: Path, layers: list[Config], shapes: dict[str, dict[str, tuple[int, ...]]] = SHAPES
) -> Path:
    random = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": {"layers": layers}})
        model = file.create_group("model_weights")
        for layer in layers:
            group = model.require_group(layer["name"])
            names = [f"{layer['name']}/{weight}:0" for weight in shapes.get(layer["name"], {})]
            group.attrs["weight_names"] = np.array(names, dtype="S")
            for name, shape in zip(names, shapes.get(layer["name"], {}).values(), strict=True):
                group.require_dataset(name, shape, "f4")[:] = random.uniform(0.1, 0.6, shape)
    return path


def random_tiles(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 128, 128, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def weights(shared_data: Path) -> Path:
    return shared_data / "nic_encoder_weights" / "encoder_multitask-4.h5"


@pytest.fixture(scope="module")
def patches(shared_data: Path) -> NDArray[np.uint8]:
    """Real colorectal tissue at 0.5 um/px, (49, 128, 128, 3): one crop of every image."""
    with zipfile.ZipFile(shared_data / "crc_tissue7" / "images.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        images = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    return np.stack([image[40:168, 60:188] for image in images])


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.sum(one * other, 1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))


def test_codes_equal_those_of_an_independent_forward_pass(weights: Path, patches: NDArray[np.uint8]) -> None:
    tiles = np.concatenate([patches[::3], random_tiles(3), np.full((1, 128, 128, 3), 255, np.uint8)])
    codes, expected = encode(load_nic(weights), tiles), keras_forward(weights, tiles)
    errors = np.linalg.norm(codes - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert errors.max() < 1e-5
    np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-5)


def test_the_published_encoder_has_its_published_size_and_preprocessing(weights: Path) -> None:
    encoder = load_nic(weights)
    statistics = [b.numel() for name, b in encoder.named_buffers() if "running" in name]
    assert sum(p.numel() for p in encoder.parameters()) == 594_944
    assert sum(statistics) == 1_024
    card = encoder.card
    assert (card.name, card.spacing, card.tile, card.dim) == ("nic", 0.5, 128, 128)
    assert card.architecture["shrink"] == 2
    assert card.architecture["filters"] == [128] * 4
    assert str(weights.parent) not in card.source


def test_codes_of_real_tissue_are_near_unit_scale_and_change_when_flipped(
    weights: Path, patches: NDArray[np.uint8]
) -> None:
    encoder = load_nic(weights)
    codes, flipped = encode(encoder, patches), encode(encoder, patches[:, :, ::-1])
    assert abs(codes.mean()) < 0.1
    assert 0.8 < codes.std() < 1.2
    assert 0.75 < cosines(codes, flipped).mean() < 0.9
    assert cosines(codes, np.roll(codes, 7, axis=0)).mean() < 0.5


def test_codes_of_real_tissue_tell_tissues_apart_better_than_colour(
    weights: Path, patches: NDArray[np.uint8]
) -> None:
    kinds = np.repeat(np.arange(7), 7)

    def nearest_neighbour_accuracy(codes: NDArray[np.float32]) -> float:
        distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        return float(np.mean(kinds[distances.argmin(1)] == kinds))

    codes, colours = encode(load_nic(weights), patches), patches.mean((1, 2)).astype(np.float32)
    assert nearest_neighbour_accuracy(codes) > nearest_neighbour_accuracy(colours)


def test_the_published_encoder_survives_saving(weights: Path, tmp_path: Path) -> None:
    encoder, tiles = load_nic(weights), random_tiles(2)
    save_encoder(encoder, tmp_path)
    again = load_saved(tmp_path)
    assert again.card == encoder.card
    assert np.array_equal(encode(again, tiles), encode(encoder, tiles))


def test_another_network_of_the_family_is_read_as_well(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "small.h5", small_layers())
    encoder, tiles = load_nic(path), random_tiles(3)
    assert encoder.card.dim == 7
    assert encoder.card.architecture["shrink"] == 8
    np.testing.assert_allclose(encode(encoder, tiles), keras_forward(path, tiles), rtol=1e-4, atol=1e-5)


def change(place: int, **settings: Any) -> Callable[[list[Config]], None]:
    def changed(layers: list[Config]) -> None:
        layers[place]["config"].update(settings)

    return changed


def other_class(place: int, kind: str) -> Callable[[list[Config]], None]:
    def changed(layers: list[Config]) -> None:
        layers[place]["class_name"] = kind

    return changed


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (other_class(3, "MaxPooling2D"), "layer 4 is MaxPooling2D 'norm_1', expected BatchNormalization"),
        (other_class(1, "Dense"), "layer 2 is Dense 'conv_1', expected Conv2D"),
        (lambda layers: layers.pop(), "layer 9 is missing, expected Dense"),
        (lambda layers: layers.append(layers[-1]), "layer 10 is Dense 'encoded', expected no more layers"),
        (lambda layers: layers.clear(), "layer 1 is missing, expected InputLayer"),
        (change(4, strides=[1, 1]), r"layer 5, Conv2D 'conv_2', has strides \[1, 1\], expected \[2, 2\]"),
        (change(1, padding="same"), "has padding 'same', expected 'valid'"),
        (change(1, activation="relu"), "has activation 'relu', expected 'linear'"),
        (change(8, activation="softmax"), "layer 9, Dense 'encoded', has activation 'softmax'"),
        (change(3, axis=1), "has axis 1, expected -1"),
        (change(2, alpha=0.1), r"LeakyReLU layers have alpha \[0\.1, 0\.3\], expected one number"),
        (change(0, batch_input_shape=[None, 16, 32, 3]), r"input is \[None, 16, 32, 3\]"),
        (change(0, batch_input_shape=[None, 48, 48, 3]), r"input is \[None, 48, 48, 3\]"),
        (change(1, filters="many"), "Conv2D 'conv_1' has filters 'many'"),
        (change(1, filters=4), r"conv_1/kernel:0 is \(3, 3, 3, 5\), expected \(3, 3, 3, 4\)"),
        (change(8, units=8), r"encoded/kernel:0 is \(54, 7\), expected \(54, 8\)"),
        (lambda layers: layers[7].update(inbound_nodes=[[["norm_1", 0, 0, {}]]]), "layer 8.*fed by.*norm_1"),
        (lambda layers: layers[7].pop("inbound_nodes"), "not that of a Keras functional model"),
    ],
)  # fmt: skip
def test_other_networks_are_refused_and_the_layer_is_named(
    damage: Callable[[list[Config]], object], says: str, tmp_path: Path
) -> None:
    layers = small_layers()
    damage(layers)
    path = write_keras(tmp_path / "other.h5", layers)
    with pytest.raises(EncoderError, match=f"other.h5: .*{says}"):
        load_nic(path)


def test_missing_and_meaningless_weights_are_named(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "small.h5", small_layers())
    with h5py.File(path, "r+") as file:
        file["model_weights/norm_2/norm_2/beta:0"][2] = np.nan
    with pytest.raises(EncoderError, match=r"norm_2/beta:0 holds values that are no numbers"):
        load_nic(path)
    with h5py.File(path, "r+") as file:
        del file["model_weights/norm_2/norm_2/beta:0"]
    with pytest.raises(EncoderError, match=r"norm_2/beta:0 is missing"):
        load_nic(path)


def test_files_that_hold_no_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no such file"):
        load_nic(tmp_path / "absent.h5")
    with pytest.raises(EncoderError, match="no such file"):
        load_nic(tmp_path)
    text = tmp_path / "text.h5"
    text.write_text("weights")
    with pytest.raises(EncoderError, match="cannot be read as HDF5"):
        load_nic(text)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["features"] = np.zeros(3)
    with pytest.raises(EncoderError, match="holds features, expected the attribute model_config"):
        load_nic(other)
    with h5py.File(other, "a") as file:
        file.create_group("model_weights")
        file.attrs["model_config"] = "no json"
    with pytest.raises(EncoderError, match="not that of a Keras functional model"):
        load_nic(other)


def test_a_truncated_download_is_refused(weights: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.h5"
    half.write_bytes(weights.read_bytes()[:1_000_000])
    with pytest.raises(EncoderError, match="cannot be read as HDF5"):
        load_nic(half)
