"""A trained head in a folder: weights as safetensors, everything else on a card in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from histopress.core.errors import HeadError
from histopress.core.files import write_whole
from histopress.core.recipe import build, plain
from histopress.grids.grid import GridHeader
from histopress.grids.views import ViewRule
from histopress.heads.catalogue import make_head
from histopress.heads.head import Head
from histopress.heads.objectives import Objective, restore

WEIGHTS_FILE = "head.safetensors"
CARD_FILE = "card.json"


@dataclass(frozen=True)
class HeadCard:
    """What a trained head is, as plain values.

    Attributes:
        name: in the catalogue.
        dim: length of the codes.
        settings: of its class.
        objective: what its logits mean.
        encoder: card of the encoder of the grids it was trained on; `encoder["identity"]` names it.
        grids: settings of those grids, for example which share of a cell had to be tissue.
        views: how it looks at a grid when it is asked.
        joint: whether it answers for a patient, all slides side by side, and not for each slide.
    """

    name: str
    dim: int
    settings: dict[str, Any]
    objective: dict[str, Any]
    encoder: dict[str, Any]
    grids: dict[str, Any]
    views: ViewRule
    joint: bool = False


@dataclass(frozen=True)
class SavedHead:
    """A head, what its logits mean, and its card."""

    head: Head
    objective: Objective
    card: HeadCard = field(repr=False)

    def check_grid(self, grid: GridHeader) -> None:
        """Refuse grids of another encoder or spacing.

        Raises:
            HeadError: the identities or the spacings differ.
        """
        wanted, found = self.card.encoder, grid.encoder
        if any(found.get(key) != wanted.get(key) for key in ("identity", "spacing")):
            raise HeadError(
                f"the grid of {grid.slide.slide} was made by encoder {_named(found)}, expected "
                f"{_named(wanted)}, which the head was trained with; compress the slide with that one"
            )


def save_head(folder: Path, head: Head, card: HeadCard) -> None:
    """Write weights and card, each whole or not at all; the card comes last."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in head.state_dict().items()}
    write_whole(folder / WEIGHTS_FILE, save_tensors(tensors))
    write_whole(folder / CARD_FILE, json.dumps(plain(card), indent=2) + "\n")


def load_head(folder: Path) -> SavedHead:
    """A head that `save_head` wrote, ready to answer.

    Raises:
        HeadError: the folder holds none, or it is damaged.
    """
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        return built_head(card, load_tensors((folder / WEIGHTS_FILE).read_bytes()), str(folder))
    except (OSError, ValueError, SafetensorError) as error:
        raise HeadError(f"{folder} holds no sound head ({error}); train it again") from error


def built_head(card: Mapping[str, Any], tensors: Mapping[str, Tensor], where: str) -> SavedHead:
    """A head from its card and weights.

    Raises:
        HeadError: they do not fit together.
    """
    try:
        known = build(HeadCard, dict(card), where)
        objective = restore(known.objective)
        head = make_head(known.name, known.dim, objective.outputs, **known.settings)
        head.load_state_dict(dict(tensors))
    except (ValueError, RuntimeError) as error:
        raise HeadError(f"{where} holds no sound head ({error}); train it again") from error
    return SavedHead(head.eval(), objective, known)


def _named(encoder: dict[str, Any]) -> str:
    return f"{encoder.get('name', '?')} ({encoder.get('identity', '?')}, {encoder.get('spacing', '?')} um/px)"
