"""The ready recipes are what the code says they are."""

from __future__ import annotations

from pathlib import Path

from histopress.core.recipe import load
from histopress.heads.train import PUBLISHED, TrainRecipe

RECIPES = Path(__file__).resolve().parents[1] / "recipes"


def test_neural_image_compression() -> None:
    assert load(TrainRecipe, RECIPES / "neural_image_compression.toml") == PUBLISHED
