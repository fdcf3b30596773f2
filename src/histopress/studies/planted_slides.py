"""The user's own tiles planted into the user's own slides: whole new slides with a signal of known size.

Every slide is written anew, positive or not, by the same coder: that a slide was written again tells nothing.
Where decoys are given, tiles without the signal are planted into negative slides just the same, so that the
pasting tells nothing either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from histopress.core.errors import RecipeError
from histopress.core.files import whole, write_whole
from histopress.core.location import location
from histopress.core.progress import progress
from histopress.core.run import Run
from histopress.core.summary import Summary
from histopress.data.cohort import read_cohort
from histopress.data.slide import open_slide
from histopress.data.slide_files import PICTURES
from histopress.data.tables import is_table
from histopress.data.write_slide import write_slide
from histopress.grids.jobs import Job, find_jobs
from histopress.studies.planted_slides_recipe import PlantSlidesRecipe
from histopress.studies.planted_tiles import lay_tiles, mask_of, rows_with

LABELS = ("negative", "positive")


@dataclass(kw_only=True)
class PlantedSlides(Summary):
    """What was planted.

    Attributes:
        slides: written by now.
        positive: of them, slides with the signal.
        tiles: planted, decoys included.
    """

    slides: int = 0
    positive: int = 0
    tiles: int = 0

    @property
    def headline(self) -> str:
        """For people."""
        return (
            f"{self.slides} slides, {self.positive} of them with the signal, {self.tiles} tiles planted: "
            f"{self.output / 'cohort.csv'}"
        )


def plant_slides(
    paths: Sequence[Path],
    signal: Path,
    decoys: Path | None,
    output: Path,
    recipe: PlantSlidesRecipe,
    *,
    spacing: float | None = None,
) -> PlantedSlides:
    """Plant tiles into slides, and write the slides, a cohort table and the truth.

    `cohort.csv` has patient, slide, path, label and annotation, the mask of what was planted in positive
    slides; `truth/<id>.lesion.png` are the masks. All slides of a patient get the same label; patients are
    those of the tables, else every slide is one. Slides that are there already are left as they are.

    Args:
        paths: slides without the signal, folders of slides, or cohort tables.
        signal: folder of pictures of tiles with the signal.
        decoys: folder of pictures of tiles without it, for negative slides.
        output: folder, made if absent.
        recipe: settings.
        spacing: um/px of slides that state none, and whose cohort row gives none.

    Raises:
        RecipeError: there are no tiles, or their spacing is not given.
        CohortError: two slides share an id, or a table has problems.
    """
    if not 0.05 <= recipe.tile_spacing <= 5:
        raise RecipeError(
            f"tile_spacing is {recipe.tile_spacing}, expected the um/px of the tiles, 0.05 to 5; state it"
        )
    jobs = sorted(find_jobs([location(str(p)) for p in paths], spacing, None), key=lambda job: job.slide)
    kinds = [_pictures(decoys) if decoys else [], _pictures(signal)]
    plans = _plans(jobs, _patients(paths), kinds, recipe)
    told = {"slides": [plan.job.slide for plan in plans], "tiles": [len(kind) for kind in kinds]}
    run = Run.start(output, recipe, told)
    summary, rows = PlantedSlides(output=output), []
    with progress("plant", len(plans), "slides") as bar:
        for number, plan in enumerate(plans):
            with summary.failures.attempt(plan.job.slide):
                summary.tiles += _plant_slide(plan, recipe, number, output)
                rows.append(plan.row)
                summary.slides, summary.positive = summary.slides + 1, summary.positive + plan.positive
            bar.advance(note=plan.job.slide)
    table = pd.DataFrame(rows, columns=["patient", "slide", "path", "label", "annotation"])
    write_whole(output / "cohort.csv", table.to_csv(index=False, lineterminator="\n"))
    summary.write()
    if not summary.failures:
        run.finish()
    return summary


@dataclass(frozen=True)
class _Plan:
    """What happens to one slide."""

    job: Job
    patient: str
    positive: bool
    tiles: list[Path]

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """Of the cohort table."""
        slide = self.job.slide
        truth = f"truth/{slide}.lesion.png" if self.positive else ""
        return self.patient, slide, f"slides/{slide}.tiff", LABELS[self.positive], truth


def _patients(paths: Sequence[Path]) -> dict[str, str]:
    """Patients by slide, where tables tell them."""
    tables = [read_cohort(path).table for path in paths if is_table(path)]
    return {str(s): str(p) for table in tables for s, p in zip(table["slide"], table["patient"], strict=True)}


def _plans(
    jobs: list[Job], patients: dict[str, str], kinds: list[list[Path]], recipe: PlantSlidesRecipe
) -> list[_Plan]:
    """Who is positive, and which tiles each patient gets: no other of that label, if there are enough."""
    owners = [patients.get(job.slide, job.slide) for job in jobs]
    names = sorted(set(owners))
    order = np.random.default_rng([recipe.seed, 0]).permutation(len(names))
    flags = dict(zip(names, (order < round(recipe.prevalence * len(names))).tolist(), strict=True))
    shares: dict[str, list[Path]] = {}
    for flag, tiles in enumerate(kinds):
        mates = [name for name in names if flags[name] == bool(flag)]
        for number, name in enumerate(mates):
            shares[name] = (tiles[number :: len(mates)] or [tiles[number % len(tiles)]]) if tiles else []
    return [_Plan(job, o, flags[o], shares[o]) for job, o in zip(jobs, owners, strict=True)]


def _pictures(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in PICTURES)
    if not found:
        raise RecipeError(
            f"{folder} holds no pictures of tiles ({', '.join(sorted(PICTURES))}); name another"
        )
    return found


def _plant_slide(plan: _Plan, recipe: PlantSlidesRecipe, number: int, output: Path) -> int:
    """Write one slide and its mask; returns how many tiles lie on it."""
    from PIL import Image

    job, tiles = plan.job, plan.tiles
    random = np.random.default_rng([recipe.seed, 1, number])
    target = output / "slides" / f"{job.slide}.tiff"
    record = output / "truth" / f"{job.slide}.tiles.csv"
    if target.exists() and record.exists():
        return len(record.read_text(encoding="utf-8").splitlines()) - 1
    with open_slide(job.path, job.spacing) as slide:
        laid = lay_tiles(slide, tiles, recipe, random) if tiles else []
        mask = mask_of(slide.size, laid)
        with whole(output / "truth" / f"{job.slide}.lesion.png") as partial:
            Image.fromarray(mask).save(partial)
        write_slide(
            target,
            slide.size,
            slide.spacing,
            lambda a, b: rows_with(slide, laid, recipe, a, b),
            quality=recipe.quality,
        )
    lines = "".join(f"{t.x},{t.y},{t.pixels.shape[1]},{t.pixels.shape[0]}\n" for t in laid)
    write_whole(record, "x,y,width,height\n" + lines)
    return len(laid)
