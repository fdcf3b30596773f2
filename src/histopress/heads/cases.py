"""What there is to learn from: slides with grids, their patients, labels by patient."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from histopress.core.errors import CohortError, GridError
from histopress.core.failures import Failures
from histopress.core.recipe import digest
from histopress.data.cohort import Cohort
from histopress.data.splits import Fold, cross_validation, fixed_split, site_validation
from histopress.grids.batches import LabelledGrids, Read
from histopress.grids.grid import GridHeader
from histopress.grids.store import grid_path, read_header
from histopress.heads.flow import Flow
from histopress.heads.objectives import Objective
from histopress.heads.targets import Target, make_objective, target_columns
from histopress.heads.train_recipe import TrainRecipe

SHUFFLE = 1
"""Sets the random numbers of shuffled labels apart from those of the splits."""


@dataclass(frozen=True)
class Cases:
    """Patients, slides, labels and grids that belong together.

    Attributes:
        slides: one row a slide, sorted: `patient`, `slide`, `grid` (path), `identity` (of the grid), `hash`
            (of the slide file).
        labels: the columns that the objective reads, indexed and sorted by patient; shuffled where the recipe
            asks for it.
        parts: train, tuning or test for every patient, where the cohort says so.
        sites: of every patient, "" where unknown; none where the cohort does not tell.
        objective: what the labels mean; nothing of it is learned yet but the names of the classes.
        header: of one of the grids, which all come from one encoder.
        joint: whether all slides of a patient are one case.
        flow: how the cohort came down to this.
    """

    slides: pd.DataFrame
    labels: pd.DataFrame
    parts: pd.Series[Any] | None
    objective: Objective
    header: GridHeader
    sites: pd.Series[Any] | None = None
    joint: bool = False
    flow: Flow = field(default_factory=Flow)

    @property
    def inputs(self) -> dict[str, Any]:
        """What names a run on these cases, in few values."""
        rows = self.slides[["patient", "slide", "identity"]].to_numpy().tolist()
        parts = [] if self.parts is None else [[str(p), str(part)] for p, part in self.parts.items()]
        return {
            "target": self.objective.target,
            "kind": self.objective.kind,
            "slides": digest(rows),
            "labels": digest(self.labels.index.tolist(), *self._truths()),
            "split": digest(parts) if parts else None,
            "encoder": self.header.encoder.get("identity"),
        }

    def _truths(self) -> list[list[str]]:
        return [part.truth(self.labels) for part in self.objective.parts]

    def folds(self, recipe: TrainRecipe) -> list[Fold]:
        """The splits by patient."""
        strata = self.objective.strata(self.labels)
        if self.parts is not None:
            return fixed_split(self.parts, strata, recipe.seed)
        if recipe.split_by == "site":
            if self.sites is None:
                raise CohortError(
                    "split by site",
                    ["the cohort has no column `site`, expected one; add it, or split by patient"],
                )
            return site_validation(strata, self.sites, recipe.folds, recipe.seed)
        merge = self.objective.kind not in ("binary", "multiclass")
        return cross_validation(strata, recipe.folds, recipe.seed, merge=merge)

    def only(self, slides: Container[str]) -> Cases:
        """The same with some of the slides, and their patients."""
        kept = self.slides[[slide in slides for slide in self.slides["slide"]]].reset_index(drop=True)
        if len(kept) == len(self.slides):
            return self
        patients = self.labels.index.isin(kept["patient"])
        return replace(
            self,
            slides=kept,
            labels=self.labels[patients],
            parts=None if self.parts is None else self.parts[patients],
            sites=None if self.sites is None else self.sites[patients],
            flow=self.flow.narrowed(kept, "no grid of another encoder"),
        )

    def units(self, patients: Iterable[str]) -> pd.DataFrame:
        """The cases of some patients: `patient`, `slide` ("" for a whole patient), `paths` of grids."""
        own = self.slides[self.slides["patient"].isin(list(patients))]
        if self.joint:
            names = own["patient"].unique().tolist()
            units = pd.DataFrame({"patient": names, "slide": ""})
            grids = [tuple(map(Path, own.loc[own["patient"] == name, "grid"])) for name in names]
        else:
            units, grids = own[["patient", "slide"]], [(Path(path),) for path in own["grid"]]
        return units.assign(paths=pd.Series(grids, index=units.index, dtype=object))

    def labels_of(self, patients: Sequence[str]) -> pd.DataFrame:
        """The labels of patients, a row for each that is named."""
        return self.labels.loc[list(patients)]

    def labelled(self, units: pd.DataFrame, objective: Objective, read: Read) -> LabelledGrids:
        """Grids with targets; every patient has the same weight, however many slides it has."""
        counts = units.groupby("patient")["slide"].transform("size").to_numpy(np.float32)
        weights = len(units) / max(1, units["patient"].nunique()) / counts
        return LabelledGrids(
            paths=units["paths"].tolist(),
            targets=objective.targets(self.labels_of(units["patient"].tolist())),
            weights=torch.from_numpy(weights.astype(np.float32)),
            read=read,
        )


def gather(
    cohort: Cohort, grids: Path, targets: Sequence[Target], recipe: TrainRecipe, failures: Failures
) -> Cases:
    """Match slides with their grids.

    Slides whose grid is missing or damaged are noted as failures and left out.

    Raises:
        GridError: no grid at all, or grids of several encoders.
        HeadError: the labels do not tell what they mean, or do not fit the kind that was asked for.
    """
    labels = cohort.labels(target_columns(targets))
    objective = make_objective(targets, labels, recipe.regression_loss)
    rows, headers = [], []
    for case in cohort.table.sort_values(["patient", "slide"]).to_dict("records"):
        path = grid_path(grids, case["slide"])
        with failures.attempt(str(case["slide"])):
            headers.append(read_header(path))
            rows.append(
                (case["patient"], case["slide"], str(path), headers[-1].identity, headers[-1].slide.hash)
            )
    if not rows:
        raise GridError(
            f"no grid of {len(cohort.table)} slides in {grids}, expected <slide id>.grid.zarr.zip files; "
            "name the folder that `compress` wrote"
        )
    _check_same_encoder(headers)
    slides = pd.DataFrame(rows, columns=["patient", "slide", "grid", "identity", "hash"])
    return Cases(
        slides=slides,
        labels=dealt(labels[labels.index.isin(slides["patient"])], recipe),
        parts=_of_patients(cohort, "split", slides),
        objective=objective,
        header=headers[0],
        sites=_of_patients(cohort, "site", slides),
        joint=recipe.fusion == "joint",
        flow=Flow.of(cohort, slides, failures),
    )


def dealt(labels: pd.DataFrame, recipe: TrainRecipe) -> pd.DataFrame:
    """The labels, dealt anew between patients where the recipe asks for it."""
    if not recipe.shuffle_labels:
        return labels
    order = np.random.default_rng([recipe.seed, SHUFFLE]).permutation(len(labels))
    return labels.iloc[order].set_axis(labels.index)


def _of_patients(cohort: Cohort, column: str, slides: pd.DataFrame) -> pd.Series[Any] | None:
    """A column by patient, for those that have slides; none where the cohort has no such column."""
    if column not in cohort.table:
        return None
    values = cohort.by_patient(column)
    return values[values.index.isin(slides["patient"])]


def _check_same_encoder(headers: Sequence[GridHeader], most: int = 5) -> None:
    """All grids from one encoder at one spacing; the rarer ones are to blame."""
    groups: dict[tuple[str, float], list[str]] = {}
    for header in headers:
        encoder = header.encoder
        key = (str(encoder.get("identity")), float(encoder.get("spacing", header.lattice.spacing)))
        groups.setdefault(key, []).append(header.slide.slide)
    if len(groups) == 1:
        return
    (expected, spacing), slides = max(groups.items(), key=lambda item: len(item[1]))
    lines = [
        f"{', '.join(own[:most])}{', ...' if len(own) > most else ''}: encoder {key[0]}, {key[1]:g} um/px"
        for key, own in groups.items()
        if own is not slides
    ]
    raise GridError(
        f"grids of {len(groups)} encoders or spacings: {'; '.join(lines)}; expected encoder {expected}, "
        f"{spacing:g} um/px, as the other {len(slides)} have; compress these slides again"
    )
