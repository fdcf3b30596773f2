"""A signal planted into negative grids: cohorts whose object-to-image ratio is known.

Comes in: grids without the signal, codes of the signal or an effect. Goes out: grids that are planted when
they are asked for, labels, and the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from histopress.core.errors import CohortError
from histopress.grids.grid import FeatureGrid
from histopress.studies.planting_ground import Ground, measure
from histopress.studies.planting_object import Planted, object_size, plant, shifted
from histopress.studies.planting_recipe import PlantRecipe
from histopress.studies.planting_roster import WHERE, draw_roster, number_of
from histopress.studies.planting_signal import EffectSignal, Signal, TileSignal

__all__ = [
    "LABELS",
    "EffectSignal",
    "Ground",
    "PlantRecipe",
    "Planted",
    "PlantedCohort",
    "PlantedGrids",
    "Signal",
    "TileSignal",
    "measure",
    "plant",
    "planted_grids",
]

LABELS = ("negative", "positive")


@dataclass(frozen=True)
class Planting:
    """What happens to one slide.

    Attributes:
        site: where it comes from.
        holds: whether it gets an object.
        decoy: whether that object does not count.
        part: which part of the signal it draws from.
        parts: of how many.
    """

    site: str
    holds: bool = False
    decoy: bool = False
    part: int = 0
    parts: int = 1


@dataclass(frozen=True, eq=False)
class PlantedGrids(Mapping[str, FeatureGrid]):
    """Grids by slide id, planted anew each time: no memory is needed, `dict(grids)` keeps them.

    Attributes:
        grids: without the signal.
        plantings: what happens to each slide.
        signal: what is planted.
        recipe: how.
        ground: what cells without the object are like.
    """

    grids: Mapping[str, FeatureGrid]
    plantings: Mapping[str, Planting]
    signal: Signal
    recipe: PlantRecipe
    ground: Ground

    def __getitem__(self, slide: str) -> FeatureGrid:
        planting = self.plantings[slide]
        grid = self.planted(slide).grid if planting.holds else self.grids[slide]
        return shifted(grid, self.recipe, number_of(planting.site), self.ground)

    def planted(self, slide: str) -> Planted:
        """The slide with its object, and where that lies; as no site shows it yet.

        Raises:
            KeyError: there is no such slide, or it holds none.
        """
        planting = self.plantings[slide]
        if not planting.holds:
            raise KeyError(slide)
        signal = self.signal.share(planting.part, planting.parts)
        index = number_of(slide)
        return plant(self.grids[slide], signal, self.recipe, index, ground=self.ground, decoy=planting.decoy)

    def __contains__(self, slide: object) -> bool:
        return slide in self.plantings

    def __iter__(self) -> Iterator[str]:
        return iter(self.plantings)

    def __len__(self) -> int:
        return len(self.plantings)


@dataclass(frozen=True)
class PlantedCohort:
    """Slides with a planted signal, and the truth about them.

    Attributes:
        grids: by slide id; planted when they are asked for.
        table: `patient`, `slide`, `label` (as it is given, wrong for a share of patients where the recipe
            says so) and `site`; a row a slide, sorted by patient and slide.
        truth: `patient`, `slide`, `label` (the true one), `site`, `planted` (cells that count), `decoys`
            (cells that do not) and `o2i` (reached: share of the slide's cells that count); likewise.
        notes: what people should know, in words.
    """

    grids: PlantedGrids
    table: pd.DataFrame
    truth: pd.DataFrame
    notes: tuple[str, ...] = ()


def planted_grids(
    grids: Mapping[str, FeatureGrid],
    table: pd.DataFrame,
    signal: Signal,
    recipe: PlantRecipe,
    *,
    ground: Ground | None = None,
) -> PlantedCohort:
    """Choose patients, and plant the signal into one slide of each.

    A positive patient has the object in one slide, which is drawn. Where the recipe names a part of the
    tissue, a negative one has as large an object in the rest of the tissue of one slide. Nothing depends on
    the order of the table. To train and test apart, call it twice, with `signal.share(0, 2)` and
    `signal.share(1, 2)`, the same `ground`, and the same seed, which sites keep their looks by.

    Args:
        grids: negative slides, by slide id.
        table: `patient` and `slide`, and `site` where the recipe takes it from there; other columns are left
            out.
        signal: what is planted.
        recipe: how, and into whom.
        ground: what `measure` found; all slides of the table are read for it where it is not given.

    Raises:
        CohortError: the table lacks a column, names slides without grid, or has no patient.
        GridError: there is no tissue.
    """
    roster = draw_roster(table, recipe)
    rows = table[["patient", "slide"]].astype(str).sort_values(["patient", "slide"], ignore_index=True)
    _check_grids(grids, rows)
    ground = ground or measure(grids, rows["slide"])
    plantings = _plantings(rows, roster)
    return PlantedCohort(
        grids=PlantedGrids(grids, plantings, signal, recipe, ground),
        table=_labelled(rows, roster, "given"),
        truth=_truth(_labelled(rows, roster, "positive"), plantings, grids, ground, recipe),
        notes=_notes(signal, int(roster["holds"].sum())),
    )


def _check_grids(grids: Mapping[str, FeatureGrid], rows: pd.DataFrame) -> None:
    known = set(grids)  # a lazy mapping may make a grid to tell whether it has one
    missing = [slide for slide in rows["slide"] if slide not in known]
    if missing:
        raise CohortError(
            WHERE,
            [f"{len(missing)} of {len(rows)} slides have no grid, such as {missing[0]!r}; compress them"],
        )


def _plantings(rows: pd.DataFrame, roster: pd.DataFrame) -> dict[str, Planting]:
    """What happens to every slide, in the order of the rows."""
    holders = roster[roster["holds"]]
    held = {
        str(row["slide"]): Planting(str(row["site"]), True, not row["positive"], part, len(holders))
        for part, row in enumerate(holders.to_dict("records"))
    }
    sites = dict(zip(roster["patient"], roster["site"], strict=True))
    slides = zip(rows["patient"], rows["slide"], strict=True)
    return {slide: held.get(slide) or Planting(sites[patient]) for patient, slide in slides}


def _labelled(rows: pd.DataFrame, roster: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows with `label` and `site` of their patients."""
    known = roster.set_index("patient").loc[rows["patient"].tolist()]
    labels = [LABELS[int(positive)] for positive in known[column]]
    return rows.assign(label=labels, site=known["site"].tolist())


def _truth(
    rows: pd.DataFrame,
    plantings: Mapping[str, Planting],
    grids: Mapping[str, FeatureGrid],
    ground: Ground,
    recipe: PlantRecipe,
) -> pd.DataFrame:
    """What is in every slide."""
    planted, decoys, ratios = [], [], []
    for slide in rows["slide"]:
        planting = plantings[slide]
        tiles = ground.tiles[slide] if slide in ground.tiles else len(grids[slide])
        size = object_size(recipe.o2i, tiles) if planting.holds else 0
        planted.append(0 if planting.decoy else size)
        decoys.append(size if planting.decoy else 0)
        ratios.append(planted[-1] / max(1, tiles))
    return rows.assign(planted=planted, decoys=decoys, o2i=ratios)


def _notes(signal: Signal, holders: int) -> tuple[str, ...]:
    if signal.parts is None or signal.parts >= holders:
        return ()
    return (
        f"{signal.parts} signal tiles for {holders} patients: some share a tile, so a head may know a tile "
        "again; give more tiles",
    )
