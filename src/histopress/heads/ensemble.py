"""The heads of a finished run, and which of them may answer for whom."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from histopress.core.errors import RunError
from histopress.core.run import Run
from histopress.grids.grid import FeatureGrid
from histopress.grids.store import read_grid
from histopress.heads.answers import scores_of
from histopress.heads.fold import SPLIT_FILE
from histopress.heads.objectives import Objective
from histopress.heads.saved import SavedHead, load_head

SEEN = ("train", "tuning", "test")
"""Parts of a fold, from the most seen by its head to the least."""


@dataclass(frozen=True)
class Voters:
    """Which heads answer for a patient, and which part the patient then belongs to."""

    part: str
    folds: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """What some heads say together of one slide.

    Attributes:
        scores: (classes,) mean probabilities, or (1,) mean value.
        spread: standard deviation over heads of the last class's probability or of the value; with three
            classes or more, of the likeliest one's. Not a number for a single head.
    """

    scores: NDArray[np.float64]
    spread: float


@dataclass(frozen=True)
class Ensemble:
    """All heads of a run.

    Attributes:
        folder: of the run.
        heads: by fold.
        split: `patient`, `slide`, `part` and `fold` of every slide in every fold.
    """

    folder: Path
    heads: dict[int, SavedHead]
    split: pd.DataFrame

    @classmethod
    def load(cls, folder: Path) -> Ensemble:
        """The heads of a run that `train` wrote.

        Raises:
            RunError: there is none, or it is not finished.
        """
        if not Run.load(folder).done:
            raise RunError(f"{folder} is not finished; give the same `train` command again to go on with it")
        folds = sorted((folder / "folds").iterdir(), key=lambda f: int(f.name))
        splits = [
            pd.read_csv(f / SPLIT_FILE, dtype=str, keep_default_na=False).assign(fold=int(f.name))
            for f in folds
        ]
        return cls(folder, {int(f.name): load_head(f) for f in folds}, pd.concat(splits, ignore_index=True))

    @property
    def one(self) -> SavedHead:
        """Any of the heads; they share classes and encoder."""
        return next(iter(self.heads.values()))

    @property
    def objective(self) -> Objective:
        """What the scores mean."""
        return self.one.objective

    def patient_of(self, slide: str) -> str:
        """The patient of a slide; a slide that the run does not know counts as a patient of its own."""
        known = self.split.loc[self.split["slide"] == slide, "patient"]
        return str(known.iloc[0]) if len(known) else slide

    def voters(self, patient: str, slides: Collection[str]) -> Voters:
        """Who answers for a patient: the heads that have seen the least of it.

        Args:
            patient: its id.
            slides: ids of its slides; a slide that the run knows under another patient counts as seen, too.
        """
        seen = self.split[(self.split["patient"] == patient) | self.split["slide"].isin(list(slides))]
        if seen.empty:
            return Voters("new", tuple(self.heads))
        most = seen["part"].map(SEEN.index).groupby(seen["fold"]).min()
        folds = tuple(int(fold) for fold in most.index[most == most.max()])
        return Voters(SEEN[int(most.max())], folds)

    def truth(self, label: Any) -> str:
        """A label as it stands in the table; "" where there is none.

        Raises:
            HeadError: it is none of the classes.
        """
        if label is None:
            return ""
        self.objective.targets([label])
        return self.objective.truth(label)

    def answer(self, path: Path, folds: Collection[int], device: torch.device) -> Answer:
        """What the heads of some folds say of a stored grid.

        Raises:
            GridError: the grid cannot be read.
            HeadError: it was made by another encoder.
        """
        grid = read_grid(path)
        self.one.check_grid(grid)
        votes = np.stack([self._vote(self.heads[fold], path, grid, device) for fold in sorted(folds)])
        scores = votes.mean(axis=0)
        at = int(scores.argmax()) if self.objective.kind == "multiclass" else -1
        return Answer(scores, float(votes[:, at].std(ddof=1)) if len(votes) > 1 else float("nan"))

    @staticmethod
    def _vote(head: SavedHead, path: Path, grid: FeatureGrid, device: torch.device) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = scores_of(head, [path], lambda _: grid, device)[0]
        return scores
