"""The names that other people's code may rely on; a change here is a change of the public surface."""

from __future__ import annotations

import subprocess
import sys

import histopress
from histopress.verbs import STUDIES, VERBS

NAMES = {
    "Box", "Cohort", "CompressRecipe", "Encoder", "EncoderCard", "EvaluateRecipe", "ExchangeRecipe",
    "FeatureGrid", "HistopressError", "Lattice", "PredictRecipe", "Size", "Slide", "Spacing", "TissueMask",
    "TissueRecipe", "TrainRecipe", "Window", "compress", "evaluate", "exchange", "load_encoder",
    "make_cohort", "mask_slide", "open_slide", "predict", "read_cohort", "read_grid", "train",
    "train_several",
}  # fmt: skip


def test_public_names() -> None:
    assert set(histopress.__all__) == NAMES


def test_every_public_name_is_there_and_documented() -> None:
    undocumented = [name for name in NAMES if not getattr(histopress, name).__doc__]
    assert undocumented == []


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ["torch", "pandas", "lightning", "zarr", "scipy", "matplotlib", "openslide", "sklearn", "numpy"]
    code = f"import sys, histopress, histopress.cli; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_verbs() -> None:
    assert list(VERBS) == [
        "demo", "inspect", "mask", "encoders", "patches", "train-encoder", "compress", "exchange", "cohort",
        "heads", "train", "predict", "evaluate",
    ]  # fmt: skip
    studies = "draw ncamelyon nmnist phantom plant power rectangles tasks transfer"
    assert list(STUDIES) == studies.split()
