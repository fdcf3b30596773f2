"""Verbs about heads: cohorts, training, predictions, and how good they are."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from histopress.core.errors import RecipeError
from histopress.verbs_shared import Common, Flat, Given, Output, Paths, some


def cohort(given: Given) -> Callable[..., int]:
    """Official files -> cohort table."""
    from histopress.data.cohort_options import CohortOptions

    def verb(
        name: Annotated[Positional[str], arg(metavar="TASK")] = "",
        paths: Annotated[Positional[tuple[Path, ...]], arg(metavar="PATH...")] = (),
        /,
        output: Annotated[Path | None, arg(aliases=["-o"], metavar="FILE")] = None,
        options: Annotated[CohortOptions, Flat] = given.of(CohortOptions),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Make the cohort table of a known task out of its files as they were downloaded.

        Without words it lists the tasks; with a task alone it tells what to download, which commands follow,
        and what others have published.

        Args:
            name: of the task.
            paths: its files, or a folder of them: clinical tables, slides or lists of slides.
            output: table to write (.csv).
        """
        from histopress.data.task_recipes import describe_task, list_tasks

        common.begin(options)
        if not paths:
            common.tell(describe_task(name) if name else list_tasks(), {"task": name})
            return 0
        if output is None:
            raise RecipeError("no table to write; add -o cohort.csv")
        from histopress.data.cohort_recipes import make_cohort

        summary = make_cohort(name, paths, output, options)
        common.tell(summary.text, summary)
        return 0

    return verb


def heads(given: Given) -> Callable[..., int]:
    """What heads there are."""

    def verb(dim: int = 128, outputs: int = 1, common: Annotated[Common, Flat] = Common()) -> int:
        """List the heads that can be named, with their size and what they tell.

        Args:
            dim: length of the codes, for the number of parameters.
            outputs: logits, for the number of parameters.
        """
        from histopress.heads.listing import head_rows, head_table_text

        common.begin()
        rows = head_rows(dim, outputs)
        common.tell(head_table_text(rows), rows)
        return 0

    return verb


def train(given: Given) -> Callable[..., int]:
    """Grids and labels -> run."""
    from histopress.heads.train_recipe import TrainRecipe, TrainResources

    def verb(
        cohort: Annotated[Positional[Path], arg(metavar="COHORT")],
        /,
        *,
        grids: Path,
        target: str,
        output: Output,
        heads: str = "",
        encoders: str = "",
        external: Path | None = None,
        recipe: Annotated[TrainRecipe, Flat] = given.of(TrainRecipe, "tasks", "train"),
        resources: Annotated[TrainResources, Flat] = TrainResources(),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Learn from grids and labels of slides, cross-validated by patient.

        Args:
            cohort: table of patients, slides and labels (CSV or Parquet).
            grids: folder that `compress` wrote.
            target: COLUMN, or COLUMN:KIND with KIND binary, multiclass, multilabel, ordinal(low<middle<high),
                regression or survival(time=COLUMN,event=COLUMN); several targets with commas between.
            output: folder for the run; of several heads or encoders, for a run of each.
            heads: compare these over the same folds, with commas between: cnn,abmil,mean.
            encoders: compare grids of these, each in a folder of its name in the folder of grids.
            external: table of another cohort, whose patients are answered for once all heads are trained; its
                grids lie in the same folder.
        """
        from histopress.heads.train import train, train_several

        common.begin(recipe)
        several = {"heads": names_of(heads), "encoders": names_of(encoders)}
        if any(several.values()):
            done = train_several(
                cohort, grids, target, output, recipe, **several, resources=resources, tell=_announce
            )
        else:
            done = [train(cohort, grids, target, output, recipe, resources=resources, tell=_announce)]
        result = _reported(done, cohort, output, external)
        told = "\n".join(summary.text for summary in done)
        common.tell(f"{result.headline}\n{told}\nreport: {result.report}", result.facts)
        return int(any(len(summary.failures) for summary in done))

    return verb


def _announce(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _reported(done: Sequence[Any], cohort: Path, output: Path, external: Path | None) -> Any:
    """Evaluate all runs side by side, on the cohort and on another one where there is one; write cards."""
    from histopress.data.cohort import covariates_of
    from histopress.heads.predict import PredictRecipe, predict
    from histopress.metrics.evaluate import EvaluateRecipe, evaluate
    from histopress.metrics.model_card import write_model_card

    tables = [summary.predictions for summary in done]
    if external is not None:
        for summary in done:
            tables.append(summary.run / "external" / summary.predictions.name)
            predict(summary.run, [external], tables[-1], PredictRecipe(grids=summary.grids))
    learned = done[0].objective.sources
    groups = tuple(name for name in covariates_of(cohort) if name not in learned)
    asked = EvaluateRecipe(cohort=cohort, subgroups=groups)
    result = evaluate(tables, output / "report", asked)
    for summary in done:
        write_model_card(summary.run, result.facts)
    return result


def names_of(text: str) -> list[str]:
    """Names with commas between; settings of a head hold commas, too, behind its colon."""
    names: list[str] = []
    for piece in (p.strip() for p in text.split(",") if p.strip()):
        if names and "=" in piece and ":" not in piece:
            names[-1] += f",{piece}"
        else:
            names.append(piece)
    return names


def predict(given: Given) -> Callable[..., int]:
    """Run and slides -> predictions."""
    from histopress.heads.predict import PredictRecipe

    def verb(
        run: Annotated[Positional[Path], arg(metavar="RUN")],
        paths: Paths = (),
        /,
        *,
        output: Output,
        recipe: Annotated[PredictRecipe, Flat] = given.of(PredictRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Apply a trained run to slides or grids: one row per slide and per patient.

        Args:
            run: folder that `train` wrote.
            paths: slides, grids, folders of them, or cohort tables.
            output: table to write (.csv).
        """
        from histopress.heads.predict import predict

        common.begin(recipe)
        failures = predict(run, some(paths), output, recipe)
        told = f"predictions in {output}" if output.exists() else "no predictions"
        common.tell(f"{told}; {len(failures)} failed", {"failures": list(failures)})
        return int(len(failures) > 0)

    return verb


def evaluate(given: Given) -> Callable[..., int]:
    """Predictions -> report."""
    from histopress.metrics.evaluate import EvaluateRecipe

    def verb(
        paths: Paths = (),
        /,
        *,
        output: Output,
        recipe: Annotated[EvaluateRecipe, Flat] = given.of(EvaluateRecipe),
        common: Annotated[Common, Flat] = Common(),
    ) -> int:
        """Say how good predictions are and how sure that is, by patient; write a report.

        Args:
            paths: predictions tables; several are shown side by side.
            output: folder for metrics.json, metrics.csv and report.html.
        """
        from histopress.metrics.evaluate import evaluate

        common.begin(recipe)
        result = evaluate(some(paths), output, recipe)
        common.tell(f"{result.headline}\nreport: {result.report}", result.facts)
        return 0

    return verb
