"""Slides x encoder -> stored grids: tile by tile, resumable, safe beside other processes, failures listed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from histopress.core.errors import GridError, RecipeError
from histopress.core.files import write_whole
from histopress.core.location import Location, Url, location
from histopress.core.progress import Progress, progress
from histopress.core.recipe import plain, read_settings
from histopress.data.damage import OnBadTile
from histopress.data.slide import Pixels, ReaderName
from histopress.data.tissue import TissueRecipe
from histopress.grids.summary import CompressSummary

if TYPE_CHECKING:
    from histopress.encoders.encoder import Encoder
    from histopress.encoders.engine import Engine
    from histopress.encoders.engine_cache import EngineChoice
    from histopress.grids.compressor import Compressor
    from histopress.grids.early import EarlyMasks
    from histopress.grids.jobs import Job
    from histopress.grids.ready import Done, Ready

Precision = Literal["auto", "fp32", "bf16", "int8"]

ENGINE_FILE = "engine.json"


@dataclass(frozen=True)
class CompressRecipe:
    """Settings of `histopress compress`.

    Attributes:
        encoder: as the catalogue names it, for example histopress-small, hf-hub:uni or nic:PATH.
        spacing: um/px of level 0 for slides that state none or a wrong one; a cohort's column goes first.
        tissue_share: a cell is kept when at least this share of it is tissue, 0 to 1.
        tissue: how tissue is told from glass.
        mask: folder of masks, `<slide id>.png` or `.geojson`, to use instead; a cohort's column goes first.
        reader: auto; openslide to have the reference read all it knows; nvjpeg to have a GPU decode.
        pixels: exact averages of stored pixels, or scaled: JPEG decoded at a half, a quarter or an eighth.
        spacing_tolerance: tiles may differ in spacing from what the encoder wants by this share where that
            saves resampling; 0 resamples always.
        on_bad_tile: for damaged parts of a slide: fail the slide, count them as white, or skip their cells.
        precision: of the encoder; auto takes bf16 where codes keep a cosine above 0.999 to fp32.
    """

    encoder: str = "histopress-small"
    spacing: float | None = None
    tissue_share: float = 0.25
    tissue: TissueRecipe = field(default_factory=TissueRecipe)
    mask: Path | None = None
    reader: ReaderName = "auto"
    pixels: Pixels = "scaled"
    spacing_tolerance: float = 0.02
    on_bad_tile: OnBadTile = "skip"
    precision: Precision = "auto"


@dataclass(frozen=True)
class Resources:
    """How a compression runs; nothing here changes its result, but for the last bits of codes.

    Attributes:
        workers: slides done at the same time, each by a process of its own; 0 is one here, and in a cluster
            one for each GPU, or for each four cores.
        threads: that read tiles ahead of the encoder, in each process.
        memory: GB that each process may take, about.
        folders: store grids as Zarr folders, not as one zip file each.
        overwrite: replace grids that were made with other settings.
        device: cpu, cuda, or auto.
        backend: what runs the encoder; auto measures once and remembers.
        cluster: address of a Ray cluster that does the work (auto, HOST:6379, ray://HOST:10001), or local to
            start Ray on this machine.
    """

    workers: int = 0
    threads: int = 2
    memory: float = 1.5
    folders: bool = False
    overwrite: bool = False
    device: str = "auto"
    backend: str = "auto"
    cluster: str = ""


def compress(
    paths: Sequence[str | Location],
    output: str | Location,
    recipe: CompressRecipe | None = None,
    resources: Resources | None = None,
) -> CompressSummary:
    """Turn slides into stored grids, one file a slide.

    Grids that are there already are skipped; interrupted ones are taken up where they stopped. Several
    processes may work on one output folder.

    Args:
        paths: slides, folders of slides, cohort tables, or plain pictures (with a spacing); slides and
            folders also by their address in an object store, such as s3://bucket/slides.
        output: folder, of a disk or an object store, for
            `<slide id>.grid.zarr.zip`, `encoder/`, `failures.csv` and `summary.json`.
        recipe: settings that shape the grids.
        resources: settings that do not.

    Raises:
        EncoderError: the encoder cannot be loaded, or not run as asked; no slide is tried.
        CohortError: a table has problems, or two slides share an id.
        GridError: the output folder holds grids of another encoder.
        RemoteError: an object store cannot be used.
        ClusterError: the cluster cannot be reached, or has no room.
        MissingExtraError: a library for object stores or clusters is not installed.
    """
    from histopress.encoders.catalogue import load_encoder
    from histopress.grids.early import start_mask
    from histopress.grids.jobs import find_jobs

    recipe, resources = recipe or CompressRecipe(), resources or Resources()
    jobs = find_jobs([location(path) for path in paths], recipe.spacing, recipe.mask)
    output = location(output)
    early = {} if resources.cluster else start_mask(jobs, output, recipe)
    encoder = load_encoder(recipe.encoder)
    output = _made(output, resources)
    _keep_encoder(encoder, output, resources.overwrite)
    summary = CompressSummary(output=output, encoder=asdict(encoder.card), slides=len(jobs))
    if resources.cluster:
        from histopress.grids.cluster import compress_on_cluster

        compress_on_cluster(jobs, encoder, output, recipe, resources, summary)
    else:
        _compress_on_machine(jobs, encoder, output, recipe, resources, summary, early)
    summary.write()
    return summary


def _made(output: Location, resources: Resources) -> Location:
    """The folder of the grids, made if it is not there; in object stores there is nothing to make."""
    if isinstance(output, Url):
        if resources.folders:
            raise RecipeError(f"{output}: grids go to an object store as one file each; leave out --folders")
        output.exists()  # asks the store once, before anything is computed
    else:
        output.mkdir(parents=True, exist_ok=True)
    return output


def _compress_on_machine(  # noqa: PLR0917 - private, and called once
    jobs: Sequence[Job],
    encoder: Encoder,
    output: Location,
    recipe: CompressRecipe,
    resources: Resources,
    summary: CompressSummary,
    early: EarlyMasks,
) -> None:
    """In this process, or in several."""
    from histopress.grids.compressor import Compressor
    from histopress.grids.workers import compress_in_processes

    alone = resources.workers <= 1 or len(jobs) < 2
    engine = start_engine(encoder, output, recipe, resources, share=1 if alone else resources.workers)
    recipe = replace(recipe, precision=cast("Precision", engine.choice.precision))
    summary.engine = plain(engine.choice)
    with summary.timed():
        if alone:
            _compress_here(jobs, Compressor(engine, output, recipe, resources, early=early), summary)
        else:
            compress_in_processes(jobs, output, recipe, resources, summary)


def start_engine(
    encoder: Encoder, output: Location, recipe: CompressRecipe, resources: Resources, share: int
) -> Engine:
    """The encoder made fast; in a folder that has grids, at their precision.

    Args:
        encoder: to run.
        output: folder of the grids, where the choice is kept.
        recipe: asks for a precision.
        resources: ask for a device and a backend.
        share: processes that share the processor.
    """
    import os

    from histopress.encoders.engine import prepare

    precision = asked_precision(output, recipe, resources)
    threads = max(1, (os.cpu_count() or 1) // share) if share > 1 else None
    engine = prepare(encoder, resources.device, precision, resources.backend, threads=threads)
    keep_choice(engine.choice, output, resources)
    return engine


def asked_precision(output: Location, recipe: CompressRecipe, resources: Resources) -> str:
    """That of the recipe; auto is, in a folder that has grids, theirs."""
    kept = output / "encoder" / ENGINE_FILE
    if recipe.precision == "auto" and not resources.overwrite and kept.exists():
        return str(read_settings(kept).get("precision", recipe.precision))
    return recipe.precision


def keep_choice(choice: EngineChoice, output: Location, resources: Resources) -> None:
    """Keep beside the grids how the encoder runs."""
    kept = output / "encoder" / ENGINE_FILE
    if resources.overwrite or not kept.exists():
        write_whole(kept, json.dumps(plain(choice), indent=2) + "\n")


def _keep_encoder(encoder: Encoder, output: Location, overwrite: bool) -> None:
    """Keep the encoder beside its grids; it is never exchanged under grids that another one made."""
    from histopress.encoders.encoder import CARD_FILE

    card = output / "encoder" / CARD_FILE
    if overwrite or not card.exists():
        _save(encoder, output / "encoder")
        return
    known = read_settings(card)
    if known.get("identity") != encoder.card.identity:
        raise GridError(
            f"{output} holds grids of encoder {known.get('name')} ({known.get('identity')}), asked is "
            f"{encoder.card.name} ({encoder.card.identity}); name another output folder, or replace them "
            "with --overwrite"
        )


def _save(encoder: Encoder, folder: Location) -> None:
    """Write an encoder into a folder: its weights, then the card that vouches for them."""
    from histopress.encoders.encoder import CARD_FILE, WEIGHTS_FILE, save_encoder

    if isinstance(folder, Path):
        save_encoder(encoder, folder)
        return
    with tempfile.TemporaryDirectory() as work:
        save_encoder(encoder, Path(work))
        for name in (WEIGHTS_FILE, CARD_FILE):
            (folder / name).upload(Path(work) / name)


def _compress_here(jobs: Sequence[Job], compressor: Compressor, summary: CompressSummary) -> None:
    """One slide after the other, each got ready while the one before it is encoded."""
    with progress("compress", 0, "tiles") as bar:
        held: list[Job] = []
        for place, (job, ready) in enumerate(_made_ready(jobs, compressor, wait=False)):
            compressor.slides_left = len(jobs) - place
            _one(job, ready, compressor, bar, summary, held)
        for job, ready in _made_ready(held, compressor, wait=True):
            _one(job, ready, compressor, bar, summary, [])


def _made_ready(
    jobs: Sequence[Job], compressor: Compressor, wait: bool
) -> Iterator[tuple[Job, Future[Ready | Done]]]:
    """Every job, and what becomes of opening its slide and finding its tissue, one job ahead."""
    with ThreadPoolExecutor(1, thread_name_prefix="ready") as pool:
        ahead: Future[Ready | Done] | None = None
        try:
            for place, job in enumerate(jobs):
                now = ahead or pool.submit(compressor.get_ready, job, wait)
                now.exception()  # the lock of a slide is taken before the next one is asked for
                ahead = None
                if place + 1 < len(jobs):
                    ahead = pool.submit(compressor.get_ready, jobs[place + 1], wait)
                yield job, now
        finally:
            if ahead is not None and not ahead.cancel() and ahead.exception() is None:
                ahead.result().close()


def _one(  # noqa: PLR0917 - private, and called twice
    job: Job,
    ready: Future[Ready | Done],
    compressor: Compressor,
    bar: Progress,
    summary: CompressSummary,
    held: list[Job],
) -> None:
    """Compress one slide; one that another process holds goes to the end."""
    from filelock import Timeout

    with summary.failures.attempt(str(job.path)):
        try:
            summary.add(compressor.compress(ready.result(), bar))
        except Timeout:
            held.append(job)
