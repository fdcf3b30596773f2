"""What heads say of slides, as rows of the predictions table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from histopress.grids.batches import LabelledGrids, LaidViews, Read, collate
from histopress.heads.objectives import Objective
from histopress.heads.saved import SavedHead


def pick_device(name: str) -> torch.device:
    """cpu, gpu, or auto: a GPU where there is one."""
    if name == "gpu" or (name == "auto" and torch.cuda.is_available()):
        return torch.device("cuda")
    return torch.device("cpu")


@torch.no_grad()
def scores_of(
    saved: SavedHead, paths: Sequence[Path], read: Read, device: torch.device
) -> NDArray[np.float64]:
    """What a head says of grids, averaged over the test views of each.

    Args:
        saved: a trained head, what its logits mean, and how it looks at grids.
        paths: of the grids.
        read: gets a grid from its path.
        device: to compute on.

    Returns:
        (slides, classes) probabilities, or (slides, 1) values on the label's scale.
    """
    head, objective = saved.head.eval().to(device), saved.objective
    none = torch.zeros(len(paths))
    grids = LaidViews(LabelledGrids(paths, none, none, read), saved.card.views)
    means = np.zeros((len(paths), max(1, len(objective.columns))))
    for batch in DataLoader(grids, collate_fn=collate):
        answer = objective.scores(head(batch.dense.to(device), batch.mask.to(device)).logits)
        np.add.at(means, batch.slide.numpy(), answer * batch.share.double().numpy()[:, None])
    head.to("cpu")
    return means


def rows_of(
    objective: Objective,
    slides: pd.DataFrame,
    scores: NDArray[np.float64],
    spread: NDArray[np.float64] | None = None,
    models: int | NDArray[np.int64] = 1,
) -> pd.DataFrame:
    """Answers for slides as rows of level "slide".

    Args:
        objective: what the scores mean.
        slides: `patient`, `slide`, `run`, `part` and `truth` (text) of every slide.
        scores: (slides, classes) or (slides, 1).
        spread: (slides,) standard deviation of the answers over models; none for one model.
        models: how many were averaged.
    """
    columns: dict[str, Any] = {f"p:{c}": scores[:, i] for i, c in enumerate(objective.columns)}
    score = np.full(len(slides), np.nan) if objective.kind == "multiclass" else scores[:, -1]
    return (
        slides[["patient", "slide", "run", "part", "truth"]]
        .assign(
            level="slide",
            target=objective.target,
            kind=objective.kind,
            **columns,
            score=score,
            score_sd=np.nan if spread is None else spread,
            models=models,
        )
        .reset_index(drop=True)
    )


def both_levels(slide_rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of slides, and after them those of their patients."""
    from histopress.data.predictions import to_patients, validate

    if slide_rows.empty:
        return slide_rows
    return pd.concat([validate(slide_rows), to_patients(slide_rows)], ignore_index=True)
