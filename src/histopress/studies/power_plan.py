"""Which trainings a power study needs, and doing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histopress.core.errors import CohortError
from histopress.core.failures import Failures
from histopress.studies.planner import Design
from histopress.studies.planting_load import load_signal
from histopress.studies.planting_recipe import PlantRecipe
from histopress.studies.power_answers import Training
from histopress.studies.power_cohort import Negatives, Source, negatives_of
from histopress.studies.power_recipe import PowerRecipe
from histopress.studies.power_trial import PowerTrial, read_tested, run_trial
from histopress.studies.sweep import RUNS, Trial, run_sweep
from histopress.studies.sweep_trial import is_done

TRAININGS = "trainings"
LEAST_OF_CLASS = 4
"""Patients of a label in the smallest training."""

MOST_SIZES = 4
"""Of halvings."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A power study before anything is trained.

    Attributes:
        source: of negative slides.
        negatives: the slides.
        signal: in words.
        planted: identity of the signal.
        design: patients of the study that is planned, and how many are positive.
        recipe: settings.
    """

    source: Source
    negatives: Negatives
    signal: str
    planted: str
    design: Design
    recipe: PowerRecipe

    @classmethod
    def of(cls, grids: Path | None, cohort: Path | None, signal: str, recipe: PowerRecipe) -> Plan:
        """Look at slides and signal; arguments as for `study_power`.

        Raises:
            HistopressError: slides or signal are not there, or do not fit.
        """
        source = Source.of(grids, cohort, recipe)
        negatives = negatives_of(source)
        planted = load_signal(signal, grids, seed=recipe.seed).identity
        share = recipe.prevalence or negatives.prevalence or 0.5
        return cls(source, negatives, signal, planted, Design(max(negatives.cohort, 2), share), recipe)

    @property
    def pool(self) -> int:
        """Patients that do not test."""
        return len(self.negatives.split(self.recipe.test_share, self.recipe.seed)[1])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of patients to learn from."""
        return sizes_of(self.pool, self.design.prevalence, self.recipe)

    def trials(self, sizes: Sequence[int]) -> list[Trial]:
        """All trainings: every size and object-to-image ratio, and the null control at the largest."""
        ratios, again = sorted(self.recipe.o2i), range(self.recipe.replicates)
        real = [self._trial(o2i, n, r, False) for n in sizes for o2i in ratios for r in again]
        return real + [self._trial(ratios[-1], max(sizes), r, True) for r in again]

    def _trial(self, o2i: float, size: int, replicate: int, permuted: bool) -> Trial:
        recipe = self.recipe
        settings = PowerTrial(
            source=self.source,
            data=self.negatives.identity,
            signal=self.signal,
            planted=self.planted,
            plant=self._plant(o2i, replicate),
            patients=size,
            replicate=replicate,
            permuted=permuted,
            test_share=recipe.test_share,
            head=recipe.head,
            visits=recipe.visits,
            lr=recipe.lr,
            tiles=recipe.tiles,
            seed=recipe.seed,
        )
        control = "permuted" if permuted else ""
        return Trial(settings, {"o2i": o2i, "patients": size, "control": control, "replicate": replicate})

    def _plant(self, o2i: float, replicate: int) -> PlantRecipe:
        recipe = self.recipe
        return PlantRecipe(
            o2i=o2i,
            foci=recipe.foci,
            contrast=recipe.contrast,
            inside=recipe.inside,
            label_noise=recipe.label_noise,
            site_shift=recipe.site_shift,
            confounding=recipe.confounding,
            prevalence=self.design.prevalence,
            seed=recipe.seed + replicate,
        )


def train_all(plan: Plan, output: Path, sizes: Sequence[int]) -> tuple[list[Training], Failures]:
    """Do what is not done; what heads say of the test patients, and what failed.

    Args:
        plan: of the study.
        output: its folder.
        sizes: numbers of patients to learn from.
    """
    trials, folder = plan.trials(sizes), output / TRAININGS
    swept = run_sweep(trials, run_trial, folder, processes=plan.recipe.processes, title="study power")
    found = []
    for trial in trials:
        asked: PowerTrial = trial.settings
        run = folder / RUNS / trial.name
        if is_done(run):
            found.append(Training(asked.plant.o2i, asked.patients, asked.permuted, read_tested(run)))
    return found, swept.failures


def sizes_of(pool: int, prevalence: float, recipe: PowerRecipe) -> tuple[int, ...]:
    """Numbers of patients to learn from: those asked for, or halvings of all.

    Args:
        pool: patients that do not test.
        prevalence: share of positive ones.
        recipe: settings.

    Raises:
        CohortError: more are asked for than there are, or fewer than two sizes are left.
    """
    least = -int(-LEAST_OF_CLASS // min(prevalence, 1 - prevalence))
    sizes = sorted(set(recipe.sizes or (pool >> times for times in range(MOST_SIZES))))
    kept = tuple(size for size in sizes if least <= size <= pool)
    if len(kept) < 2 or (recipe.sizes and len(kept) < len(sizes)):
        raise CohortError(
            "sizes of trainings",
            [
                f"{', '.join(map(str, sizes))} patients to learn from, of {pool} that do not test, expected "
                f"two sizes from {least} to {pool} ({prevalence:.0%} positive, {LEAST_OF_CLASS} of each "
                "label); change sizes, test_share or prevalence"
            ],
        )
    return kept
