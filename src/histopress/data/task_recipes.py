"""Ready tasks: what to download, the commands from there to a model, and what others have reached."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from histopress.core.errors import RecipeError
from histopress.core.recipe import load
from histopress.data.ready_files import find_ready, ready_names

KIND = "tasks"


@dataclass(frozen=True)
class PublishedFigure:
    """A figure that others have published.

    Attributes:
        system: that reached it.
        measure: such as Spearman or AUROC.
        value: as it was published, with its interval or deviation.
        data: on which it was reached.
        source: where it is published.
        mark: C, read in the paper or its repository; C2, in a secondary source.
    """

    system: str
    measure: str
    value: str
    data: str
    source: str
    mark: Literal["C", "C2"]


@dataclass(frozen=True)
class Task:
    """One question about slides or patients, from the download to the model.

    Attributes:
        title: the question in a few words.
        target: what `train` is told to learn.
        measure: by which it is judged.
        download: what to download, where, how much, and what has to be agreed to.
        layout: of the files as they are downloaded.
        confirmed: where that layout was read.
        from_memory: what of it was not read anywhere, and so to be checked.
        cohort: command that makes the cohort table.
        compress: command that makes the grids.
        train: command that trains; {recipe} stands for this file.
        note: what to know before reading results.
        published: figures of others.
    """

    title: str
    target: str
    measure: str
    download: str
    layout: str
    confirmed: str
    from_memory: str
    cohort: str
    compress: str
    train: str
    note: str = ""
    published: tuple[PublishedFigure, ...] = ()


@dataclass(frozen=True)
class TaskRecipe:
    """A file of `recipes/tasks`.

    Attributes:
        task: what is asked, and how.
        train: settings of `histopress train`, as its own recipe names them.
    """

    task: Task
    train: dict[str, Any] = field(default_factory=dict)


def task_names() -> tuple[str, ...]:
    """Names of the ready tasks, sorted."""
    return ready_names(KIND)


def find_task_recipe(name_or_path: str | Path) -> Path:
    """The TOML file of a ready task, or the file itself.

    Raises:
        RecipeError: it is neither; names that are near are listed.
    """
    return find_ready(name_or_path, KIND, RecipeError, "ready task")


def read_task_recipe(name_or_path: str | Path) -> TaskRecipe:
    """Read a ready task by its name or path."""
    return load(TaskRecipe, find_task_recipe(name_or_path))


def list_tasks() -> str:
    """All ready tasks, one a line."""
    tasks = {name: read_task_recipe(name).task for name in task_names()}
    width = max(map(len, tasks), default=0)
    lines = [f"{name:<{width}}  {task.title} ({task.measure})" for name, task in tasks.items()]
    return "\n".join([*lines, "", "histopress cohort NAME tells what to download and which commands to run"])


def describe_task(name_or_path: str | Path) -> str:
    """What a user needs to run a task, for people."""
    path = find_task_recipe(name_or_path)
    task = read_task_recipe(path).task
    parts = [
        f"{path.stem}: {task.title}, judged by {task.measure}",
        f"Download\n{_indented(task.download)}",
        f"Files\n{_indented(task.layout)}",
        f"Layout read in: {task.confirmed}\nFrom memory: {task.from_memory or 'nothing'}",
        "Commands\n"
        + _indented("\n".join([task.cohort, task.compress, task.train.replace("{recipe}", str(path))])),
    ]
    if task.note:
        parts.append(f"Note\n{_indented(task.note)}")
    return "\n\n".join([*parts, _figures(task.published)])


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())


def _figures(figures: tuple[PublishedFigure, ...]) -> str:
    if not figures:
        return "Published figures\n  none that we could confirm"
    marks = "[C] read in the paper, its repository or weights; [C2] in a secondary source"
    lines = [f"{f.measure} {f.value}  {f.system}; {f.data} [{f.mark}: {f.source}]" for f in figures]
    return "\n".join(["Published figures", *(f"  {line}" for line in lines), f"  {marks}"])
