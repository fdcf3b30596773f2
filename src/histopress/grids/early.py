"""The tissue of the first slide, found while the libraries of the encoder are still being loaded."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.location import Location, State, state_of

if TYPE_CHECKING:
    from histopress.data.tissue import TissueMask
    from histopress.grids.compress import CompressRecipe
    from histopress.grids.jobs import Job

EarlyMasks = dict[str, "Future[tuple[State, TissueMask]]"]
"""Slide id -> what the file was like before, and its mask, being made."""


def start_mask(jobs: Sequence[Job], output: Location, recipe: CompressRecipe) -> EarlyMasks:
    """Begin to look for the tissue of the first slide, unless it has a grid or brings a mask."""
    if not jobs or not isinstance(output, Path) or not isinstance(jobs[0].path, Path) or jobs[0].mask:
        return {}
    if any(output.glob(f"{jobs[0].slide}.grid.zarr*")):
        return {}
    with_one = ThreadPoolExecutor(1, thread_name_prefix="early")
    early = {jobs[0].slide: with_one.submit(_mask, jobs[0], recipe)}
    with_one.shutdown(wait=False)
    return early


def _mask(job: Job, recipe: CompressRecipe) -> tuple[State, TissueMask]:
    from histopress.data.slide import open_slide
    from histopress.data.tissue import mask_slide

    state = state_of(job.path)
    with open_slide(job.path, job.spacing, recipe.reader, recipe.pixels) as slide:
        return state, mask_slide(slide, recipe.tissue, recipe.on_bad_tile)
