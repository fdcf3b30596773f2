"""What the scores of the study of tasks say: the trend with the number of tasks, tables, and the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from histopress.core.files import whole, write_whole
from histopress.studies.ink import COLOURS, INK
from histopress.studies.tasks_recipe import TasksRecipe
from histopress.studies.tasks_scores import Score

LEVEL = (0.025, 0.975)


def fit_trend(scores: Sequence[Score], recipe: TasksRecipe) -> dict[str, Any]:
    """Change of the score per added task, on tasks that the training did not include.

    Every judged task has a level of its own. Intervals: percentile bootstrap over encoders, which are drawn
    whole, as an encoder's scores on several tasks hang together.

    Args:
        scores: of all encoders.
        recipe: settings.

    Returns:
        slope, low, high; slopes and means by task; means by number of tasks; and all that as a sentence.
        Empty where the encoders differ in nothing.
    """
    table = pd.DataFrame([asdict(s) for s in scores])
    if table.empty:
        return {}
    table = table[(table["group"] == "multitask") & ~table["seen"] & table["point"].notna()]
    if table["tasks"].nunique() < 2:
        return {}
    slope, (low, high) = _slope(table), _limits(table, recipe.resamples, _slope)
    by_task = {str(task): _slope(part) for task, part in table.groupby("task", sort=False)}
    text = (
        f"score on unseen tasks per added task: {slope:+.4f} [{low:+.4f}, {high:+.4f}] "
        f"({table['encoder'].nunique()} encoders, {len(by_task)} judged tasks)"
    )
    return {
        "slope": slope,
        "low": low,
        "high": high,
        "by_task": by_task,
        "by_number": _levels(table),
        "text": text,
    }


def _slope(table: pd.DataFrame) -> float:
    """Least squares with a level for every judged task."""
    centred = table[["tasks", "point"]] - table.groupby("task")[["tasks", "point"]].transform("mean")
    spread = float((centred["tasks"] ** 2).sum())
    return float((centred["tasks"] * centred["point"]).sum() / spread) if spread else float("nan")


def _limits(table: pd.DataFrame, resamples: int, of: Any) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    rows = [part.to_numpy() for part in table.groupby("encoder", sort=False)["tasks"].groups.values()]
    found = []
    for _ in range(resamples):
        drawn = rng.integers(len(rows), size=len(rows))
        found.append(of(table.loc[np.concatenate([rows[i] for i in drawn])]))
    low, high = np.nanquantile(found, LEVEL)
    return float(low), float(high)


def _levels(table: pd.DataFrame) -> dict[str, float]:
    """Mean score by number of tasks; see `_mean_over_tasks`."""
    means = _mean_over_tasks(table).groupby("tasks")["point"].mean()
    return {str(number): float(mean) for number, mean in means.items()}


def write_results(scores: Sequence[Score], trend: dict[str, Any], output: Path) -> None:
    """Write scores.csv, tasks.md and tasks.png."""
    table = pd.DataFrame([asdict(s) for s in scores])
    write_whole(output / "scores.csv", table.to_csv(index=False, lineterminator="\n"))
    if table.empty:
        return
    write_whole(output / "tasks.md", as_markdown(table, trend))
    draw(table, output / "tasks.png", trend)


def as_markdown(table: pd.DataFrame, trend: dict[str, Any]) -> str:
    """Mean scores on unseen tasks: a row for each kind of encoder, a column for each judged task.

    The last column is free of which tasks an encoder left out; see `_mean_over_tasks`.
    """
    unseen = table[~table["seen"]]
    overall = _mean_over_tasks(unseen)
    tasks = list(dict.fromkeys(table["task"]))
    lines = [f"| encoder | {' | '.join(tasks)} | mean |", "| --- |" + " ---: |" * (len(tasks) + 1)]
    for name, part in _kinds(unseen):
        means = part.groupby("task")["point"].mean().reindex(tasks)
        spread = part.groupby("task")["point"].std().reindex(tasks)
        cells = [_cell(m, s) for m, s in zip(means, spread, strict=True)]
        level = overall.loc[overall["encoder"].isin(part["encoder"]), "point"].mean()
        lines.append(f"| {name} | {' | '.join(cells)} | {level:.3f} |")
    return "\n".join([*lines, "", trend.get("text", ""), ""])


def _cell(mean: float, spread: float) -> str:
    if np.isnan(mean):
        return "-"
    return f"{mean:.3f}" if np.isnan(spread) else f"{mean:.3f} ± {spread:.3f}"


def _kinds(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Encoders that stand together: by number of tasks, by method, or alone."""
    learned = table[table["group"] == "multitask"]
    found = [
        (f"{number} task{'s' if number != 1 else ''}", part) for number, part in learned.groupby("tasks")
    ]
    others = table[table["group"] != "multitask"]
    return found + [(str(name), part) for name, part in others.groupby("group", sort=False)]


def draw(table: pd.DataFrame, path: Path, trend: dict[str, Any]) -> None:
    """A panel for the mean and one for each judged task: score against number of tasks, others as lines."""
    unseen = table[~table["seen"]]
    tasks = list(dict.fromkeys(unseen["task"]))
    across = 3
    down = -(-(len(tasks) + 1) // across)
    figure = Figure(figsize=(4.1 * across, 3.1 * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    _panel(axes[0], _mean_over_tasks(unseen), "mean of all judged tasks")
    for axis, task in zip(axes[1:], tasks, strict=False):
        _panel(axis, unseen[unseen["task"] == task], task)
    for axis in axes[len(tasks) + 1 :]:
        axis.set_axis_off()
    handles, words = axes[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    figure.suptitle(trend.get("text", ""), fontsize=10, color=INK)
    with whole(path) as partial:
        figure.savefig(partial, dpi=130)


def _mean_over_tasks(unseen: pd.DataFrame) -> pd.DataFrame:
    """Each encoder's mean distance from the mean of its judged tasks, put back on the common level.

    Encoders leave out different tasks, some harder than others: plain means would compare tasks.
    """
    level = unseen["point"] - unseen.groupby("task")["point"].transform("mean")
    table = unseen.assign(point=level + unseen.groupby("task")["point"].mean().mean())
    encoders = table.groupby(["encoder", "group", "tasks", "seed"], sort=False)
    return encoders["point"].mean().reset_index()


def _panel(axis: Any, table: pd.DataFrame, title: str) -> None:
    learned = table[table["group"] == "multitask"]
    rng = np.random.default_rng(0)
    places = learned["tasks"] + rng.uniform(-0.12, 0.12, len(learned))
    axis.plot(places, learned["point"], ".", color="#9fb3c8", markersize=4, label="one encoder")
    numbers = sorted(learned["tasks"].unique())
    means = [learned.loc[learned["tasks"] == n, "point"] for n in numbers]
    bars = np.array([_mean_limits(m.to_numpy()) for m in means]).T
    points = np.array([m.mean() for m in means])
    axis.errorbar(
        numbers, points, np.abs(bars - points), color=INK, marker="o", capsize=3, label="mean, 95 % interval"
    )
    others = table[table["group"] != "multitask"].groupby("group", sort=False)["point"].mean()
    for colour, (name, level) in zip(COLOURS, others.items(), strict=False):
        axis.axhline(level, color=colour, linewidth=1.2, linestyle="--", label=str(name))
    axis.set_title(title, fontsize=10, color=INK)
    axis.set_xlabel("tasks in the training", fontsize=9)
    axis.set_xticks(numbers)
    axis.spines[["top", "right"]].set_visible(False)


def _mean_limits(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Percentile bootstrap of the mean over encoders."""
    drawn = np.random.default_rng(0).choice(values, (2000, len(values))).mean(1)
    low, high = np.quantile(drawn, LEVEL)
    return float(low), float(high)
