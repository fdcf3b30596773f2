"""Which slides there are to compress: from files, folders and cohort tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from histopress.core.errors import CohortError
from histopress.core.location import Location, Url, location
from histopress.data.slide_files import find_slides, slide_id
from histopress.data.tables import is_table


@dataclass(frozen=True)
class Job:
    """One slide to compress."""

    slide: str
    path: Location
    spacing: float | None
    mask: Path | None


def find_jobs(paths: Sequence[Location], spacing: float | None, masks: Path | None) -> list[Job]:
    """Slides, folders and cohort tables -> one job a slide.

    Args:
        paths: slides and folders of slides, on disks and in object stores; cohort tables (.csv, .tsv,
            .parquet) on disks.
        spacing: um/px for slides whose cohort row gives none.
        masks: folder of masks for slides whose cohort row gives none.

    Raises:
        CohortError: a table has problems, or two slides share an id.
    """
    tables = [_on_disk(p) for p in paths if is_table(p)]
    jobs = [
        Job(slide_id(path), path, spacing, _mask_beside(masks, slide_id(path)))
        for path in find_slides([p for p in paths if not is_table(p)])
    ]
    for table in tables:
        jobs += _jobs_of_cohort(table, spacing, masks)
    return jobs


def _on_disk(table: Location) -> Path:
    if isinstance(table, Url):
        raise CohortError(str(table), ["a cohort table must lie on a disk; copy it, the slides may stay"])
    return table


def _jobs_of_cohort(table: Path, spacing: float | None, masks: Path | None) -> list[Job]:
    from histopress.data.cohort import read_cohort

    jobs = []
    for row in read_cohort(table).table.to_dict("records"):
        own_spacing, own_mask = row.get("spacing"), row.get("mask")
        jobs.append(
            Job(
                slide=row["slide"],
                path=location(row["path"] or row["slide"]),
                spacing=spacing if own_spacing is None or isnan(own_spacing) else float(own_spacing),
                mask=Path(own_mask)
                if isinstance(own_mask, str) and own_mask
                else _mask_beside(masks, row["slide"]),
            )
        )
    return jobs


def _mask_beside(folder: Path | None, slide: str) -> Path | None:
    """The mask of a slide in a folder of masks.

    A missing one is named all the same, so that the slide fails and says so.
    """
    if folder is None:
        return None
    names = [
        f"{slide}{ending}" for ending in (".mask.png", ".png", ".mask.geojson", ".geojson", ".geojson.gz")
    ]
    return next((folder / n for n in names if (folder / n).exists()), folder / names[0])
