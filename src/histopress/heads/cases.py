"""What there is to learn from: slides with grids, their patients, one label a patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from histopress.core.errors import GridError
from histopress.core.failures import Failures
from histopress.core.recipe import digest
from histopress.data.cohort import Cohort
from histopress.data.splits import Fold, cross_validation, fixed_split
from histopress.grids.batches import LabelledGrids, Read
from histopress.grids.grid import GridHeader
from histopress.grids.store import grid_path, read_header
from histopress.heads.objectives import Objective
from histopress.heads.targets import Target, make_objective
from histopress.heads.train import TrainRecipe

SHUFFLE = 1
"""Sets the random numbers of shuffled labels apart from those of the splits."""


@dataclass(frozen=True)
class Cases:
    """Patients, slides, labels and grids that belong together.

    Attributes:
        slides: one row a slide, sorted: `patient`, `slide`, `grid` (path), `identity` (of the grid).
        labels: indexed and sorted by patient; shuffled where the recipe asks for it.
        parts: train, tuning or test for every patient, where the cohort says so.
        objective: what the labels mean; nothing of it is learned yet but the names of the classes.
        header: of one of the grids, which all come from one encoder.
    """

    slides: pd.DataFrame
    labels: pd.Series[Any]
    parts: pd.Series[Any] | None
    objective: Objective
    header: GridHeader

    @property
    def inputs(self) -> dict[str, Any]:
        """What names a run on these cases, in few values."""
        rows = self.slides[["patient", "slide", "identity"]].to_numpy().tolist()
        labels = [[p, self.objective.truth(v)] for p, v in self.labels.items()]
        parts = [] if self.parts is None else [[str(p), str(part)] for p, part in self.parts.items()]
        return {
            "target": self.objective.target,
            "kind": self.objective.kind,
            "slides": digest(rows),
            "labels": digest(labels),
            "split": digest(parts) if parts else None,
            "encoder": self.header.encoder.get("identity"),
        }

    def folds(self, recipe: TrainRecipe) -> list[Fold]:
        """The splits by patient."""
        labels = self.labels.astype(np.float64) if self.objective.kind == "regression" else self.labels
        if self.parts is not None:
            return fixed_split(self.parts, labels, recipe.seed)
        return cross_validation(labels, recipe.folds, recipe.seed)

    def of(self, patients: Iterable[str]) -> pd.DataFrame:
        """The slides of some patients."""
        return self.slides[self.slides["patient"].isin(list(patients))]

    def labels_of(self, patients: Sequence[str]) -> list[Any]:
        """One label a patient."""
        return [self.labels[p] for p in patients]

    def labelled(self, slides: pd.DataFrame, objective: Objective, read: Read) -> LabelledGrids:
        """Grids with targets; every patient has the same weight, however many slides it has."""
        counts = slides.groupby("patient")["slide"].transform("size").to_numpy(np.float32)
        weights = len(slides) / max(1, slides["patient"].nunique()) / counts
        return LabelledGrids(
            paths=[Path(p) for p in slides["grid"]],
            targets=objective.targets(self.labels_of(slides["patient"].tolist())),
            weights=torch.from_numpy(weights.astype(np.float32)),
            read=read,
        )


def gather(cohort: Cohort, grids: Path, target: Target, recipe: TrainRecipe, failures: Failures) -> Cases:
    """Match slides with their grids.

    Slides whose grid is missing or damaged are noted as failures and left out.

    Raises:
        GridError: no grid at all, or grids of several encoders.
        HeadError: the labels do not tell what they mean, or do not fit the kind that was asked for.
    """
    labels = cohort.by_patient(target.column)
    objective = make_objective(target, labels.tolist(), recipe.regression_loss)
    rows, headers = [], []
    for case in cohort.table.sort_values(["patient", "slide"]).to_dict("records"):
        path = grid_path(grids, case["slide"])
        with failures.attempt(str(case["slide"])):
            headers.append(read_header(path))
            rows.append((case["patient"], case["slide"], str(path), headers[-1].identity))
    if not rows:
        raise GridError(
            f"no grid of {len(cohort.table)} slides in {grids}, expected <slide id>.grid.zarr.zip files; "
            "name the folder that `compress` wrote"
        )
    _check_same_encoder(headers)
    slides = pd.DataFrame(rows, columns=["patient", "slide", "grid", "identity"])
    kept = labels[labels.index.isin(slides["patient"])]
    if recipe.shuffle_labels:
        random = np.random.default_rng([recipe.seed, SHUFFLE])
        kept = pd.Series(random.permutation(kept.to_numpy()), index=kept.index, name=kept.name)
    parts = cohort.by_patient("split") if "split" in cohort.table else None
    return Cases(slides, kept, None if parts is None else parts[kept.index], objective, headers[0])


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
