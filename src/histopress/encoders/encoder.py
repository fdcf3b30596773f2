"""The Encoder contract: uint8 tiles in, one vector each out; saved as safetensors plus a JSON card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from histopress.core.errors import EncoderError, RecipeError
from histopress.core.files import whole, write_whole
from histopress.core.recipe import build, digest, plain, read_settings
from histopress.encoders.network import Network
from histopress.encoders.networks import architecture_of, build_network

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
BATCH_STEP = 8
"""Batches are multiples of this: see `encode`."""


@dataclass(frozen=True)
class EncoderCard:
    """What an encoder is, as plain values; stored beside its weights and inside every grid it makes.

    Attributes:
        name: as it is asked for, without paths, for example "nic" or "mean-rgb".
        identity: digest over architecture, settings and weights; equal identity means equal codes.
        spacing: um/px of the tiles it wants.
        tile: width and height of the tiles in px.
        dim: length of a code.
        normalisation: how uint8 pixels become network input, in words.
        architecture: name of the network in `networks`, and its settings, to build it again.
        licence: of the weights.
        source: paper, data and file it comes from.
        training: where it was trained here: method, tasks with their data, licences and scores, recipe.
    """

    name: str
    identity: str
    spacing: float
    tile: int
    dim: int
    normalisation: str
    architecture: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    source: str = ""
    training: dict[str, Any] = field(default_factory=dict)


class Encoder(nn.Module):
    """uint8 tiles (batch, height, width, 3) -> codes (batch, dim) float32; always in evaluation mode."""

    card: EncoderCard

    def forward(self, tiles: Tensor) -> Tensor:
        """Encode a batch of tiles.

        Args:
            tiles: (batch, card.tile, card.tile, 3) uint8 RGB at card.spacing um/px, on the encoder's device.

        Returns:
            (batch, card.dim) float32.

        Raises:
            EncoderError: tiles of another size, order or type.
        """
        raise NotImplementedError

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever is asked: codes must not depend on the rest of their batch."""
        return super().train(False)

    def weights(self) -> dict[str, Tensor]:
        """What is kept beside the card to make the encoder again; nothing where the card is enough."""
        return {}


class NetworkEncoder(Encoder):
    """A network behind the Encoder contract, frozen: takes the network over, and it learns no more.

    Args:
        network: turns tiles into codes.
        name: see `EncoderCard`.
        spacing: um/px of its tiles.
        licence: of its weights.
        source: paper, data and file it comes from.
        training: see `EncoderCard`.
    """

    def __init__(
        self,
        network: Network,
        name: str,
        spacing: float,
        *,
        licence: str = "",
        source: str = "",
        training: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.card = EncoderCard(
            name=name,
            identity=_identity(network, spacing),
            spacing=spacing,
            tile=network.tile,
            dim=network.dim,
            normalisation=network.normalisation,
            architecture=architecture_of(network),
            licence=licence,
            source=source,
            training=training or {},
        )
        self.to(memory_format=torch.channels_last)
        self.eval()

    def forward(self, tiles: Tensor) -> Tensor:
        """Encode a batch of tiles; see `Encoder.forward`."""
        check_tiles(tiles, self.card)
        with torch.no_grad():
            codes: Tensor = self.network(tiles)
        return codes

    def weights(self) -> dict[str, Tensor]:
        """Weights of the network, on the CPU."""
        return {name: weight.cpu().contiguous() for name, weight in self.network.state_dict().items()}


def check_tiles(tiles: Tensor | NDArray[Any], card: EncoderCard) -> None:
    """Raise EncoderError unless tiles are (batch, card.tile, card.tile, 3) uint8."""
    kind, shape = str(tiles.dtype).removeprefix("torch."), tuple(tiles.shape)
    expected = (card.tile, card.tile, 3)
    if kind != "uint8" or len(shape) != 4 or shape[1:] != expected:
        raise EncoderError(
            f"tiles for {card.name} are {kind} {shape}, "
            f"expected uint8 (batch, {card.tile}, {card.tile}, 3); {_remedy(kind, shape, card)}"
        )


def _remedy(kind: str, shape: tuple[int, ...], card: EncoderCard) -> str:
    if kind != "uint8":
        return "give pixels as they are stored, 0 to 255: the encoder scales them itself"
    if len(shape) == 3 and shape[2] == 3:
        return "one tile is a batch of one: tiles[None]"
    if len(shape) == 4 and shape[1] == 3 != shape[3]:
        return "colours come last: move axis 1 to the end"
    if len(shape) == 4 and shape[3] == 4:
        return "drop the fourth colour channel (alpha)"
    return f"cut RGB tiles of {card.tile} x {card.tile} px at {card.spacing:g} um/px"


def encode(
    encoder: Encoder, tiles: NDArray[np.uint8], device: str = "auto", batch: int = 32
) -> NDArray[np.float32]:
    """Encode any number of tiles, a batch at a time.

    Codes of `mean-rgb`, computed in whole numbers, are always the same bits. For convolutions, equal batches
    give equal bits on one machine; how tiles are shared out to calls and batches may touch the last bits
    (about 1e-6 of a code), as libraries sum odd numbers of tiles in another order. Batches are therefore
    filled up to multiples of 8, which removed all such differences where it was measured (a CPU with AVX-512,
    1 and 2 threads). Another kind of machine may always differ in the last bits.

    Args:
        encoder: moved to the device and left there.
        tiles: (tiles, card.tile, card.tile, 3) uint8 RGB at card.spacing um/px.
        device: "auto" (a GPU where there is one, else the CPU) or the name torch gives a device.
        batch: tiles a time; on a CPU, maps of larger batches no longer fit the caches and are slower.

    Returns:
        (tiles, card.dim) float32.

    Raises:
        EncoderError: tiles of another size, order or type; no such device.
    """
    check_tiles(tiles, encoder.card)
    place = pick_device(device)
    encoder.to(place)
    codes = np.empty((len(tiles), encoder.card.dim), np.float32)
    exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    with torch.inference_mode(), exact:
        for start in range(0, len(tiles), batch):
            part = tiles[start : start + batch]
            codes[start : start + batch] = encoder(_filled_up(part).to(place))[: len(part)].cpu().numpy()
    return codes


def _filled_up(tiles: NDArray[np.uint8]) -> Tensor:
    """Tiles, and black ones behind them up to a multiple of `BATCH_STEP`."""
    missing = -len(tiles) % BATCH_STEP
    if missing:
        tiles = np.concatenate([tiles, np.zeros((missing, *tiles.shape[1:]), np.uint8)])
    return torch.from_numpy(np.require(tiles, requirements=["C", "W"]))


def pick_device(name: str) -> torch.device:
    """The device of this name; "auto" is a GPU where there is one, else the CPU.

    Raises:
        EncoderError: there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise EncoderError(f"device {name!r} cannot be used here ({reason}); use auto or cpu") from error


def save_encoder(encoder: Encoder, folder: Path) -> None:
    """Write an encoder into a folder: its weights, then the card that vouches for them; whole or absent.

    Raises:
        EncoderError: its weights cannot be written.
    """
    write_encoder(encoder.card, encoder.weights(), folder)


def write_encoder(card: EncoderCard, weights: dict[str, Tensor], folder: Path) -> None:
    """Write weights, then the card that vouches for them; see `save_encoder`."""
    with whole(folder / WEIGHTS_FILE) as partial:
        _save(weights, partial)
    write_whole(folder / CARD_FILE, json.dumps(plain(card), indent=2) + "\n")


def _save(weights: dict[str, Tensor], path: Path) -> None:
    try:
        save_file(weights, path)
    except SafetensorError as error:
        raise EncoderError(
            f"{path.parent}: the weights of the encoder cannot be written ({error}); make sure that there is "
            "space on the disk and that the folder is yours, and run again"
        ) from error


def load_saved(folder: Path) -> NetworkEncoder:
    """The encoder that `save_encoder` wrote into a folder.

    Raises:
        EncoderError: card or weights are missing or damaged, or the weights are not those of the card.
    """
    card = read_card(folder / CARD_FILE)
    network = build_network(card.architecture, widened(read_weights(folder / WEIGHTS_FILE)))
    encoder = NetworkEncoder(
        network,
        card.name,
        card.spacing,
        licence=card.licence,
        source=card.source,
        training=card.training,
    )
    for fact in ("identity", "tile", "dim"):
        found, stated = getattr(encoder.card, fact), getattr(card, fact)
        if found != stated:
            raise EncoderError(
                f"{folder}: {fact} of the weights is {found}, but {CARD_FILE} states {stated}; "
                f"one of the two files was changed or exchanged: save the encoder again"
            )
    return encoder


def widened(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that were packed at half precision as float32, which changes none of them."""
    return {name: w.float() if w.dtype == torch.float16 else w for name, w in weights.items()}


def read_card(path: Path) -> EncoderCard:
    """The card of an encoder.

    Raises:
        EncoderError: it is missing, or no card.
    """
    if not path.is_file():
        raise EncoderError(
            f"{path.parent} holds no encoder: {path.name} is missing; name a folder that has one"
        )
    try:
        return build(EncoderCard, read_settings(path), where=str(path))
    except RecipeError as error:
        raise EncoderError(f"{error}; save the encoder again") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """What `save_encoder` kept beside the card.

    Raises:
        EncoderError: it is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise EncoderError(
            f"{path} cannot be read as safetensors: {error}; save the encoder again"
        ) from error


def _identity(network: Network, spacing: float) -> str:
    return digest(architecture_of(network), float(spacing), weights_hash(network))


def weights_hash(network: nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of every weight, sorted by name."""
    hasher = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        hasher.update(f"{name} {weight.dtype} {tuple(weight.shape)};".encode())
        hasher.update(weight.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return hasher.hexdigest()
