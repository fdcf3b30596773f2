"""The whole path on slides drawn for the purpose, step by step as a user would walk it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from histopress.grids.compress import CompressRecipe
from histopress.heads.train import TrainRecipe
from histopress.studies.phantom import PhantomRecipe

T = TypeVar("T")

NEW_SLIDES = 8


@dataclass(frozen=True)
class DemoRecipe:
    """Settings of `histopress demo`.

    Attributes:
        phantom: the slides.
        compress: how they become grids.
        train: how the head learns.
        shuffle_labels: deal the labels out anew among the patients: nothing is left to learn, and an honest
            evaluation must find an interval around 0.5.
    """

    phantom: PhantomRecipe = field(default_factory=lambda: PhantomRecipe(lesion_share=0.15))
    compress: CompressRecipe = field(default_factory=CompressRecipe)
    train: TrainRecipe = field(default_factory=TrainRecipe)
    shuffle_labels: bool = False


@dataclass(frozen=True)
class DemoResult:
    """What the demo found, and where it lies."""

    headline: str
    report: Path
    picture: Path
    predictions: Path
    seconds: float
    peak_memory_gb: float

    @property
    def text(self) -> str:
        """For people."""
        return (
            f"\n{self.headline}\n"
            f"  report        {self.report}\n"
            f"  picture       {self.picture}\n"
            f"  new slides    {self.predictions}\n"
            f"  {self.seconds:.0f} s, peak memory {self.peak_memory_gb:.1f} GB"
        )


class _Steps:
    """Tells each step as the command that a user would type, and how long it took."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.number = 0

    def run(self, command: str, work: Callable[[], T]) -> T:
        self.number += 1
        print(f"[{self.number}/{self.count}] {command}", flush=True)
        start = time.monotonic()
        result = work()
        print(f"      {time.monotonic() - start:.1f} s", flush=True)
        return result


def demo(output: Path, recipe: DemoRecipe) -> DemoResult:
    """Draw a cohort, then mask, compress, train, predict and evaluate it.

    Args:
        output: folder for everything; running again takes up what is there.
        recipe: settings.
    """
    from histopress.data.masks import MaskRecipe, write_masks
    from histopress.grids.compress import Resources, compress
    from histopress.heads.predict import PredictRecipe, predict
    from histopress.heads.train import train
    from histopress.metrics.evaluate import EvaluateRecipe, evaluate
    from histopress.studies.phantom import make_cohort
    from histopress.studies.picture import draw_overview

    start = time.monotonic()
    cores = os.cpu_count() or 1
    steps = _Steps(7)
    known, new = recipe.phantom, replace(recipe.phantom, slides=NEW_SLIDES, seed=recipe.phantom.seed + 1)
    shuffled = recipe.shuffle_labels or recipe.train.shuffle_labels
    run = output / ("run-shuffled" if shuffled else "run")
    settings = replace(recipe.train, shuffle_labels=shuffled)

    cohort = steps.run(
        f"draw {known.slides} slides, half of them {known.lesion_share:.0%} tumour -> {output / 'cohort'}",
        lambda: make_cohort(known, output / "cohort", workers=cores),
    )
    slides = cohort.parent / "slides"
    steps.run(
        f"histopress mask {slides} -o {output / 'masks'}",
        lambda: write_masks([slides], output / "masks", MaskRecipe(tissue=recipe.compress.tissue)),
    )
    compressing = replace(recipe.compress, mask=output / "masks")
    steps.run(
        f"histopress compress {cohort} -o {output / 'grids'} "
        f"--mask {output / 'masks'} --encoder {recipe.compress.encoder}",
        lambda: compress([cohort], output / "grids", compressing, Resources(threads=cores)),
    )
    steps.run(
        f"histopress train {cohort} --grids {output / 'grids'} --target label -o {run}"
        + " --shuffle-labels" * shuffled,
        lambda: train(cohort, output / "grids", "label", run, settings),
    )
    evaluation = steps.run(
        f"histopress evaluate {run / 'predictions.csv'} -o {run / 'report'}",
        lambda: evaluate([run / "predictions.csv"], run / "report", EvaluateRecipe()),
    )
    fresh = steps.run(
        f"draw {new.slides} new slides -> {output / 'new'}",
        lambda: make_cohort(new, output / "new", workers=cores),
    )
    predictions = output / "new" / "predictions.csv"
    steps.run(
        f"histopress predict {run} {fresh} -o {predictions}",
        lambda: predict(run, [fresh], predictions, PredictRecipe()),
    )
    picture = run / "overview.png"
    draw_overview(cohort, output / "grids", run, evaluation.headline, picture)
    return DemoResult(
        headline=evaluation.headline,
        report=evaluation.report,
        picture=picture,
        predictions=predictions,
        seconds=round(time.monotonic() - start, 1),
        peak_memory_gb=round(peak_memory_gb(), 2),
    )


def peak_memory_gb() -> float:
    """Most memory that this process or one of its children has held, in GB; 0 where it cannot be told."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(k).ru_maxrss for k in kinds) / 1e6
