"""A whole run as one file: heads, cards, splits and the encoder, as safetensors with JSON beside the weights.

The file holds no code. Patients and slides are kept as digests only: enough to tell that a model has seen
them, and nothing that names them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors
from torch import Tensor

from histopress.core.errors import HeadError
from histopress.core.files import write_whole
from histopress.core.run import Run
from histopress.heads.saved import CARD_FILE, WEIGHTS_FILE, SavedHead, built_head

FORMAT = "histopress model 1"
SPLIT_FILE = "split.csv"
ENCODER = "encoder/"
MOST_ENCODER = 64 << 20
"""Bytes of an encoder that is packed along; larger ones are only named by their card."""


def write_model(run: Path, file: Path) -> None:
    """Pack a run into one file.

    Args:
        run: folder with `folds/` and, where there is one, `encoder/`.
        file: to write, whole or not at all.
    """
    folders = sorted((run / "folds").iterdir())
    tensors: dict[str, Tensor] = {}
    cards, splits = {}, {}
    for folder in folders:
        own = load_file(folder / WEIGHTS_FILE)
        tensors |= {f"heads/{folder.name}/{name}": value for name, value in own.items()}
        cards[folder.name] = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        table = pd.read_csv(folder / SPLIT_FILE, dtype=str, keep_default_na=False)
        splits[folder.name] = [[digest_of(p), digest_of(s), part] for p, s, part in table.to_numpy().tolist()]
    for name, content in _encoder_files(run / "encoder"):
        tensors[ENCODER + name] = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
    about = {"record": Run.load(run).record, "heads": cards, "splits": splits}
    write_whole(file, save_tensors(tensors, {"format": FORMAT, "histopress": json.dumps(about)}))


def digest_of(name: str) -> str:
    """What stands for the id of a patient or slide in a model file."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _encoder_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    if not folder.is_dir():
        return
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    if sum(path.stat().st_size for path in files) <= MOST_ENCODER:
        yield from ((path.name, path.read_bytes()) for path in files)


class ModelFile:
    """What a model file holds.

    Attributes:
        path: of the file.
        heads: by the name of their fold.
        split: `patient`, `slide` (digests), `part` and `fold` of all that the heads have seen.
    """

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            HeadError: it is damaged, or no model.
        """
        self.path = path
        try:
            with safe_open(path, "pt") as opened:
                found = opened.metadata() or {}
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise HeadError(f"{path} is no sound model file ({error}); copy it again") from error
        if found.get("format") != FORMAT:
            raise HeadError(
                f"{path} has format {found.get('format')!r}, expected {FORMAT!r}; give the "
                "model.safetensors of a run, or update histopress"
            )
        about: dict[str, Any] = json.loads(found["histopress"])
        self.heads = {name: self._head(name, card, tensors) for name, card in about["heads"].items()}
        rows = [(*row, name) for name, split in about["splits"].items() for row in split]
        self.split = pd.DataFrame(rows, columns=["patient", "slide", "part", "fold"])
        self._encoder = {k.removeprefix(ENCODER): v for k, v in tensors.items() if k.startswith(ENCODER)}

    def _head(self, name: str, card: dict[str, Any], tensors: dict[str, Tensor]) -> SavedHead:
        start = f"heads/{name}/"
        own = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        return built_head(card, own, f"{self.path}, head {name}")

    def unpack_encoder(self, folder: Path) -> Path | None:
        """Lay the encoder that is packed along into a folder; none where there is none."""
        for name, content in self._encoder.items():
            write_whole(folder / name, content.numpy().tobytes())
        return folder if self._encoder else None
