"""Predictions tables with a known truth, for the tests of the metrics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

Maker = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def make_table() -> Maker:
    """A maker of cross-validated predictions tables, one to three slides a patient."""
    return cross_validated


def cross_validated(
    kind: str = "binary",
    *,
    patients: int = 40,
    effect: float = 1.4,
    seed: int = 0,
    folds: int = 5,
    classes: tuple[str, ...] = ("normal", "tumour"),
    target: str = "diagnosis",
    tuning: bool = False,
    seeds: int = 1,
) -> pd.DataFrame:
    """Slides of every patient answered by the fold that tests it, and by one that was trained on it.

    With `tuning` also by one that was tuned on it; with several seeds by as many models in every fold.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(patients):
        truth = int(i // folds % len(classes))
        number = float(np.round(rng.normal(3, 1), 4))
        lean = rng.normal(size=len(classes)) + effect * np.eye(len(classes))[truth]
        parts = [(i % folds, "test"), ((i + 1) % folds, "train")]
        parts += [((i + 2) % folds, "tuning")] if tuning else []
        runs = [
            (f"{fold}#{seed}" if seeds > 1 else f"{fold}", part)
            for fold, part in parts
            for seed in range(seeds)
        ]
        for s in range(int(rng.integers(1, 4))):
            for run, part in runs:
                row = {
                    "level": "slide",
                    "patient": f"P{i:03d}",
                    "slide": f"P{i:03d}-{s}",
                    "run": run,
                    "part": part,
                    "target": target,
                    "kind": kind,
                    "score_sd": np.nan,
                    "models": 1,
                }
                if kind == "regression":
                    row |= {"truth": str(number), "score": effect * number + rng.normal()}
                elif kind == "survival":
                    row |= survival(number, effect * number + rng.normal(), event=i % 3 > 0)
                else:
                    shares = np.exp(
                        lean
                        + rng.normal(0, 0.3, len(classes))
                        + (part == "train") * 9 * np.eye(len(classes))[truth]
                    )
                    shares /= shares.sum()
                    row |= {f"p:{c}": p for c, p in zip(classes, shares, strict=True)}
                    score = {"binary": shares[-1], "ordinal": shares @ np.arange(len(classes))}
                    row |= {"truth": classes[truth], "score": score.get(kind, np.nan)}
                rows.append(row)
    return pd.DataFrame(rows)


def survival(number: float, risk: float, *, event: bool) -> dict[str, object]:
    """Who has the higher number has the event earlier."""
    time = round(40 * float(np.exp(-number / 2)), 3)
    free = {f"s:{t}": float(np.exp(-t / 40 * np.exp(risk / 4))) for t in (2, 6, 12)}
    return {"truth": f"{time}{'' if event else '+'}", "score": risk, **free}
