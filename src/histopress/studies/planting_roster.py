"""Who is positive, whose label is wrong, who comes from which site, and in which slide the object lies."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import CohortError
from histopress.studies.planting_recipe import PlantRecipe

PATIENTS, NOISE, SITES, SLIDES = range(3, 7)
"""Set the random numbers of who is what apart from those of `planting_object`."""

WHERE = "cohort to plant into"


def draw_roster(table: pd.DataFrame, recipe: PlantRecipe) -> pd.DataFrame:
    """One row a patient, sorted by `patient`; the same whatever the order of the table.

    Args:
        table: `patient` and `slide`, and `site` where the recipe takes it from there.
        recipe: settings.

    Returns:
        `patient`, `positive` (the truth), `given` (what the label says), `site`, `slide` (the one that may
        hold the object) and `holds` (whether it does).

    Raises:
        CohortError: a column is missing, a slide stands there twice, or there is no patient.
    """
    _check(table, recipe)
    slides = table.astype({"patient": str, "slide": str}).groupby("patient")["slide"].agg(sorted)
    positive = _positive(len(slides), recipe)
    wrong = _drawn(round(recipe.label_noise * len(slides)), len(slides), recipe, NOISE)
    return pd.DataFrame(
        {
            "patient": slides.index.tolist(),
            "positive": positive,
            "given": positive ^ wrong,
            "site": _own_sites(table) if recipe.sites == 0 else _dealt_sites(positive, recipe),
            "slide": [own[number_of(own[0], recipe.seed, SLIDES) % len(own)] for own in slides],
            "holds": positive | (recipe.inside != "anywhere"),
        }
    )


def number_of(name: str, *salt: int) -> int:
    """A number from 0 below 2**32 that a name has on every machine."""
    text = "/".join([name, *map(str, salt)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _check(table: pd.DataFrame, recipe: PlantRecipe) -> None:
    needed = ["patient", "slide"] + ["site"] * (recipe.sites == 0)
    problems = [f"no column {name!r}, expected one; add it" for name in needed if name not in table]
    if "slide" in table and table["slide"].duplicated().any():
        twice = table["slide"][table["slide"].duplicated()].unique()[:5]
        problems.append(f"slide {', '.join(map(str, twice))} stands there twice; leave one row of each")
    if not len(table):
        problems.append("no patient, expected some; name slides that have grids")
    if problems:
        raise CohortError(WHERE, problems)


def _positive(count: int, recipe: PlantRecipe) -> NDArray[np.bool_]:
    """(patients,) the wanted share, one of each class at least where both are wanted."""
    wanted = round(recipe.prevalence * count)
    if 0 < recipe.prevalence < 1 and count > 1:
        wanted = min(max(wanted, 1), count - 1)
    return _drawn(wanted, count, recipe, PATIENTS)


def _drawn(some: int, count: int, recipe: PlantRecipe, what: int) -> NDArray[np.bool_]:
    """(count,) True for so many."""
    chosen = np.zeros(count, np.bool_)
    chosen[np.random.default_rng([recipe.seed, what]).permutation(count)[:some]] = True
    return chosen


def _own_sites(table: pd.DataFrame) -> list[str]:
    by_patient = table.astype({"patient": str}).groupby("patient")["site"].first()
    return [str(site) for site in by_patient]


def _dealt_sites(positive: NDArray[np.bool_], recipe: PlantRecipe) -> list[str]:
    """A share of either label goes to sites of its own, the rest to all of them alike."""
    random = np.random.default_rng([recipe.seed, SITES])
    sites = np.empty(len(positive), np.int64)
    half = -(-recipe.sites // 2)
    groups = {True: np.arange(half), False: np.arange(half, recipe.sites)}
    for label, group in groups.items():
        own = random.permutation(np.flatnonzero(positive == label))
        tied = round(recipe.confounding * len(own))
        sites[own[:tied]] = np.resize(group, tied)
        sites[own[tied:]] = np.arange(len(own) - tied) % recipe.sites
    return [f"site-{number}" for number in sites]
