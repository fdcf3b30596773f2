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
        run: folder that `train` wrote.
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
    questions = find_questions(paths, ensemble.objective.target, recipe.grids)
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
    if not (ensemble.folder / "encoder").is_dir():
        encoder = ensemble.one.card.encoder.get("name")
        raise HeadError(
            f"{ensemble.folder} keeps no encoder, which {len(missing)} slides need; compress them with "
            f"encoder {encoder} and give the grids"
        )
    rows = [(q.slide, str(q.file), q.spacing, q.mask) for q in missing if q.file]
    grids.mkdir(parents=True, exist_ok=True)
    table = grids / "slides.csv"
    pd.DataFrame(rows, columns=["patient", "path", "spacing", "mask"]).to_csv(table, index=False)
    made = {k: v for k, v in ensemble.one.card.grids.items() if k in ("tissue", "tissue_share")}
    settings = {**made, "encoder": f"saved:{ensemble.folder / 'encoder'}", "spacing": recipe.spacing}
    how = build(CompressRecipe, {**settings, "mask": recipe.mask}, "settings of the run's grids")
    failed = compress([table], grids, how).failures.items
    failures.items += failed
    for question in missing:
        if str(question.file) not in {f.item for f in failed}:
            question.grid = grid_path(grids, question.slide)


def _answers(
    questions: Sequence[Question], ensemble: Ensemble, device: str, failures: Failures
) -> pd.DataFrame:
    """Rows of all slides that can be answered for, and of their patients."""
    import numpy as np
    import pandas as pd

    from histopress.core.progress import progress
    from histopress.data.predictions import ENSEMBLE
    from histopress.heads.answers import both_levels, pick_device, rows_of

    slides_of: dict[str, list[str]] = {}
    for question in questions:
        question.patient = question.patient or ensemble.patient_of(question.slide)
        slides_of.setdefault(question.patient, []).append(question.slide)
    voters = {patient: ensemble.voters(patient, slides) for patient, slides in slides_of.items()}
    rows, answers = [], []
    with progress("predict", len(questions), "slides") as bar:
        for question in (q for q in questions if q.grid or not q.file):
            with failures.attempt(question.slide):
                votes = voters[str(question.patient)]
                truth = ensemble.truth(question.label)
                answers.append(ensemble.answer(question.existing_grid, votes.folds, pick_device(device)))
                rows.append((question.patient, question.slide, ENSEMBLE, votes.part, truth, len(votes.folds)))
            bar.advance(1)
    if not rows:
        return pd.DataFrame()
    slides = pd.DataFrame(rows, columns=["patient", "slide", "run", "part", "truth", "models"])
    scores, spread = np.stack([a.scores for a in answers]), np.array([a.spread for a in answers])
    return both_levels(rows_of(ensemble.objective, slides, scores, spread, slides["models"].to_numpy()))
