"""One picture of how an encoder learned: losses in training, and scores on the tuning part."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from histopress.core.errors import RunError
from histopress.core.files import whole
from histopress.core.fit_keeper import LOG_FILE
from histopress.studies.ink import INK

CURVES_FILE = "curves.png"
LOSS = " train loss"
STEEP = 50.0
"""Losses that fall by more than this factor are drawn on a logarithmic axis."""

Columns = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class TaskCurve:
    """What the log says of one task.

    Attributes:
        name: of the task.
        losses: (looks,) in training; NaN where nothing was drawn of it.
        measure: name of its score; empty if there is none.
        scores: (looks,) on the tuning part, higher is better.
    """

    name: str
    losses: NDArray[np.float64]
    measure: str
    scores: NDArray[np.float64]


def draw_curves(run_folder: Path) -> Path:
    """Draw the curves of a run of `train-encoder` into its folder.

    Args:
        run_folder: that holds its log.

    Raises:
        RunError: there is no log, or not a single look in it.
    """
    log = read_log(run_folder / LOG_FILE)
    tasks = task_curves(log)
    scored = [t for t in tasks if t.measure]
    figure = Figure(figsize=(11 if scored else 6, 4.2), layout="constrained")
    axes = figure.subplots(1, 2 if scored else 1, squeeze=False)[0]
    colours = {t.name: colormaps["tab10"](n % 10) for n, t in enumerate(tasks)}
    _draw_losses(axes[0], log, tasks, colours)
    if scored:
        _draw_scores(axes[1], log, scored, colours)
    for axis in axes:
        _dress(axis, log, "looks at the tuning part" if scored else "epochs")
    with whole(run_folder / CURVES_FILE) as partial:
        figure.savefig(partial, dpi=110)
    return run_folder / CURVES_FILE


def read_log(path: Path) -> Columns:
    """The log of a training: column -> (looks,) numbers.

    Raises:
        RunError: it is missing, empty or no such table.
    """
    if not path.is_file():
        raise RunError(f"{path} is missing, expected the log of a training; train with the log csv")
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    try:
        found = {name: np.array([float(row[name]) for row in rows]) for name in (rows[0] if rows else ())}
    except (TypeError, ValueError) as error:
        raise RunError(f"{path} is no log of a training ({error}); train again in a new folder") from error
    if missing := {"train", "tuning"} - set(found):
        raise RunError(f"{path} has no {' and no '.join(sorted(missing))}, expected a row for each look")
    return found


def task_curves(log: Columns) -> list[TaskCurve]:
    """The tasks of a log, in its order; those of which nothing is known are left out."""
    found = []
    for column in log:
        if not column.endswith(LOSS):
            continue
        name = column.removesuffix(LOSS)
        measures = [c for c in log if c.startswith(f"{name} ") and c != column and not c.endswith(LOSS)]
        measure = next((m for m in measures if np.isfinite(log[m]).any()), "")
        scores = log[measure] if measure else np.full(len(log[column]), np.nan)
        curve = TaskCurve(name, log[column], measure.removeprefix(f"{name} "), scores)
        if np.isfinite(curve.losses).any() or measure:
            found.append(curve)
    return found


def _draw_losses(axis: Any, log: Columns, tasks: list[TaskCurve], colours: Mapping[str, Any]) -> None:
    """Left: the loss of each task and of all, or, without tasks, training beside tuning."""
    shown = [log["train"], *(t.losses for t in tasks)]
    for task in tasks:
        _line(axis, task.losses, color=colours[task.name], linewidth=1.2)
    _line(axis, log["train"], color=INK, linewidth=2.4, label="all together" if tasks else "training")
    if not tasks and not np.array_equal(log["train"], log["tuning"]):
        _line(axis, log["tuning"], color="#c8553d", linewidth=2.4, label="tuning")
        shown.append(log["tuning"])
    values = np.concatenate(shown)
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() / values.min() > STEEP:
        axis.set_yscale("log")
    axis.set_title("loss" if not tasks else "loss in training", color=INK, fontsize=11)
    axis.legend(frameon=False, fontsize=8)


def _draw_scores(axis: Any, log: Columns, tasks: list[TaskCurve], colours: Mapping[str, Any]) -> None:
    """Right: the tuning score of each task, and their mean, with what was reached at the best look."""
    best = int(np.argmin(log["tuning"]))
    for task in tasks:
        words = f"{task.name}: {task.measure} {task.scores[best]:.3f}"
        _line(axis, task.scores, color=colours[task.name], linewidth=1.2, label=words)
    if len(tasks) > 1:
        mean = 1 - log["tuning"]
        _line(axis, mean, color=INK, linewidth=2.4, label=f"mean {mean[best]:.3f}")
    axis.axvline(best + 1, color="0.6", linewidth=1, linestyle=":")
    axis.set_title(f"score on the tuning part; best look: {best + 1}", color=INK, fontsize=11)
    axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _line(axis: Any, values: NDArray[np.float64], **style: Any) -> None:
    """A curve over looks, with dots where it would otherwise hardly be seen."""
    axis.plot(np.arange(1, len(values) + 1), values, marker="o" if len(values) < 4 else None, **style)


def _dress(axis: Any, log: Columns, across: str) -> None:
    axis.set_xlabel(across, fontsize=9)
    axis.set_xlim(0.5, len(log["train"]) + 0.5)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(axis="y", color="0.92")
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
