"""Do more tasks make better encoders? One encoder for every subset of tasks, judged on tasks it never saw.

Puts to the test the claim of Tellez et al. (MIDL 2020, arXiv 2004.07041) that codes carry over better, the
more tasks an encoder learned: by equal numbers of updates and several seeds, beside encoders without labels,
published weights, random weights and the mean colour.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histopress.core.errors import PatchError
from histopress.core.failures import Failures
from histopress.core.files import write_whole
from histopress.core.progress import progress
from histopress.core.recipe import digest, plain
from histopress.core.summary import Summary
from histopress.studies.tasks_recipe import TasksRecipe
from histopress.studies.tasks_scores import Candidate, Score

if TYPE_CHECKING:
    from histopress.encoders.train_encoder_recipe import TrainEncoderRecipe


@dataclass(kw_only=True)
class TasksSummary(Summary):
    """What came of the study.

    Attributes:
        encoders: that were judged.
        scores: of each on each task.
        trend: change of the score per added task on unseen tasks, with its interval, and what else was found.
    """

    encoders: int = 0
    scores: list[Score] = field(default_factory=list)
    trend: dict[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """Counts and the trend; the scores stand in `scores.csv`."""
        return {"encoders": self.encoders, "trend": self.trend, "failed": len(self.failures)}

    @property
    def headline(self) -> str:
        """For people."""
        told = self.trend.get("text", "no trend could be fitted")
        return f"{told}\n{self.encoders} encoders; tables and picture in {self.output}"


def study_tasks(root: Path | None, output: Path, recipe: TasksRecipe) -> TasksSummary:
    """Train all encoders, judge them, fit the trend, and draw it; what is there already is not done again.

    Args:
        root: folder below which the folders of the tasks lie.
        output: folder for encoders, scores, tables and picture.
        recipe: settings.

    Raises:
        PatchError: a task is not there, or fewer than two are named in the pool.
    """
    from histopress.studies.tasks_trend import fit_trend, write_results

    if len(recipe.pool) < 2:
        raise PatchError(f"the pool holds {', '.join(recipe.pool) or 'no task'}, expected two tasks or more")
    summary = TasksSummary(output=output)
    candidates = list(listed(recipe))
    _train_all([c for c in candidates if c.trained], root, output, recipe, summary.failures)
    for candidate in candidates:
        with summary.failures.attempt(candidate.name):
            summary.scores += _judged(candidate, root, output, recipe)
            summary.encoders += 1
    summary.trend = fit_trend(summary.scores, recipe)
    write_results(summary.scores, summary.trend, output)
    summary.write()
    return summary


def listed(recipe: TasksRecipe) -> Iterator[Candidate]:
    """Every encoder of the study, in the order in which it is trained: all of one seed, then the next."""
    for seed in range(recipe.seeds):
        for size in range(1, len(recipe.pool) + 1):
            for tasks in combinations(recipe.pool, size):
                name = "+".join(Path(task).stem for task in tasks)
                yield Candidate(f"{name}-{seed}", "multitask", tasks, seed)
        for method in recipe.methods:
            yield Candidate(f"{method}-{seed}", method, (), seed)
    for name in recipe.references:
        yield Candidate(name, name.partition(":")[0])


def _folder(candidate: Candidate, output: Path) -> Path:
    return output / "encoders" / candidate.name


def _training(candidate: Candidate, recipe: TasksRecipe) -> tuple[list[str], TrainEncoderRecipe]:
    """What to train an encoder on, and how: by equal numbers of updates, to the last."""
    from histopress.encoders.train_encoder_recipe import TrainEncoderRecipe

    settings = TrainEncoderRecipe(
        trunk=recipe.trunk,
        updates=recipe.updates,
        look_every=recipe.updates,
        batch=recipe.batch,
        keep="last",
        width=recipe.width,
        seed=candidate.seed,
        device=recipe.device,
    )
    if candidate.tasks:
        return list(candidate.tasks), settings
    return list(recipe.pool), replace(settings, method=candidate.group)  # type: ignore[arg-type]


def _train_all(
    candidates: Sequence[Candidate], root: Path | None, output: Path, recipe: TasksRecipe, failures: Failures
) -> None:
    """Train side by side, one thread each where there are several processes; a failure stops no other."""
    left = [c for c in candidates if not (_folder(c, output) / "done").exists()]
    with progress("train encoders", len(candidates), "encoders") as bar:
        bar.advance(len(candidates) - len(left))
        if recipe.processes == 1:
            for candidate in left:
                with failures.attempt(candidate.name):
                    _train_one(candidate, root, output, recipe)
                bar.advance(note=candidate.name)
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(recipe.processes, mp_context=context) as pool:
            jobs = {pool.submit(_train_one, c, root, output, recipe): c for c in left}
            for job in as_completed(jobs):
                with failures.attempt(jobs[job].name):
                    job.result()
                bar.advance(note=jobs[job].name)


def _train_one(candidate: Candidate, root: Path | None, output: Path, recipe: TasksRecipe) -> None:
    import torch

    from histopress.core.fit_spawn import Mute
    from histopress.encoders.train_encoder import train_encoder

    if recipe.processes > 1:
        torch.set_num_threads(max(1, torch.get_num_threads() // recipe.processes))
    inputs, settings = _training(candidate, recipe)
    train_encoder(inputs, _folder(candidate, output), settings, root=root, bar=Mute())


def _judged(candidate: Candidate, root: Path | None, output: Path, recipe: TasksRecipe) -> list[Score]:
    """Scores of one encoder on every task, kept in a file of its own."""
    from histopress.studies.tasks_judge import JUDGING, judge

    path = output / "scores" / f"{digest(candidate, recipe, JUDGING)}.json"
    if not path.exists():
        name = str(_folder(candidate, output)) if candidate.trained else candidate.name
        found = judge(candidate, name, root, recipe, output)
        write_whole(path, json.dumps(plain(found), indent=1) + "\n")
    return [Score(**facts) for facts in json.loads(path.read_text(encoding="utf-8"))]
