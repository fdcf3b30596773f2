"""All slides -> the plan of nCAMELYON: which crops, drawn once, kept as a table; no pixels are kept."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from histopress.core.errors import CohortError
from histopress.core.files import quick_hash, whole, write_whole
from histopress.core.location import location
from histopress.core.progress import progress
from histopress.core.recipe import digest, plain
from histopress.core.run import Run
from histopress.studies.ncamelyon_balance import balanced_crops
from histopress.studies.ncamelyon_cohort import Case, Cases, read_cases
from histopress.studies.ncamelyon_crops import draw_crops
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe
from histopress.studies.ncamelyon_summary import NcamelyonSummary, check_parts, told_of
from histopress.studies.pictures import PARTS

PLAN_FILE = "plan.parquet"
LESIONS_FILE = "lesions.csv"

REVISION = 1
"""Raised when the same slides and settings give other crops."""


def plan_folder(recipe: NcamelyonRecipe) -> Path:
    """The folder of a plan, by what shapes it.

    Raises:
        CohortError: see `read_cases`.
    """
    return _identified(recipe, read_cases(recipe))[0]


def _identified(recipe: NcamelyonRecipe, cases: Cases) -> tuple[Path, dict[str, Any]]:
    inputs = {"slides": [case.marks for case in cases.items], "revision": REVISION}
    return recipe.plans / f"ncamelyon-{digest(recipe.plan, inputs)}", inputs


def plan_crops(recipe: NcamelyonRecipe, processes: int = 1) -> NcamelyonSummary:
    """Draw the crops of all parts, slide by slide; slides that are done are not looked at again.

    The folder of the plan gets `plan.parquet` (and .csv), `lesions.csv` (every lesion, and why it gave no
    crop), `slides/` (what each slide gave), `summary.json` and `failures.csv`. Slides that fail are listed,
    and are tried again when the plan is asked for again.

    Args:
        recipe: settings; its part does not matter.
        processes: that look at slides side by side.

    Raises:
        CohortError: the cohort is not what is asked for, or the same slide is in two parts.
        PatchError: a part has no crops of one of the classes.
    """
    cases = read_cases(recipe)
    folder, inputs = _identified(recipe, cases)
    run = Run.start(folder, recipe.plan, inputs)
    summary = NcamelyonSummary(
        output=folder, settings=plain(recipe.plan), slides=len(cases.items), left_out=cases.left_out
    )
    if run.done:
        summary.parts = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["parts"]
        return summary
    done = _draw_all(cases.items, recipe, folder, processes, summary)
    lesions = _joined([folder / "slides" / f"{case.slide}.lesions.parquet" for case in done])
    write_whole(folder / LESIONS_FILE, lesions.to_csv(index=False, lineterminator="\n"))
    summary.failures.write(folder)
    crops = _crops(done, folder)
    plan = balanced_crops(crops, recipe.strata) if len(crops) else crops
    summary.parts = {
        part: told_of(part, done, lesions, crops, plan) for part in PARTS if recipe.values_of(part)
    }
    check_parts(summary, done, lesions, recipe)
    _write(plan, folder)
    summary.write()
    if not len(summary.failures):
        run.finish()
    return summary


def _draw_all(
    cases: Sequence[Case], recipe: NcamelyonRecipe, folder: Path, processes: int, summary: NcamelyonSummary
) -> list[Case]:
    """Every slide is attempted; gives those that were read."""
    done = []
    with progress("draw crops", len(cases), "slides") as bar, _workers(min(processes, len(cases))) as pool:
        work = partial(_keep, recipe=recipe, folder=folder / "slides")
        waiting = [(case, pool.submit(work, case) if pool else None) for case in cases]
        for case, future in waiting:
            with summary.failures.attempt(case.path):
                _result(future, work, case)
                done.append(case)
            bar.advance(note=case.slide)
    _check_copies(done, folder)
    return done


def _result(future: Future[None] | None, work: partial[None], case: Case) -> None:
    if future is None:
        work(case)
    else:
        future.result()


@contextmanager
def _workers(count: int) -> Iterator[ProcessPoolExecutor | None]:
    """Processes, if more than one is wanted."""
    if count <= 1:
        yield None
        return
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _keep(case: Case, recipe: NcamelyonRecipe, folder: Path) -> None:
    """Draw on a slide, unless that is done; the table of crops is written last."""
    crops = folder / f"{case.slide}.crops.parquet"
    if crops.exists():
        return
    drawn = draw_crops(case, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / f"{case.slide}.lesions.parquet") as unfinished:
        drawn.lesions.to_parquet(unfinished, index=False)
    write_whole(folder / f"{case.slide}.hash", quick_hash(location(case.path)))
    with whole(crops) as unfinished:
        drawn.crops.to_parquet(unfinished, index=False)


def _check_copies(cases: Sequence[Case], folder: Path) -> None:
    """No slide lies under two names on two sides."""
    first: dict[str, Case] = {}
    problems = []
    for case in cases:
        other = first.setdefault((folder / "slides" / f"{case.slide}.hash").read_text(encoding="utf-8"), case)
        if other.part != case.part:
            problems.append(
                f"slides {other.slide!r} ({other.part}) and {case.slide!r} ({case.part}) are the same file, "
                "expected no slide in two parts; delete one of the rows"
            )
    if problems:
        raise CohortError("parts of slides", problems)


def _joined(files: Sequence[Path]) -> pd.DataFrame:
    tables = [table for file in files if len(table := pd.read_parquet(file))]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _crops(cases: Sequence[Case], folder: Path) -> pd.DataFrame:
    """All crops with part, patient and site; none twice, which lesions side by side could give."""
    crops = _joined([folder / "slides" / f"{case.slide}.crops.parquet" for case in cases])
    if not len(crops):
        return crops
    crops = crops.drop_duplicates(["slide", "row", "col"])
    known = [{"slide": c.slide, "patient": c.patient, "site": c.site, "part": c.part} for c in cases]
    return crops.merge(pd.DataFrame(known), on="slide", validate="many_to_one")


def _write(plan: pd.DataFrame, folder: Path) -> None:
    with whole(folder / PLAN_FILE) as unfinished:
        plan.to_parquet(unfinished, index=False)
    text = plan.drop(columns="mask").to_csv(index=False, lineterminator="\n")
    write_whole(folder / "plan.csv", text)
