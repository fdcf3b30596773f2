"""The patients of a power study: who is negative, who tests, who may be learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from histopress.core.errors import CohortError
from histopress.core.recipe import digest
from histopress.data.cohort import read_cohort
from histopress.grids.grid import FeatureGrid
from histopress.grids.store import grid_path, read_header
from histopress.studies.kept_grids import KeptGrids
from histopress.studies.planting import Ground, measure
from histopress.studies.planting_negatives import StoredGrids, drawn_negatives
from histopress.studies.power_recipe import PowerRecipe

LEAST = 20
"""Negative patients below which no learning curve is drawn."""


@dataclass(frozen=True)
class Source:
    """Where negative slides come from; names trainings.

    Attributes:
        grids: folder that `compress` wrote; "" for drawn ones.
        cohort: table; "" where every grid is a patient.
        label: column that tells who is negative; "" where all are.
        negative: its value.
        patients: drawn.
        cells: of each.
        dim: of their codes.
        memory_gb: of grids that are kept.
        seed: of drawn grids, and of who tests.
    """

    grids: str
    cohort: str
    label: str
    negative: str
    patients: int
    cells: int
    dim: int
    memory_gb: float
    seed: int

    @classmethod
    def of(cls, grids: Path | None, cohort: Path | None, recipe: PowerRecipe) -> Source:
        """What a recipe asks for; what does not matter is left out, so that it changes no name."""
        drawn = (recipe.patients, recipe.cells, recipe.dim) if grids is None else (0, 0, 0)
        return cls(
            "" if grids is None else str(grids),
            "" if cohort is None else str(cohort),
            recipe.label,
            recipe.negative,
            *drawn,
            recipe.memory_gb,
            recipe.seed,
        )


@dataclass(frozen=True, eq=False)
class Negatives:
    """Slides without the signal, and how many patients there are in all.

    Attributes:
        grids: by slide id.
        table: `patient`, `slide`, a row a slide of a negative patient.
        cohort: patients in all, positive ones too.
        prevalence: share of positive ones; 0 where the cohort has none, or does not tell.
        identity: digest of the slides.
        notes: what people should know.
    """

    grids: Mapping[str, FeatureGrid]
    table: pd.DataFrame
    cohort: int
    prevalence: float
    identity: str
    notes: tuple[str, ...] = field(default=())

    @property
    def patients(self) -> list[str]:
        """Ids, sorted."""
        return sorted(set(self.table["patient"]))

    @cached_property
    def ground(self) -> Ground:
        """What the cells are like, of all slides."""
        return measure(self.grids, self.table["slide"])

    def split(self, test_share: float, seed: int) -> tuple[list[str], list[str]]:
        """(test patients, the others), drawn; sorted."""
        drawn = np.random.default_rng([seed, len(self.patients)]).permutation(self.patients)
        tested = round(test_share * len(drawn))
        return sorted(map(str, drawn[:tested])), sorted(map(str, drawn[tested:]))

    def rows(self, patients: list[str]) -> pd.DataFrame:
        """The slides of some patients."""
        return self.table[self.table["patient"].isin(patients)]


@lru_cache(maxsize=1)
def negatives_of(source: Source) -> Negatives:
    """Read or draw them; kept for the next training in this process.

    Raises:
        CohortError: nobody is negative, or no negative slide has a grid.
    """
    if not source.grids:
        grids, table = drawn_negatives(source.patients, source.cells, source.dim, source.seed)
        return Negatives(_kept(grids, source), table, len(table), 0.0, digest("drawn", source))
    stored = StoredGrids.of(Path(source.grids))
    if not source.cohort:
        table = pd.DataFrame({"patient": stored.slides, "slide": stored.slides})
        every = _stored(table, stored, source, len(table))
        return replace(every, notes=("each slide is taken as a patient",))
    whole = read_cohort(Path(source.cohort), source.label or None).table
    if not source.label:
        return _stored(whole, stored, source, whole["patient"].nunique())
    own = whole[whole[source.label].astype(str) == source.negative]
    if own.empty:
        found = ", ".join(sorted(set(whole[source.label].astype(str)))[:8])
        raise CohortError(
            source.cohort,
            [f"nobody has {source.label} {source.negative!r}, found {found}; name the negative value"],
        )
    count, negative = whole["patient"].nunique(), own["patient"].nunique()
    return _stored(own, stored, source, count, 1 - negative / count)


def _stored(
    rows: pd.DataFrame,
    stored: StoredGrids,
    source: Source,
    cohort: int,
    prevalence: float = 0.0,
) -> Negatives:
    """Those of the slides that have grids."""
    there = rows["slide"].isin(stored.slides)
    if not there.any():
        raise CohortError(
            source.cohort,
            [f"none of {len(rows)} negative slides has a grid in {source.grids}; compress them first"],
        )
    table = rows.loc[there, ["patient", "slide"]].astype(str).reset_index(drop=True)
    notes: tuple[str, ...] = ()
    if not there.all():
        notes = (f"{int((~there).sum())} of {len(rows)} negative slides have no grid and are left out",)
    identities = [read_header(grid_path(stored.folder, slide)).identity for slide in table["slide"]]
    identity = digest(table.to_numpy().tolist(), identities)
    return Negatives(_kept(stored, source), table, cohort, prevalence, identity, notes)


def _kept(grids: Mapping[str, FeatureGrid], source: Source) -> KeptGrids:
    return KeptGrids(grids, int(source.memory_gb * 2**30))
