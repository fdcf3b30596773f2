"""The heads of a finished run, and which of them may answer for whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from histopress.core.errors import RunError
from histopress.core.run import Run
from histopress.grids.store import read_grid
from histopress.heads.answers import scores_of, spread_of
from histopress.heads.model_file import SPLIT_FILE, ModelFile, digest_of
from histopress.heads.objectives import Objective
from histopress.heads.saved import SavedHead, load_head

SEEN = ("train", "tuning", "test")
"""Parts of a fold, from the most seen by its head to the least."""


@dataclass(frozen=True)
class Voters:
    """Which heads answer for a patient, and which part the patient then belongs to."""

    part: str
    folds: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What some heads say together of one case.

    Attributes:
        values: (values,) mean over heads.
        spreads: (parts,) see `answers.spread_of`.
    """

    values: NDArray[np.float64]
    spreads: NDArray[np.float64]


@dataclass(frozen=True)
class Ensemble:
    """All heads of a run.

    Attributes:
        source: folder of the run, or its model file.
        heads: by name of their fold.
        split: `patient`, `slide`, `part` and `fold` of every slide in every fold.
        model: the model file, in whose split ids of patients and slides stand as digests; none for a folder.
    """

    source: Path
    heads: dict[str, SavedHead]
    split: pd.DataFrame
    model: ModelFile | None = None

    @classmethod
    def load(cls, source: Path) -> Ensemble:
        """The heads of a run that `train` wrote, from its folder or its model file.

        Raises:
            RunError: there is none, or it is not finished.
            HeadError: the model file is damaged.
        """
        if source.is_file():
            model = ModelFile(source)
            return cls(source, model.heads, model.split, model)
        if not Run.load(source).done:
            raise RunError(f"{source} is not finished; give the same `train` command again to go on with it")
        folds = sorted((source / "folds").iterdir(), key=_fold_order)
        splits = [
            pd.read_csv(f / SPLIT_FILE, dtype=str, keep_default_na=False).assign(fold=f.name) for f in folds
        ]
        return cls(source, {f.name: load_head(f) for f in folds}, pd.concat(splits, ignore_index=True))

    def encoder(self, unpack: Path) -> Path | None:
        """The folder that keeps the encoder; none where there is none.

        Args:
            unpack: folder in which to lay that of a model file.
        """
        if self.model is not None:
            return self.model.unpack_encoder(unpack)
        return self.source / "encoder" if (self.source / "encoder").is_dir() else None

    def _named(self, name: str) -> str:
        """An id of a patient or slide as it stands in the split."""
        return name if self.model is None else digest_of(name)

    @property
    def one(self) -> SavedHead:
        """Any of the heads; they share classes and encoder."""
        return next(iter(self.heads.values()))

    @property
    def objective(self) -> Objective:
        """What the values mean."""
        return self.one.objective

    def patient_of(self, slide: str) -> str:
        """The patient of a slide; one that the run does not name counts as a patient of its own."""
        known = self.split.loc[self.split["slide"] == slide, "patient"]
        return str(known.iloc[0]) if len(known) else slide

    def voters(self, patient: str, slides: Collection[str]) -> Voters:
        """Who answers for a patient: the heads that have seen the least of it.

        Args:
            patient: its id.
            slides: ids of its slides; a slide that the run knows under another patient counts as seen, too.
        """
        known = [self._named(slide) for slide in slides]
        seen = self.split[(self.split["patient"] == self._named(patient)) | self.split["slide"].isin(known)]
        if seen.empty:
            return Voters("new", tuple(self.heads))
        most = seen["part"].map(SEEN.index).groupby(seen["fold"]).min()
        folds = tuple(str(fold) for fold in most.index[most == most.max()])
        return Voters(SEEN[int(most.max())], folds)

    def truths(self, labels: Mapping[str, Any]) -> list[str]:
        """The labels of one patient as they stand in the table, a text for each target; "" where none is.

        Args:
            labels: what is known, column -> value; columns may be absent.

        Raises:
            HeadError: a label is none of the classes.
        """
        return [self._truth(part, labels) for part in self.objective.parts]

    @staticmethod
    def _truth(part: Objective, labels: Mapping[str, Any]) -> str:
        if any(labels.get(column) is None for column in part.sources):
            return ""
        table = pd.DataFrame({column: [labels[column]] for column in part.sources})
        part.targets(table)
        return part.truth(table)[0]

    def answer(self, paths: tuple[Path, ...], folds: Collection[str], device: torch.device) -> Answer:
        """What the heads of some folds say of a case.

        Args:
            paths: of its stored grids, those of all slides where heads answer for a patient.
            folds: whose heads are asked.
            device: to compute on.

        Raises:
            GridError: a grid cannot be read.
            HeadError: it was made by another encoder.
        """
        grids = {path: read_grid(path) for path in paths}
        for grid in grids.values():
            self.one.check_grid(grid)
        votes = np.concatenate(
            [scores_of(self.heads[fold], [paths], grids.__getitem__, device) for fold in sorted(folds)]
        )
        return Answer(votes.mean(axis=0), spread_of(self.objective, votes))


def _fold_order(folder: Path) -> tuple[int, str]:
    number = folder.name.partition("-")[0]
    return (int(number) if number.isdigit() else 1 << 30, folder.name)
