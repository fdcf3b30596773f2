"""One picture of what the demo found: slides, their grids, and how well the labels were told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from histopress.core.files import whole
from histopress.core.geometry import Spacing
from histopress.data.cohort import read_cohort
from histopress.data.predictions import class_columns, read_predictions
from histopress.data.slide import open_slide
from histopress.grids.inspect import principal_picture
from histopress.grids.store import grid_path, read_grid
from histopress.metrics.curves import roc
from histopress.studies.ink import INK

THUMBNAIL = Spacing.square(8.0)
COLOURS = ("#3b76af", "#c8553d")


def draw_overview(cohort: Path, grids: Path, run: Path, headline: str, path: Path) -> Path:
    """Draw two slides of the second class and one of the first, their grids, ROC curve and scores.

    Args:
        cohort: table of a phantom cohort, with its slides beside it.
        grids: folder of their grids.
        run: folder of the trained run.
        headline: the score, in words.
        path: PNG to write.
    """
    rows = read_predictions([run / "predictions.csv"]).query("part == 'test' and level == 'patient'")
    negative, positive = (c.removeprefix("p:") for c in class_columns(rows, rows["target"].iloc[0]))
    figure = Figure(figsize=(13, 6.2), layout="constrained")
    parts: Any = figure.subfigures(1, 2, width_ratios=[2.4, 1])
    slides, curves = parts
    _draw_slides(slides, cohort, grids, (positive, positive, negative))
    _draw_curves(curves, rows["score"].to_numpy(float), (rows["truth"] == positive).to_numpy(), headline)
    with whole(path) as partial:
        figure.savefig(partial, dpi=100)
    return path


def _draw_slides(figure: Any, cohort: Path, grids: Path, labels: Sequence[str]) -> None:
    rows = read_cohort(cohort).table.to_dict("records")
    axes = figure.subplots(2, len(labels))
    for column, label in enumerate(labels):
        chosen = next(row for row in rows if row["label"] == label)
        rows.remove(chosen)
        slide = Path(chosen["path"])
        with open_slide(slide) as opened:
            thumbnail = opened.thumbnail(THUMBNAIL)
        axes[0, column].imshow(_outlined(thumbnail, slide))
        axes[0, column].set_title(f"{slide.stem}: {label}", color=INK, fontsize=11)
        grid = read_grid(grid_path(grids, slide.stem))
        axes[1, column].imshow(principal_picture(grid))
        shape = f"{grid.shape[0]} x {grid.shape[1]} cells, {len(grid)} with tissue"
        axes[1, column].set_title(shape, color=INK, fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()


def _outlined(thumbnail: NDArray[np.uint8], slide: Path) -> NDArray[np.uint8]:
    """The thumbnail with the planted lesion outlined in yellow."""
    truth = slide.parents[1] / "truth" / f"{slide.stem}.lesion.png"
    if not truth.exists():
        return thumbnail
    with Image.open(truth) as picture:
        inside = np.asarray(picture.convert("L").resize(thumbnail.shape[1::-1])) > 127
    grown = inside.copy()
    for axis in (0, 1):
        for step in (-2, 2):
            grown |= np.roll(inside, step, axis)
    drawn = thumbnail.copy()
    drawn[grown & ~inside] = (255, 214, 0)
    return drawn


def _draw_curves(figure: Any, scores: NDArray[np.float64], truth: NDArray[np.bool_], headline: str) -> None:
    top, bottom = figure.subplots(2, 1, height_ratios=[1.6, 1])
    curve = roc(truth, scores, np.ones((1, len(scores)), np.uint16), level=0.95)
    top.plot(curve.x, curve.y, color=COLOURS[1], linewidth=2)
    top.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle=":")
    top.set(xlabel="false positives", ylabel="true positives", aspect="equal")
    top.set_title(headline, color=INK, fontsize=12, weight="bold")
    jitter = np.random.default_rng(0).uniform(-0.14, 0.14, len(scores))
    for kind in (False, True):
        at = truth == kind
        bottom.scatter(scores[at], kind + jitter[at], s=22, alpha=0.8, color=COLOURS[kind], linewidths=0)
    bottom.set(xlim=(-0.02, 1.02), ylim=(-0.5, 1.5), yticks=[0, 1], yticklabels=["normal", "tumour"])
    bottom.set_xlabel("score of patients that the model never saw")
    for axis in (top, bottom):
        axis.spines[["top", "right"]].set_visible(False)
