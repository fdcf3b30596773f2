"""What heads say of cases, as rows of the predictions table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from histopress.grids.batches import LabelledGrids, LaidViews, Read, collate
from histopress.grids.views import ViewRule
from histopress.heads.head import Head
from histopress.heads.objectives import Objective
from histopress.heads.saved import SavedHead

Array = NDArray[np.float64]


def pick_device(name: str) -> torch.device:
    """cpu, gpu, or auto: a GPU where there is one."""
    if name == "gpu" or (name == "auto" and torch.cuda.is_available()):
        return torch.device("cuda")
    return torch.device("cpu")


@torch.no_grad()
def logits_of(head: Head, grids: LabelledGrids, rule: ViewRule, device: torch.device) -> Tensor:
    """(cases, outputs) what a head says of cases, averaged over the test views of each."""
    return torch.from_numpy(_means(head, grids, rule, device, lambda logits: logits.double().cpu().numpy()))


def scores_of(saved: SavedHead, cases: Sequence[tuple[Path, ...]], read: Read, device: torch.device) -> Array:
    """What a head says of cases on the scales of their labels, averaged over the test views of each.

    Args:
        saved: a trained head, what its logits mean, and how it looks at grids.
        cases: paths of the grids of each.
        read: gets a grid from its path.
        device: to compute on.

    Returns:
        (cases, values), see `Objective.values`.
    """
    none = torch.zeros(len(cases), 1)
    grids = LabelledGrids(cases, none, none[:, 0], read)
    return _means(saved.head, grids, saved.card.views, device, saved.objective.scores)


@torch.no_grad()
def _means(
    head: Head, grids: LabelledGrids, rule: ViewRule, device: torch.device, told: Callable[[Tensor], Array]
) -> Array:
    means: Array | None = None
    head.eval().to(device)
    loader: DataLoader[Any] = DataLoader(LaidViews(grids, rule), collate_fn=collate)
    for batch in loader:
        answer = told(head.of_cells(batch.features.to(device), batch.places.to(device)).logits)
        means = np.zeros((len(grids), answer.shape[1])) if means is None else means
        np.add.at(means, batch.case.numpy(), answer * batch.share.double().numpy()[:, None])
    head.to("cpu")
    return np.zeros((0, 0)) if means is None else means


def spread_of(objective: Objective, votes: Array) -> Array:
    """How much heads differ about one case, for every target.

    Args:
        objective: what the votes mean.
        votes: (heads, values).

    Returns:
        (parts,) standard deviation of the score; with several classes and no score, of the probability of
        the likeliest one. Not a number for a single head.
    """
    if len(votes) < 2:
        return np.full(len(objective.parts), np.nan)
    spreads = []
    for part, own in zip(objective.parts, objective.apart(votes), strict=True):
        score = part.single(own)
        told = own[:, own.mean(axis=0).argmax()] if np.isnan(score).any() else score
        spreads.append(float(told.std(ddof=1)))
    return np.array(spreads)


def rows_of(
    objective: Objective,
    cases: pd.DataFrame,
    truths: Sequence[Sequence[str]],
    values: Array,
    *,
    spreads: Array | None = None,
    models: int | NDArray[np.int64] = 1,
) -> pd.DataFrame:
    """Answers for cases as rows: of level "slide", or "patient" where all slides of a patient are one case.

    Args:
        objective: what the values mean.
        cases: `patient`, `slide` ("" for a patient), `run` and `part` of every case.
        truths: for every target, the truth of every case as text, "" where it is unknown.
        values: (cases, values).
        spreads: (cases, parts) see `spread_of`; none for one model.
        models: how many were averaged.
    """
    known = cases[["patient", "slide", "run", "part"]].reset_index(drop=True)
    known = known.assign(level=np.where(known["slide"] == "", "patient", "slide"), models=models)
    tables = []
    for i, (part, own) in enumerate(zip(objective.parts, objective.apart(values), strict=True)):
        columns = {name: own[:, k] for k, name in enumerate(part.values) if name != "score"}
        spread = np.nan if spreads is None else spreads[:, i]
        told = {"target": part.target, "kind": part.kind, "truth": list(truths[i])}
        tables.append(known.assign(**told, **columns, score=part.single(own), score_sd=spread))
    return pd.concat(tables, ignore_index=True)


def both_levels(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of slides, and after them those of their patients; rows of patients as they are."""
    from histopress.data.predictions import to_patients, validate

    slides = rows[rows["level"] == "slide"]
    if slides.empty:
        return validate(rows) if len(rows) else rows
    return pd.concat([validate(rows), to_patients(slides)], ignore_index=True)
