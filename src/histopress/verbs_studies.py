"""The studies, by the second word of `histopress study`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from histopress.verbs_shared import Common, Flat, Given, Output, Tasks, some

READY = "studies"
"""Folder of the settings that come with the package, for `--recipe NAME`."""


def study_transfer(given: Given) -> Callable[..., int]:
    """How good encoders are."""
    from histopress.studies.transfer_recipe import TransferRecipe

    def verb(
        tasks: Tasks = (),
        /,
        *,
        encoders: Annotated[str, arg(metavar="NAME,NAME,...")],
        output: Output,
        root: Path | None = None,
        device: str = "auto",
        recipe: Annotated[TransferRecipe, Flat] = given.of(TransferRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Judge encoders by what can be read off their frozen codes.

        Args:
            tasks: descriptions of labelled patch sets (TOML), or names of ready ones.
            encoders: names, joined by commas; the others are compared with the first.
            output: folder for tables, picture, codes and scores; running again takes up what is there.
            root: folder below which the data lie.
            device: auto, or the name torch gives a device.
        """
        from histopress.data.patch_recipes import find_task
        from histopress.studies.transfer import split_names, transfer

        common.begin(recipe)
        files = [find_task(t) for t in some(tasks, "TASK")]
        summary = transfer(files, split_names(encoders), root, output, recipe, device=device)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def study_nmnist(given: Given) -> Callable[..., int]:
    """How small a digit may be."""
    from histopress.studies.nmnist_study_recipe import NmnistStudyRecipe

    def verb(
        *,
        mnist: Path,
        output: Output,
        fetch: bool = False,
        recipe: Annotated[NmnistStudyRecipe, Flat] = given.of(NmnistStudyRecipe, ready=READY),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Find out how small an object networks and chains still see: is there a 3 among the clutter?

        Args:
            mnist: folder of the digits, four IDX files, plain or gzip.
            output: folder for runs, tables and figures; running again, or beside, takes up what is there.
            fetch: get the digits into that folder first (11 MB), checked; a broken download is taken up.
        """
        from histopress.studies.mnist_files import fetch_mnist
        from histopress.studies.nmnist_study import study_nmnist

        common.begin(recipe)
        if fetch:
            fetch_mnist(mnist)
        summary = study_nmnist(mnist, output, recipe)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb


def study_tasks(given: Given) -> Callable[..., int]:
    """How many tasks an encoder should learn."""
    from histopress.studies.tasks_recipe import TasksRecipe

    def verb(
        output: Output,
        root: Path | None = None,
        recipe: Annotated[TasksRecipe, Flat] = given.of(TasksRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Train an encoder on every subset of tasks, and judge each on tasks that it never saw.

        Args:
            output: folder for encoders, scores, tables and picture; running again takes up what is there.
            root: folder below which the data of the tasks lie.
        """
        from histopress.studies.tasks import study_tasks

        common.begin(recipe)
        summary = study_tasks(root, output, recipe)
        common.tell(summary.headline, summary.facts)
        return int(len(summary.failures) > 0)

    return verb
