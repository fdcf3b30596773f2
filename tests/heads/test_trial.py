"""Heads on grids in memory answer as those of stored grids do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from histopress.data.splits import Fold
from histopress.grids.store import read_grid
from histopress.heads.train import TrainRecipe, train
from histopress.heads.trial import try_heads

Maker = Callable[..., Any]
QUICK = TrainRecipe(head="mean", folds=3, epochs=2)


def test_it_is_the_same_training(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=12, slides=2)
    stored = train(data.table, data.grids, "label", tmp_path / "run", QUICK)
    grids = {s: read_grid(data.grids / f"{s}.grid.zarr.zip") for s in data.frame["slide"]}
    found = try_heads(grids, data.frame, "label", QUICK, tmp_path / "trial")
    known = pd.read_csv(stored.predictions, dtype={"patient": str})
    assert found["score"].round(12).tolist() == known["score"].round(12).tolist()


def test_folds_can_be_given(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=12)
    grids = {s: read_grid(data.grids / f"{s}.grid.zarr.zip") for s in data.frame["slide"]}
    names = sorted(data.frame["patient"])
    folds = [Fold(0, tuple(names[:6]), tuple(names[6:9]), tuple(names[9:]))]
    found = try_heads(grids, data.frame, "label", replace(QUICK, epochs=1), tmp_path / "trial", folds=folds)
    tested = found[(found["part"] == "test") & (found["level"] == "patient")]
    assert sorted(tested["patient"]) == names[9:]
