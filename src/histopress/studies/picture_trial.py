"""One network or chain on pictures of one object-to-image ratio: its settings, its pictures, its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from histopress.core.fit_spawn import Mute
from histopress.studies.chain_recipe import ChainRecipe
from histopress.studies.end_to_end_recipe import EndToEndRecipe
from histopress.studies.pictures import PARTS, Part, Pictures, balanced, mislabelled, permuted

Control = Literal["", "permuted", "noise"]


class CropSource(Protocol):
    """Where the crops come from that an encoder learns from; a frozen dataclass of plain settings."""

    @property
    def side(self) -> int:
        """Of a crop, px."""

    def crops(self, count: int, data: Any) -> Mapping[str, Mapping[Part, Pictures]]:
        """Crops of every task, so many to train with, see `chain.CropSets`."""


class PictureSource(Protocol):
    """Where the pictures of one object-to-image ratio come from; a frozen dataclass of plain settings."""

    @property
    def o2i(self) -> float:
        """Object-to-image ratio."""

    @property
    def axes(self) -> Mapping[str, int | float | str]:
        """What tables tell of it beside its ratio, such as the side of the canvas."""

    @property
    def cost(self) -> float:
        """Of a picture, in any unit."""

    @property
    def crop_source(self) -> CropSource:
        """Where encoders of the chain learn from."""

    def part(self, part: Part, data: Any) -> Pictures:
        """All pictures of a part.

        Args:
            part: which.
            data: where the files lie; settings name them by their content alone.
        """


@dataclass(frozen=True)
class PictureTrial:
    """One network or chain, trained once.

    Attributes:
        source: a `PictureSource`.
        size: pictures to train with.
        tuning: pictures at most, by which the best epoch is chosen.
        test: pictures at most.
        label_noise: share of wrong labels in the training part.
        control: permuted: labels of the train and tuning part are dealt anew; noise: pictures are noise.
        replicate: number of the training: other pictures, other random numbers.
        way: how it learns.
    """

    source: Any
    size: int
    tuning: int
    test: int
    label_noise: float
    control: Control
    replicate: int
    way: EndToEndRecipe | ChainRecipe


@dataclass(frozen=True)
class EncoderTrial:
    """The encoder of a chain.

    Attributes:
        source: a `CropSource`.
        way: of the chain; only what shapes the encoder differs from the defaults.
    """

    source: Any
    way: ChainRecipe


def encoder_trial(source: PictureSource, way: ChainRecipe) -> EncoderTrial:
    """The encoder that a chain needs on these pictures."""
    learned = ChainRecipe(
        encoder=way.encoder,
        magnify=way.magnify,
        crops=way.crops,
        trunk=way.trunk,
        width=way.width,
        dim=way.dim,
        updates=way.updates,
        seed=way.seed,
    )
    return EncoderTrial(source.crop_source, learned)


def learn_encoder_of(settings: EncoderTrial, folder: Path, *, data: Any) -> Mapping[str, Any]:
    """Train the encoder of a chain; the work of a sweep."""
    from histopress.studies.chain import chain_encoder, encoder_folder, learn_encoder

    learn_encoder(settings.source.crops(settings.way.crops, data), settings.way, folder, Mute())
    return {"identity": chain_encoder(settings.way, encoder_folder(folder)).card.identity}


def train_on_pictures(
    settings: PictureTrial, folder: Path, *, data: Any, encoders: Mapping[str, Path]
) -> Mapping[str, Any]:
    """Train a network or chain and tell how good it is; the work of a sweep.

    Args:
        settings: of the trial.
        folder: of its run.
        data: see `PictureSource.part`.
        encoders: name of an encoder that was trained for the study -> folder of its run.
    """
    from histopress.studies.chain import Chain, chain_encoder, encoder_folder
    from histopress.studies.end_to_end import train_end_to_end

    parts, way, source = trial_pictures(settings, data), settings.way, settings.source
    if isinstance(way, EndToEndRecipe):
        seeded = replace(way, seed=way.seed + settings.replicate)
        result = train_end_to_end(parts["train"], parts["tuning"], parts["test"], seeded, folder, bar=Mute())
        return asdict(result)
    run = encoders.get(way.encoder)
    chain = Chain(chain_encoder(way, encoder_folder(run) if run else None), way, source.crop_source.side)
    return asdict(chain.train(parts, settings.replicate, folder))


def trial_pictures(settings: PictureTrial, data: Any) -> dict[Part, Pictures]:
    """The pictures of a trial: balanced, with the labels that its control and its noise ask for."""
    found = {part: _pictures(settings, part, data) for part in PARTS}
    if settings.label_noise:
        found["train"] = mislabelled(found["train"], settings.label_noise, settings.replicate)
    return found


def _pictures(settings: PictureTrial, part: Part, data: Any) -> Pictures:
    from histopress.studies.noise_pictures import NoisePictures

    whole, replicate = settings.source.part(part, data), settings.replicate
    count = {"train": settings.size, "tuning": settings.tuning, "test": settings.test}[part]
    if settings.control == "noise":
        height, width, channels = whole.shape
        stream = len(PARTS) * replicate + PARTS.index(part)
        return NoisePictures(height, width, channels, count, seed=stream)
    chosen = balanced(whole, count if part == "train" else min(count, len(whole)), replicate)
    return permuted(chosen, replicate) if settings.control == "permuted" and part != "test" else chosen
