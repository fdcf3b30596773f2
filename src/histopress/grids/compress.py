"""Slides x encoder -> stored grids: tile by tile, resumable, safe beside other processes, failures listed."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histopress.core.errors import GridError
from histopress.core.failures import Failures
from histopress.core.files import write_whole
from histopress.core.progress import progress
from histopress.core.recipe import plain, read_settings
from histopress.data.tissue import TissueRecipe

if TYPE_CHECKING:
    from histopress.encoders.encoder import Encoder
    from histopress.grids.compressor import Compressor, Done
    from histopress.grids.jobs import Job


@dataclass(frozen=True)
class CompressRecipe:
    """Settings of `histopress compress`.

    Attributes:
        encoder: as the catalogue names it, for example mean-rgb or nic:PATH.
        spacing: um/px of level 0 for slides that state none or a wrong one; a cohort's column goes first.
        tissue_share: a cell is kept when at least this share of it is tissue, 0 to 1.
        tissue: how tissue is told from glass.
        mask: folder of masks, `<slide id>.png` or `.geojson`, to use instead; a cohort's column goes first.
    """

    encoder: str = "mean-rgb"
    spacing: float | None = None
    tissue_share: float = 0.25
    tissue: TissueRecipe = field(default_factory=TissueRecipe)
    mask: Path | None = None


@dataclass(frozen=True)
class Resources:
    """How a compression runs; nothing here changes its result.

    Attributes:
        workers: slides done at the same time, each by a process of its own.
        threads: that read tiles ahead of the encoder, in each process.
        folders: store grids as Zarr folders, not as one zip file each.
        overwrite: replace grids that were made with other settings.
        device: cpu, cuda, or auto.
    """

    workers: int = 1
    threads: int = 2
    folders: bool = False
    overwrite: bool = False
    device: str = "auto"


@dataclass
class CompressSummary:
    """What became of all slides."""

    output: Path
    encoder: dict[str, Any]
    slides: int = 0
    compressed: int = 0
    skipped: int = 0
    tiles: int = 0
    seconds: float = 0.0
    failures: Failures = field(default_factory=Failures)

    def add(self, done: Done) -> None:
        """Count one slide."""
        self.skipped += done.skipped
        self.compressed += not done.skipped
        self.tiles += 0 if done.skipped else done.tiles

    @property
    def headline(self) -> str:
        """One line for people."""
        rate = self.tiles / self.seconds if self.seconds else 0.0
        return (
            f"{self.compressed} compressed, {self.skipped} already there, {len(self.failures)} failed; "
            f"{self.tiles} tiles in {self.seconds:.1f} s ({rate:.0f} tiles/s)"
        )

    @property
    def facts(self) -> dict[str, Any]:
        """Everything countable, for machines."""
        counted = {k: v for k, v in vars(self).items() if k not in ("failures", "output")}
        return {**counted, "failed": len(self.failures)}

    def write(self) -> None:
        """Write `summary.json` and `failures.csv` into the output folder."""
        write_whole(self.output / "summary.json", json.dumps(plain(self.facts), indent=2) + "\n")
        self.failures.write(self.output)


def compress(
    paths: Sequence[Path],
    output: Path,
    recipe: CompressRecipe | None = None,
    resources: Resources | None = None,
) -> CompressSummary:
    """Turn slides into stored grids, one file a slide.

    Grids that are there already are skipped; interrupted ones are taken up where they stopped. Several
    processes may work on one output folder.

    Args:
        paths: slides, folders of slides, cohort tables, or plain pictures (with a spacing).
        output: folder for `<slide id>.grid.zarr.zip`, `encoder/`, `failures.csv` and `summary.json`.
        recipe: settings that shape the grids.
        resources: settings that do not.

    Raises:
        EncoderError: the encoder cannot be loaded; no slide is tried.
        CohortError: a table has problems, or two slides share an id.
        GridError: the output folder holds grids of another encoder.
    """
    from histopress.encoders.catalogue import load_encoder
    from histopress.grids.compressor import Compressor
    from histopress.grids.jobs import find_jobs

    recipe, resources = recipe or CompressRecipe(), resources or Resources()
    jobs = find_jobs(paths, recipe.spacing, recipe.mask)
    encoder = load_encoder(recipe.encoder)
    output.mkdir(parents=True, exist_ok=True)
    _keep_encoder(encoder, output / "encoder", resources.overwrite)
    summary = CompressSummary(output, asdict(encoder.card), slides=len(jobs))
    start = time.monotonic()
    if resources.workers > 1 and len(jobs) > 1:
        from histopress.grids.workers import compress_in_processes

        compress_in_processes(jobs, output, recipe, resources, summary)
    else:
        _compress_here(jobs, Compressor(encoder, output, recipe, resources), summary)
    summary.seconds = round(time.monotonic() - start, 2)
    summary.write()
    return summary


def _keep_encoder(encoder: Encoder, folder: Path, overwrite: bool) -> None:
    """Keep the encoder beside its grids; it is never exchanged under grids that another one made."""
    from histopress.encoders.encoder import CARD_FILE, save_encoder

    card = folder / CARD_FILE
    if overwrite or not card.exists():
        save_encoder(encoder, folder)
        return
    known = read_settings(card)
    if known.get("identity") != encoder.card.identity:
        raise GridError(
            f"{folder.parent} holds grids of encoder {known.get('name')} ({known.get('identity')}), asked is "
            f"{encoder.card.name} ({encoder.card.identity}); name another output folder, or replace them "
            "with --overwrite"
        )


def _compress_here(jobs: Sequence[Job], compressor: Compressor, summary: CompressSummary) -> None:
    """One slide after the other; slides that another process holds come last."""
    from filelock import Timeout

    held: list[Job] = []
    with progress("compress", 0, "tiles") as bar:
        for place, job in enumerate(jobs):
            with summary.failures.attempt(str(job.path)):
                compressor.slides_left = len(jobs) - place
                try:
                    summary.add(compressor.compress(job, bar, wait=False))
                except Timeout:
                    held.append(job)
        for job in held:
            with summary.failures.attempt(str(job.path)):
                summary.add(compressor.compress(job, bar, wait=True))
