"""A run + slides or grids -> a table of predictions, honest about patients that the run has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from histopress.core.failures import Failures

if TYPE_CHECKING:
    import pandas as pd

    from histopress.heads.ensemble import Ensemble
    from histopress.heads.questions import Question


@dataclass(frozen=True)
class PredictRecipe:
    """Settings of `histopress predict`.

    Attributes:
        grids: folder where grids of the slides lie, or else are kept; `<table>.grids` when not given.
        spacing: um/px of level 0 for slides that state none or a wrong one; a cohort's column goes first.
        mask: folder of tissue masks for slides, `<slide id>.png` or `.geojson`.
        device: auto (a GPU where there is one), cpu or gpu.
    """

    grids: Path | None = None
    spacing: float | None = None
    mask: Path | None = None
    device: Literal["auto", "cpu", "gpu"] = "auto"


def predict(run: Path, paths: Sequence[Path], output: Path, recipe: PredictRecipe | None = None) -> Failures:
    """Answer for slides and their patients.

    New patients are answered for by all heads of the run, averaged. A patient that the run knows is answered
    for only by the heads that had it in their test part (part "test"); where there is none, by those that
    tuned, or else trained with it, and the part says so.

    Args:
        run: folder that `train` wrote, or the `model.safetensors` in it, which needs nothing else.
        paths: stored grids, slides, folders of either, and cohort tables, which add patients and labels.
        output: table to write, a row a slide and a row a patient; `failures.csv` is written beside it.
        recipe: settings.

    Returns:
        The slides that could not be answered for, and why.

    Raises:
        RunError: the folder holds no finished run.
        HeadError: slides are given, but the run keeps no encoder.
        CohortError: a table has problems, or a path leads to nothing.
    """
    from histopress.data.predictions import write_predictions
    from histopress.heads.ensemble import Ensemble
    from histopress.heads.questions import find_questions

    recipe, failures = recipe or PredictRecipe(), Failures()
    grids = recipe.grids or output.with_suffix(".grids")
    ensemble = Ensemble.load(run)
    questions = find_questions(paths, ensemble.objective.sources, recipe.grids)
    _compress_missing(questions, ensemble, grids, recipe, failures)
    rows = _answers(questions, ensemble, recipe.device, failures)
    failures.write(output.parent)
    if len(rows):
        write_predictions(rows, output)
    else:
        output.unlink(missing_ok=True)
    return failures


def _compress_missing(
    questions: Sequence[Question], ensemble: Ensemble, grids: Path, recipe: PredictRecipe, failures: Failures
) -> None:
    """Make the grids that are missing, as those of the run were made."""
    import pandas as pd

    from histopress.core.errors import HeadError
    from histopress.core.recipe import build
    from histopress.grids.compress import CompressRecipe, compress
    from histopress.grids.store import grid_path

    missing = [q for q in questions if q.grid is None and q.file is not None]
    if not missing:
        return
    kept = ensemble.encoder(grids.with_suffix(".encoder"))
    if kept is None:
        encoder = ensemble.one.card.encoder.get("name")
        raise HeadError(
            f"{ensemble.source} keeps no encoder, which {len(missing)} slides need; compress them with "
            f"encoder {encoder} and give the grids"
        )
    rows = [(q.slide, str(q.file), q.spacing, q.mask) for q in missing if q.file]
    grids.mkdir(parents=True, exist_ok=True)
    table = grids / "slides.csv"
    pd.DataFrame(rows, columns=["patient", "path", "spacing", "mask"]).to_csv(table, index=False)
    made = {k: v for k, v in ensemble.one.card.grids.items() if k in ("tissue", "tissue_share")}
    settings = {**made, "encoder": f"saved:{kept}", "spacing": recipe.spacing}
    how = build(CompressRecipe, {**settings, "mask": recipe.mask}, "settings of the run's grids")
    failed = compress([table], grids, how).failures.items
    failures.items += failed
    for question in missing:
        if str(question.file) not in {f.item for f in failed}:
            question.grid = grid_path(grids, question.slide)


def _answers(
    questions: Sequence[Question], ensemble: Ensemble, device: str, failures: Failures
) -> pd.DataFrame:
    """Rows of all cases that can be answered for, and of the patients of slides."""
    import numpy as np
    import pandas as pd

    from histopress.core.progress import progress
    from histopress.data.predictions import ENSEMBLE
    from histopress.heads.answers import both_levels, pick_device, rows_of

    slides_of: dict[str, list[Question]] = {}
    for question in questions:
        question.patient = question.patient or ensemble.patient_of(question.slide)
        slides_of.setdefault(question.patient, []).append(question)
    rows, truths, answers = [], [], []
    with progress("predict", len(questions), "slides") as bar:
        for patient, own in slides_of.items():
            votes = ensemble.voters(patient, [q.slide for q in own])
            for slide, asked in _cases(own, ensemble.one.card.joint, failures):
                with failures.attempt(slide or patient):
                    told = ensemble.truths(asked[0].labels)
                    paths = tuple(q.existing_grid for q in asked)
                    answers.append(ensemble.answer(paths, votes.folds, pick_device(device)))
                    truths.append(told)
                    rows.append((patient, slide, ENSEMBLE, votes.part, len(votes.folds)))
            bar.advance(len(own))
    if not rows:
        return pd.DataFrame()
    cases = pd.DataFrame(rows, columns=["patient", "slide", "run", "part", "models"])
    values, spreads = np.stack([a.values for a in answers]), np.stack([a.spreads for a in answers])
    models = cases["models"].to_numpy()
    by_part = list(zip(*truths, strict=True))
    return both_levels(rows_of(ensemble.objective, cases, by_part, values, spreads=spreads, models=models))


def _cases(slides: Sequence[Question], joint: bool, failures: Failures) -> list[tuple[str, list[Question]]]:
    """The slides of a patient as cases, each with its slide id: one by one, or "" and all that have grids."""
    failed = [q for q in slides if q.grid is None and q.file is not None]  # listed already
    asked = [q for q in slides if q not in failed]
    if not joint:
        return [(q.slide, [q]) for q in asked]
    from histopress.grids.store import read_header

    found = []
    for question in asked:
        with failures.attempt(question.slide):
            read_header(question.existing_grid)
            found.append(question)
    return [("", found)] if found else []
