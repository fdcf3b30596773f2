"""ONNX files as encoders, run by ONNX Runtime on a CPU or a CUDA GPU.

Layout and size of the images are read from the model; how pixels are scaled and how large they are is stated
behind the name or in a JSON file beside the model (`model.onnx` and `model.json`).
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histopress.core.errors import EncoderError, MissingExtraError, RecipeError
from histopress.core.recipe import build, digest, load, plain
from histopress.encoders.encoder import Encoder, EncoderCard, check_tiles
from histopress.encoders.onnx_form import (
    OnnxSettings,
    check_scale,
    form_of,
    images_of,
    in_words,
    tile_of,
)
from histopress.encoders.pickled import refuse_pickled

log = logging.getLogger(__name__)


class OnnxEncoder(Encoder):
    """An ONNX model behind the Encoder contract.

    Args:
        model: the bytes of the file; all its weights must be in it.
        settings: complete, but for tile and output.
        name: stands on the card.

    Raises:
        EncoderError: no ONNX model, or none that turns tiles into one code each.
        MissingExtraError: ONNX Runtime is not installed.
    """

    def __init__(self, model: bytes, settings: OnnxSettings, name: str) -> None:
        super().__init__()
        self.model = model
        self._sessions: dict[str, Any] = {}
        self.form = form_of(self._session("cpu"), settings, name)
        self.settings = replace(settings, tile=tile_of(self.form, settings, name), output=self.form.output)
        check_scale(self.form, self.settings, name)
        digits = hashlib.sha256(model).hexdigest()
        self.card = EncoderCard(
            name=name,
            identity=digest("onnx", digits, plain(replace(self.settings, licence="", source=""))),
            spacing=settings.spacing,
            tile=self.settings.tile,
            dim=1,
            normalisation=in_words(self.form, self.settings),
            architecture={"onnx": plain(self.settings)},
            licence=settings.licence or "not stated",
            source=settings.source or "an ONNX file",
        )
        self.card = replace(self.card, dim=self._dim())
        self.eval()

    def forward(self, tiles: Tensor) -> Tensor:
        """Encode a batch of tiles; see `Encoder.forward`."""
        check_tiles(tiles, self.card)
        codes = self._codes(tiles.cpu().numpy(), "cuda" if tiles.is_cuda else "cpu")
        return torch.from_numpy(codes).to(tiles.device)

    def weights(self) -> dict[str, Tensor]:
        """The file itself, as bytes."""
        return {"onnx": torch.frombuffer(bytearray(self.model), dtype=torch.uint8)}

    def __getstate__(self) -> dict[str, Any]:
        """Sessions stay behind: they are made again where the encoder arrives."""
        return {**self.__dict__, "_sessions": {}}

    def _dim(self) -> int:
        codes = self._codes(np.zeros((2, self.settings.tile, self.settings.tile, 3), np.uint8), "cpu")
        if codes.ndim != 2 or len(codes) != 2:
            raise EncoderError(
                f"{self.card.name}: output {self.form.output!r} is {codes.shape} for 2 tiles, expected "
                "(2, dim); export the pooled codes, not tokens or maps"
            )
        return int(codes.shape[1])

    def _codes(self, tiles: NDArray[np.uint8], device: str) -> NDArray[np.float32]:
        """Codes of any number of tiles, in batches of the one size if the model has one."""
        step = self.form.batch or max(1, len(tiles))
        parts = [self._batch(tiles[start : start + step], device) for start in range(0, len(tiles), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.card.dim), np.float32)

    def _batch(self, tiles: NDArray[np.uint8], device: str) -> NDArray[np.float32]:
        images = images_of(tiles, self.form, self.settings)
        missing = max(0, self.form.batch - len(tiles))
        if missing:
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
        try:
            codes = self._session(device).run([self.form.output], {self.form.input: images})[0]
        except _faults() as error:
            raise EncoderError(
                f"{self.card.name} cannot run on images of {images.shape}: {_first_line(error)}"
            ) from error
        codes = np.asarray(codes, np.float32)
        while codes.ndim > 2 and codes.shape[-1] == 1:
            codes = codes[..., 0]
        return codes[: len(tiles)]

    def _session(self, device: str) -> Any:
        if device not in self._sessions:
            self._sessions[device] = _open(self.model, device)
        return self._sessions[device]


def load_onnx(path: Path, given: OnnxSettings, name: str) -> OnnxEncoder:
    """An ONNX file as an encoder.

    Args:
        path: of the file; `model.json` beside `model.onnx` may state its settings.
        given: settings that go before those of the JSON file.
        name: stands on the card.

    Raises:
        EncoderError: no such file or no ONNX model, or spacing or scaling are stated nowhere.
        MissingExtraError: ONNX Runtime is not installed.
    """
    if not path.is_file():
        raise EncoderError(f"encoder {name!r}: {path}: no such file; write onnx:FILE.onnx,spacing=0.5")
    refuse_pickled(path)
    settings = _stated(path.with_suffix(".json"), given)
    if not settings.spacing:
        raise EncoderError(
            f"encoder {name!r}: um/px of its tiles are stated nowhere; write onnx:FILE,spacing=0.5, or "
            f'{{"spacing": 0.5}} into {path.with_suffix(".json")}'
        )
    return OnnxEncoder(path.read_bytes(), replace(settings, source=settings.source or path.name), name)


def rebuilt_onnx(card: EncoderCard, weights: dict[str, Tensor]) -> OnnxEncoder:
    """The encoder that was kept as this card and the bytes of its file.

    Raises:
        EncoderError: one of them is not that of an ONNX encoder.
    """
    try:
        settings = build(OnnxSettings, card.architecture["onnx"], where=f"card of {card.name}")
        return OnnxEncoder(weights["onnx"].numpy().tobytes(), settings, card.name)
    except (RecipeError, KeyError) as error:
        raise EncoderError(f"{card.name}: {error}; save the encoder again") from error


def _stated(beside: Path, given: OnnxSettings) -> OnnxSettings:
    """Settings of the JSON file, if there is one, under those that are given."""
    try:
        settings = load(OnnxSettings, beside) if beside.is_file() else OnnxSettings()
    except RecipeError as error:
        raise EncoderError(
            f"{error}; it may hold {', '.join(f.name for f in fields(OnnxSettings))}"
        ) from error
    changed = {f.name: getattr(given, f.name) for f in fields(given) if getattr(given, f.name) != f.default}
    return replace(settings, **changed)


def _open(model: bytes, device: str) -> Any:
    if find_spec("onnxruntime") is None:
        raise MissingExtraError("onnxruntime is not installed; pip install 'histopress[onnxruntime]'")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    if device == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, "CUDAExecutionProvider")
    elif device == "cuda":
        log.warning("ONNX Runtime has no CUDA here; pip install onnxruntime-gpu; the CPU computes instead")
    try:
        return onnxruntime.InferenceSession(model, options, providers=providers)
    except _faults() as error:
        raise EncoderError(
            f"ONNX Runtime cannot open the model: {_first_line(error)}; it must be one whole ONNX file, with "
            "its weights inside (external_data=False) and no operators of its own"
        ) from error


def _faults() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: a family of its own without a root."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
