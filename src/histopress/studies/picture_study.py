"""Studies of networks and chains on pictures: every combination of the axes, controls, tables, figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from histopress.studies.chain_recipe import LEARNED, ChainRecipe
from histopress.studies.end_to_end_recipe import EndToEndRecipe
from histopress.studies.patchnet_recipe import PatchnetPooling, PatchnetRecipe
from histopress.studies.picture_axes import PictureAxes
from histopress.studies.picture_findings import END_TO_END, write_findings
from histopress.studies.picture_trial import (
    Control,
    PictureSource,
    PictureTrial,
    encoder_trial,
    learn_encoder_of,
    train_on_pictures,
)
from histopress.studies.sweep import RUNS, SweepSummary, Trial, run_sweep


@dataclass(frozen=True)
class Way:
    """Something that learns, and what tables tell of it."""

    settings: EndToEndRecipe | ChainRecipe
    axes: Mapping[str, Any]


def ways(axes: PictureAxes) -> Iterator[Way]:
    """Everything that learns."""
    for name, pooling in product(axes.networks, axes.poolings):
        if name == "patchnet":
            yield from _patchnets(axes, pooling)
        else:
            asked = axes.training.network
            network = PatchnetRecipe(
                name=name, pooling=pooling, temperature=asked.temperature, pixels=asked.pixels
            )
            told = {"way": name, "pooling": pooling, "field": 0, "width": 0.0}
            yield Way(replace(axes.training, network=network), told)
    for chain in axes.chains:
        encoder, _, head = chain.partition("/")
        told = {"way": chain, "pooling": head, "field": 0, "width": 0.0}
        yield Way(replace(axes.chain, encoder=encoder, head=head), told)


def _patchnets(axes: PictureAxes, pooling: PatchnetPooling) -> Iterator[Way]:
    for field, width in product(axes.fields, axes.widths):
        network = replace(axes.training.network, field=field, width=width, pooling=pooling)
        told = {"way": END_TO_END, "pooling": pooling, "field": field, "width": float(width)}
        yield Way(replace(axes.training, network=network), told)


def picture_trials(sources: Sequence[PictureSource], axes: PictureAxes) -> list[Trial]:
    """Every combination of the axes on every source, and the controls.

    Permuted labels: every source and way, with the largest number of pictures. Noise: as large as the
    cheapest pictures, every network and every number of pictures, once.
    """
    repeats, most = range(axes.replicates), max(axes.sizes)
    found = [
        _trial(source, axes, way, size=size, noise=noise, replicate=number)
        for source in sources
        for way in ways(axes)
        for size in axes.sizes
        for noise in axes.label_noise
        for number in repeats
    ]
    if axes.controls:
        cheapest = min(sources, key=lambda source: source.cost)
        found += [
            _trial(source, axes, way, size=most, control="permuted", replicate=number)
            for source in sources
            for way in ways(axes)
            for number in range(axes.controls)
        ]
        found += [
            _trial(cheapest, axes, way, size=size, control="noise")
            for way in ways(axes)
            if isinstance(way.settings, EndToEndRecipe)
            for size in axes.sizes
        ]
    return found


def _trial(
    source: PictureSource,
    axes: PictureAxes,
    way: Way,
    *,
    size: int,
    noise: float = 0.0,
    control: Control = "",
    replicate: int = 0,
) -> Trial:
    settings = PictureTrial(source, size, axes.tuning, axes.test, noise, control, replicate, way.settings)
    told = {
        "o2i": 0.0 if control == "noise" else source.o2i,
        **source.axes,
        "train_size": size,
        **way.axes,
        "label_noise": noise,
        "control": control,
        "replicate": replicate,
    }
    return Trial(settings, told, cost=source.cost * _looked_at(settings))


def _looked_at(settings: PictureTrial) -> float:
    """Pictures that a trial computes with, roughly: in training, or all of them once, pressed."""
    way, size = settings.way, settings.size
    if isinstance(way, EndToEndRecipe):
        return way.looks(size) * way.draws(size)
    return (size + settings.tuning + settings.test) * way.overlap**2


def study_pictures(
    title: str, sources: Sequence[PictureSource], axes: PictureAxes, data: Any, output: Path
) -> SweepSummary:
    """Train the encoders of the chains, then everything else; then draw what came of it.

    Args:
        title: of the study.
        sources: a ratio each.
        axes: what is varied.
        data: see `PictureSource.part`.
        output: folder for runs, tables and figures.
    """
    learned = [way.settings for way in ways(axes) if isinstance(way.settings, ChainRecipe)]
    encoders = {
        way.encoder: Trial(encoder_trial(source, way), {"encoder": way.encoder})
        for source in sources
        for way in learned
        if way.encoder in LEARNED
    }
    folder = output / "encoders"
    if encoders:
        learn = partial(learn_encoder_of, data=data)
        trained = run_sweep(
            list(encoders.values()), learn, folder, processes=axes.processes, title=f"{title} encoders"
        )
    work = partial(
        train_on_pictures,
        data=data,
        encoders={name: folder / RUNS / trial.name for name, trial in encoders.items()},
    )
    summary = run_sweep(picture_trials(sources, axes), work, output, processes=axes.processes, title=title)
    if encoders:
        summary.failures.items[:0] = list(trained.failures)
        summary.write()
    assert summary.table is not None
    write_findings(summary.table, axes, output)
    return summary
