"""Settings of `histopress study power`; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass

from histopress.core.errors import RecipeError
from histopress.studies.planting_recipe import Context


@dataclass(frozen=True)
class PowerRecipe:
    """What is planted into which patients, how heads learn it, and what is asked of them.

    Attributes:
        label: column of the cohort that tells who is negative; without, everybody is taken as negative.
        negative: its value for negative patients.
        o2i: object-to-image ratios: shares of a slide's tissue cells that hold the signal.
        foci: connected groups that these cells form.
        contrast: 1 puts the signal in a cell's place, below 1 it is mixed with the cell's own code.
        inside: where the signal counts: anywhere, border, core or cluster; see `PlantRecipe`.
        label_noise: share of the training patients whose label is wrong.
        site_shift: how far codes of two sites lie apart, in standard deviations of the codes.
        confounding: how strongly site goes with label in training, 0 to 1; never in testing.
        prevalence: share of positive patients; 0 for the cohort's own, or one half where it has none.
        sizes: numbers of patients to learn from; none for halvings of all that do not test.
        replicates: trainings of each size, each on other patients, planted anew.
        test_share: of the negative patients who only test.
        head: as `histopress heads` names it, with settings behind a colon.
        visits: slides that are looked at in a training, whatever its size.
        lr: highest learning rate.
        tiles: cells of a slide at most that a bag head takes in training; 0 for all.
        folds: of the cross-validation that is planned; decides on how many patients its heads learn.
        threshold: AUROC that is called useful.
        targets: AUROCs for which patients are counted.
        resamples: of the test patients, for the bands.
        patients: of the drawn cohort, where no grids are given.
        cells: of tissue in each of its slides.
        dim: length of its codes.
        memory_gb: for grids, in each process.
        processes: that train side by side.
        seed: of everything that is drawn.
    """

    label: str = ""
    negative: str = ""
    o2i: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1)
    foci: int = 1
    contrast: float = 1.0
    inside: Context = "anywhere"
    label_noise: float = 0.0
    site_shift: float = 0.0
    confounding: float = 0.0
    prevalence: float = 0.0
    sizes: tuple[int, ...] = ()
    replicates: int = 3
    test_share: float = 0.4
    head: str = "max:channels"
    visits: int = 1500
    lr: float = 3e-3
    tiles: int = 0
    folds: int = 5
    threshold: float = 0.8
    targets: tuple[float, ...] = (0.8, 0.9)
    resamples: int = 500
    patients: int = 200
    cells: int = 300
    dim: int = 32
    memory_gb: float = 4.0
    processes: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [f"o2i holds {o}, expected shares above 0, up to 1" for o in self.o2i if not 0 < o <= 1]
        wrong += [f"an AUROC of {t} is asked for, expected 0.5 to 1" for t in self._areas if not 0.5 < t < 1]
        wrong += [
            f"{name} is {getattr(self, name)}, expected at least {least}"
            for name, least in {
                "replicates": 1,
                "visits": 1,
                "folds": 2,
                "patients": 1,
                "resamples": 20,
            }.items()
            if getattr(self, name) < least
        ]
        wrong += ["no o2i is given, expected one or more"] * (not self.o2i)
        wrong += [f"test_share is {self.test_share}, expected 0.1 to 0.9"] * (
            not 0.1 <= self.test_share <= 0.9
        )
        wrong += [f"prevalence is {self.prevalence}, expected 0, or a share below 1"] * (
            not 0 <= self.prevalence < 1
        )
        wrong += ["a column of labels is named, expected its negative value, too"] * (
            bool(self.label) != bool(self.negative)
        )
        if wrong:
            raise RecipeError(f"{'; '.join(wrong)}; correct the setting")

    @property
    def _areas(self) -> tuple[float, ...]:
        return (*self.targets, self.threshold)
