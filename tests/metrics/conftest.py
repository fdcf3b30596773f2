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
) -> pd.DataFrame:
    """Slides of every patient answered by the fold that tests it, and by one that was trained on it."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(patients):
        truth = int(i // folds % len(classes))
        number = float(np.round(rng.normal(3, 1), 4))
        lean = rng.normal(size=len(classes)) + effect * np.eye(len(classes))[truth]
        for s in range(int(rng.integers(1, 4))):
            for run, part in ((i % folds, "test"), ((i + 1) % folds, "train")):
                row = {
                    "level": "slide",
                    "patient": f"P{i:03d}",
                    "slide": f"P{i:03d}-{s}",
                    "run": str(run),
                    "part": part,
                    "target": target,
                    "kind": kind,
                    "score_sd": np.nan,
                    "models": 1,
                }
                if kind == "regression":
                    row |= {"truth": str(number), "score": effect * number + rng.normal()}
                else:
                    shares = np.exp(
                        lean
                        + rng.normal(0, 0.3, len(classes))
                        + (part == "train") * 9 * np.eye(len(classes))[truth]
                    )
                    shares /= shares.sum()
                    row |= {f"p:{c}": p for c, p in zip(classes, shares, strict=True)}
                    row |= {"truth": classes[truth], "score": shares[-1] if kind == "binary" else np.nan}
                rows.append(row)
    return pd.DataFrame(rows)
