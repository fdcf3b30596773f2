"""Phantoms: slides drawn like haematoxylin and eosin, half of them with a tumour whose place is known."""

from __future__ import annotations

import csv
import io
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histopress.core import recipe as recipes
from histopress.core.files import whole
from histopress.core.geometry import Spacing
from histopress.core.progress import progress
from histopress.core.run import Run
from histopress.studies.phantom_draw import draw
from histopress.studies.phantom_plan import LABELS, MASK_STEP, SITES, PhantomSlide
from histopress.studies.phantom_recipe import PhantomRecipe

if TYPE_CHECKING:
    from histopress.data.slide import RGB

__all__ = [
    "LABELS",
    "MASK_STEP",
    "SITES",
    "Painted",
    "PhantomRecipe",
    "PhantomSlide",
    "draw",
    "make_cohort",
    "paint",
]

COHORT_FILE = "cohort.csv"


@dataclass(frozen=True)
class Painted:
    """A whole phantom slide in memory, and the truth about it.

    Attributes:
        picture: (height, width, 3) uint8.
        lesion: (rows, cols) bool, what is tumour; all of it is tissue.
        tissue: (rows, cols) bool, what lies within the outline of the tissue, with its fat and its lumens.
        spacing: um/px of the masks, which are anchored at the slide's origin and cover it exactly.
    """

    picture: RGB
    lesion: NDArray[np.bool_]
    tissue: NDArray[np.bool_]
    spacing: Spacing


def paint(plan: PhantomSlide) -> Painted:
    """Paint a planned slide; the same plan gives the same pixels."""
    from histopress.studies.phantom_painter import Painting

    painting = Painting(plan)
    return Painted(
        picture=painting.rows(0, plan.size.height),
        lesion=painting.lesion,
        tissue=painting.tissue,
        spacing=plan.spacing.scaled(MASK_STEP, MASK_STEP),
    )


def make_cohort(recipe: PhantomRecipe, folder: Path, workers: int = 2) -> Path:
    """Write a cohort of phantom slides; slides that are there already are left as they are.

    The folder gets `cohort.csv` (patient, slide, path, site, label), `slides/<id>.tiff` and, apart from them
    so that nothing learns from it by mistake, `<id>.lesion.png`, `<id>.tissue.png` and `<id>.plan.json` in
    `truth/`. Where labels are noisy, the table holds the noisy ones, and the plans the truth.

    Args:
        recipe: what the cohort is like.
        folder: made if absent.
        workers: processes that paint at the same time; they need about 0.25 GB each.

    Returns:
        The path of `cohort.csv`.

    Raises:
        RunError: the folder holds a cohort of another recipe.
    """
    run = Run.start(folder, recipe, {"phantom": "2"})
    plans = [draw(recipe, index) for index in range(recipe.slides)]
    missing = [plan for plan in plans if not _slide_path(folder, plan).exists()]
    with progress("draw", len(missing), "slides") as bar:
        for slide in _made(missing, folder, min(workers, len(missing))):
            bar.advance(note=slide)
    run.write(COHORT_FILE, _table(plans))
    run.finish()
    return folder / COHORT_FILE


def _made(plans: list[PhantomSlide], folder: Path, workers: int) -> Iterator[str]:
    """Names of the slides as they are finished, here or in processes of their own."""
    if workers <= 1:
        yield from (_make_slide(plan, folder) for plan in plans)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for done in as_completed([pool.submit(_make_slide, plan, folder) for plan in plans]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _slide_path(folder: Path, plan: PhantomSlide) -> Path:
    return folder / "slides" / f"{plan.slide}.tiff"


def _make_slide(plan: PhantomSlide, folder: Path) -> str:
    """Paint one slide band by band into its file; its truth comes first, so that no slide is without it."""
    from PIL import Image

    from histopress.data.write_slide import write_slide
    from histopress.studies.phantom_painter import Painting

    painting = Painting(plan)
    recipes.save(plan, folder / "truth" / f"{plan.slide}.plan.json")
    for name, mask in (("lesion", painting.lesion), ("tissue", painting.tissue)):
        with whole(folder / "truth" / f"{plan.slide}.{name}.png") as partial:
            Image.fromarray(mask).save(partial)
    write_slide(_slide_path(folder, plan), plan.size, plan.spacing, painting.rows)
    return plan.slide


def _table(plans: list[PhantomSlide]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["patient", "slide", "path", "site", "label"])
    for plan in plans:
        writer.writerow([plan.patient, plan.slide, f"slides/{plan.slide}.tiff", plan.site, plan.told])
    return text.getvalue()
