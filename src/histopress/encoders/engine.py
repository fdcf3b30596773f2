"""The fastest right way to run an encoder on this machine, found once and then remembered."""

from __future__ import annotations

import logging
from dataclasses import replace
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from histopress.core.cache import cache_folder
from histopress.core.errors import EncoderError, HistopressError
from histopress.encoders.encoder import Encoder, NetworkEncoder, check_tiles, encode, pick_device
from histopress.encoders.engine_batches import PART, Workplace, using_threads
from histopress.encoders.engine_cache import EngineChoice, question, remembered
from histopress.encoders.engine_probe import Run, agreement, probe_tiles, seconds_per_tile
from histopress.encoders.engine_ways import BACKENDS, FAULTS, ways
from histopress.encoders.network import ImageNetwork

log = logging.getLogger(__name__)

CLOSE = {"fp32": (0.99999, 1e-3), "bf16": (0.999, 0.1), "int8": (-1.0, float("inf"))}
"""Precision -> the lowest cosine and the largest relative error of any code of the probe."""

GAIN = 1.1
"""How much faster a way must be to be preferred to one that is expected to win."""

GPU_BATCH = 256
EXACT_BATCH = 64


class Engine:
    """An encoder made fast.

    Attributes:
        card: of the encoder.
        choice: the way it takes.
    """

    def __init__(self, encoder: Encoder, choice: EngineChoice, run: Run) -> None:
        self.card = encoder.card
        self.choice = choice
        self._run = run
        self._lock = Lock()

    def encode(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode any number of tiles; equal full batches give equal bits.

        Args:
            tiles: (n, card.tile, card.tile, 3) uint8 RGB at card.spacing um/px; on a GPU, give several
                batches at once, so that copies and computation overlap.

        Returns:
            (n, card.dim) float32.

        Raises:
            EncoderError: tiles of another size, order or type.
        """
        check_tiles(tiles, self.card)
        with self._lock:
            return self._run(tiles)


def prepare(
    encoder: Encoder,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    *,
    threads: int | None = None,
    probe: NDArray[np.uint8] | None = None,
) -> Engine:
    """The fastest right way to run an encoder here.

    Each way is run on probe tiles, compared with the plain encoder in fp32, and those that agree are timed.
    The outcome is kept in the user's cache folder. Encoders that count or measure (mean colour, stain
    statistics) always run as they are.

    Args:
        encoder: is left as it is.
        device: "auto" (a GPU where there is one, else the CPU) or the name torch gives a device.
        precision: "auto" takes bf16 where the device has it and every probe code keeps a cosine above 0.999;
            "fp32", "bf16"; "int8" only on CPUs, by OpenVINO or ONNX Runtime, however much it changes codes:
            look at `choice.cosine`.
        backend: "auto", or a name in `engine_ways.BACKENDS`.
        threads: of the CPU; None leaves that to torch.
        probe: (n, card.tile, card.tile, 3) uint8 tiles to judge by, and for int8 to calibrate by; drawn
            ones if not given.

    Raises:
        EncoderError: what is asked for does not exist, does not run here, or is too far from fp32.
        MissingExtraError: what is asked for is not installed.
    """
    place = pick_device(device)
    if not (isinstance(encoder, NetworkEncoder) and isinstance(encoder.network, ImageNetwork)):
        return _exact(encoder, place, threads)
    tried = ways(place, precision, backend)
    if probe is not None:
        check_tiles(probe, encoder.card)
    tiles = probe_tiles(encoder.card.tile) if probe is None or not len(probe) else probe
    count = threads or torch.get_num_threads()
    asked = {"threads": count, "precision": precision, "backend": backend}
    key = question(encoder.card.identity, place, asked, probe)
    finder = _Finder(encoder, encoder.network.plain(), place, count, tiles)
    choice = replace(remembered(key, lambda: finder.choose(tried)), device=str(place))
    log.info("%s runs by %s", encoder.card.name, choice)
    return Engine(encoder, choice, finder.run_of(choice))


def prepare_as(encoder: Encoder, choice: EngineChoice, *, threads: int | None = None) -> Engine:
    """An encoder that runs as was chosen on another machine, so that codes are the same here and there.

    Args:
        encoder: is left as it is.
        choice: from an engine of the same encoder.
        threads: of the CPU; None leaves that to torch.

    Raises:
        EncoderError: this machine cannot run it like that.
        MissingExtraError: what it takes is not installed.
    """
    place = pick_device(choice.device)
    if choice.backend == "exact":
        return _exact(encoder, place, threads)
    if not (isinstance(encoder, NetworkEncoder) and isinstance(encoder.network, ImageNetwork)):
        raise EncoderError(f"{encoder.card.name} runs as it is, not by {choice.backend}; choose again")
    count = threads or torch.get_num_threads()
    finder = _Finder(encoder, encoder.network.plain(), place, count, probe_tiles(encoder.card.tile))
    return Engine(encoder, choice, finder.run_of(choice))


def _exact(encoder: Encoder, place: torch.device, threads: int | None) -> Engine:
    def run(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        with using_threads(threads or torch.get_num_threads()):
            return encode(encoder, tiles, device=str(place), batch=EXACT_BATCH)

    return Engine(encoder, EngineChoice(str(place), "fp32", "exact", 1.0, EXACT_BATCH), run)


class _Finder:
    """Builds ways and compares them."""

    def __init__(
        self,
        encoder: NetworkEncoder,
        network: ImageNetwork,
        device: torch.device,
        threads: int,
        probe: NDArray[np.uint8],
    ) -> None:
        self.encoder, self.network, self.device, self.threads, self.probe = (
            encoder, network, device, threads, probe,
        )  # fmt: skip
        self.batch = GPU_BATCH if device.type == "cuda" else PART * threads
        self.built: dict[tuple[str, str, int], Run] = {}

    def choose(self, tried: list[tuple[str, list[str]]]) -> EngineChoice:
        """The fastest of those that agree with fp32, of the first precision of which any does."""
        truth, reasons = self._truth(), []
        for precision, backends in tried:
            right: list[EngineChoice] = []
            for backend in backends:
                try:
                    right.append(self._judge(precision, backend, truth))
                except (HistopressError, *FAULTS) as error:
                    reasons.append(f"{backend} in {precision}: {_first_line(error)}")
                    log.info("%s: %s", self.encoder.card.name, reasons[-1])
            if right:
                return self._fastest(right)
        raise EncoderError(
            f"no way to run {self.encoder.card.name} on {self.device} as asked: {'; '.join(reasons)}; "
            "use auto for precision and backend"
        )

    def run_of(self, choice: EngineChoice) -> Run:
        """A choice, ready to run; others are let go of."""
        try:
            return self._build(choice.precision, choice.backend, choice.batch)
        except FAULTS as error:
            raise EncoderError(
                f"{choice.backend} in {choice.precision} once ran {self.encoder.card.name} on {self.device}, "
                f"now it fails: {_first_line(error)}; free memory, or delete {cache_folder()}"
            ) from error
        finally:
            self.built = {}

    def _truth(self) -> NDArray[np.float32]:
        """Plain fp32 codes of the probe."""
        before = next(self.network.parameters()).device
        try:
            with using_threads(self.threads):
                return encode(self.encoder, self.probe, device=str(self.device), batch=16)
        finally:
            self.encoder.to(before)

    def _judge(self, precision: str, backend: str, truth: NDArray[np.float32]) -> EngineChoice:
        batch, run = self._build_largest(precision, backend)
        found = agreement(run(self.probe), truth)
        cosine, error = CLOSE[precision]
        if found.cosine < cosine or found.error > error:
            raise EncoderError(
                f"codes of {len(truth)} probe tiles are too far from fp32: lowest cosine {found.cosine:.5f}, "
                f"largest relative error {found.error:.2g}; expected {cosine} and {error:g}"
            )
        if found.cosine < CLOSE["bf16"][0]:
            log.warning(
                "%s in %s keeps a cosine of only %.4f", self.encoder.card.name, precision, found.cosine
            )
        return EngineChoice(str(self.device), precision, backend, round(found.cosine, 6), batch)

    def _build_largest(self, precision: str, backend: str) -> tuple[int, Run]:
        """A way, and the largest batch for which the memory of the GPU suffices."""
        batch = self.batch
        while True:
            try:
                return batch, self._build(precision, backend, batch)
            except torch.OutOfMemoryError:
                if batch <= 8:
                    raise
                batch //= 2

    def _build(self, precision: str, backend: str, batch: int) -> Run:
        key = (precision, backend, batch)
        if key not in self.built:
            full = -(-len(self.probe) // batch) * batch
            tiles = np.resize(self.probe, (full, *self.probe.shape[1:]))
            place = Workplace(self.network, self.device, batch, self.threads, tiles)
            with using_threads(self.threads):
                run = BACKENDS[backend](place, precision)
                run(tiles[:batch])
            self.built[key] = run
        return self.built[key]

    def _fastest(self, right: list[EngineChoice]) -> EngineChoice:
        if len(right) == 1:
            return right[0]
        tiles = np.resize(self.probe, (max(c.batch for c in right), *self.probe.shape[1:]))
        runs = [self._build(c.precision, c.backend, c.batch) for c in right]
        seconds = seconds_per_tile(runs, tiles)
        best, least = right[0], seconds[0]
        for choice, time in zip(right, seconds, strict=True):
            log.info(
                "%s by %s in %s: %.0f tiles/s",
                self.encoder.card.name,
                choice.backend,
                choice.precision,
                1 / time,
            )
            if time * GAIN < least:
                best, least = choice, time
        return best


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
