"""One training of a power study: so many patients with a planted signal, then the fixed test patients.

Every test patient is seen twice: without the signal, and with it. That tells most of few patients; both
answers of a patient are resampled together. A training patient is seen once, with or without.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.data.predictions import read_predictions
from histopress.data.splits import Fold
from histopress.grids.grid import FeatureGrid
from histopress.heads.train import PREDICTIONS_FILE
from histopress.heads.train_recipe import TrainRecipe, TrainResources
from histopress.metrics.scores import auroc
from histopress.studies.dealing import dealt_anew, even_order
from histopress.studies.kept_grids import KeptGrids
from histopress.studies.planting import LABELS, PlantedCohort, PlantRecipe, Signal, planted_grids
from histopress.studies.planting_load import load_signal
from histopress.studies.power_cohort import Negatives, Source, negatives_of

LABEL = "label"
TARGET = f"{LABEL}:binary({LABELS[0]}<{LABELS[1]})"
TUNING = 0.2
"""Share of the patients to learn from that tune."""

LEAST_EPOCHS = 5
TWINS = ("#without", "#with")
"""Of a test patient; the end of its id, which is also a path."""


@dataclass(frozen=True)
class PowerTrial:
    """All that shapes one training.

    Attributes:
        source: of negative slides.
        data: their identity.
        signal: in words.
        planted: its identity.
        plant: how it is planted into those who are learned from.
        patients: to learn from; a fifth of them tunes.
        replicate: number of the draw of patients, places and weights.
        permuted: the null control: training labels are dealt anew.
        test_share: of negative patients who test.
        head: with settings.
        visits: slides looked at.
        lr: highest learning rate.
        tiles: of a slide at most.
        seed: of the study.
    """

    source: Source
    data: str
    signal: str
    planted: str
    plant: PlantRecipe
    patients: int
    replicate: int
    permuted: bool
    test_share: float
    head: str
    visits: int
    lr: float
    tiles: int
    seed: int


@dataclass(frozen=True, eq=False)
class RenamedGrids(Mapping[str, FeatureGrid]):
    """The same grids under ids with an ending.

    Attributes:
        base: by slide id.
        ending: of the new ids.
    """

    base: Mapping[str, FeatureGrid]
    ending: str

    def __getitem__(self, slide: str) -> FeatureGrid:
        if not slide.endswith(self.ending):
            raise KeyError(slide)
        return self.base[slide.removesuffix(self.ending)]

    def __iter__(self) -> Iterator[str]:
        return (f"{slide}{self.ending}" for slide in self.base)

    def __len__(self) -> int:
        return len(self.base)


@dataclass(frozen=True)
class Answered:
    """What a head says of test patients.

    Attributes:
        patients: (cases,) id; each stands twice.
        positive: (cases,) whether the signal was there.
        score: (cases,).
    """

    patients: NDArray[np.str_]
    positive: NDArray[np.bool_]
    score: NDArray[np.float64]

    def auroc(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """(resamples,) see `metrics.scores.auroc`."""
        return auroc(self.positive, self.score, weights)


def run_trial(settings: PowerTrial, folder: Path) -> dict[str, float]:
    """Train a head and test it; its answers stay in the folder."""
    from histopress.core.fit_spawn import Mute
    from histopress.heads.fold import FoldTraining
    from histopress.heads.trial import cases_of as with_targets

    negatives = negatives_of(settings.source)
    grids, table, fold = cases_of(settings, negatives)
    epochs = max(LEAST_EPOCHS, settings.visits // settings.patients)
    recipe = TrainRecipe(
        head=settings.head,
        epochs=epochs,
        patience=epochs,
        lr=settings.lr,
        dropout=0.0,
        tiles=settings.tiles,
        seed=settings.replicate,
    )
    cases, resources = with_targets(grids, table, TARGET, recipe), TrainResources()
    FoldTraining(cases, fold, recipe, resources, folder, lambda path: grids[path.name]).run(Mute())
    return {"auroc": float(read_tested(folder).auroc()[0])}


def read_tested(folder: Path) -> Answered:
    """The answers for test patients that `run_trial` left in a folder."""
    table = read_predictions([folder / PREDICTIONS_FILE])
    own = table[(table["level"] == "patient") & (table["part"] == "test")]
    names = own["patient"].str.rpartition("#")
    order = np.lexsort((names[2], names[0]))
    return Answered(
        names[0].to_numpy(str)[order],
        (own["truth"] == LABELS[1]).to_numpy()[order],
        own["score"].to_numpy(np.float64)[order],
    )


def cases_of(
    settings: PowerTrial, negatives: Negatives
) -> tuple[Mapping[str, FeatureGrid], pd.DataFrame, Fold]:
    """Grids, their table, and who trains, tunes and tests; no patient does two of these."""
    test, pool = negatives.split(settings.test_share, settings.seed)
    signal = _signal(settings.signal, settings.source.grids, settings.seed)
    learned = planted_grids(
        negatives.grids, negatives.rows(pool), signal.share(0, 2), settings.plant, ground=negatives.ground
    )
    labels = nested(learned.table, settings.patients, settings.seed + settings.replicate)
    if settings.permuted:
        random = np.random.default_rng([settings.seed, settings.replicate, 1])
        labels = pd.Series(dealt_anew(labels.to_numpy(str), random), labels.index)
    tuning = _tuning(labels)
    rows = learned.table[learned.table["patient"].isin(labels.index)]
    rows = rows.assign(label=labels.loc[rows["patient"].tolist()].tolist())
    twins = [_twin(negatives, test, signal.share(1, 2), settings.plant, with_it) for with_it in (0, 1)]
    tables = [rows, *(_renamed(twin.table, end) for twin, end in zip(twins, TWINS, strict=True))]
    renamed = [RenamedGrids(twin.grids, end) for twin, end in zip(twins, TWINS, strict=True)]
    grids: ChainMap[str, FeatureGrid] = ChainMap(learned.grids, *renamed)  # type: ignore[arg-type]
    table = pd.concat(tables, ignore_index=True)[["patient", "slide", LABEL]]
    tested = sorted(set(tables[1]["patient"]) | set(tables[2]["patient"]))
    training = sorted(set(labels.index) - set(tuning))
    kept = KeptGrids(grids, int(settings.source.memory_gb * 2**30))
    return kept, table, Fold(0, tuple(training), tuple(tuning), tuple(tested))


def nested(table: pd.DataFrame, patients: int, seed: int) -> pd.Series[str]:
    """Labels of so many patients, drawn; of both as common as in all. More patients hold all of fewer.

    Args:
        table: `patient` and `label`.
        patients: how many.
        seed: of the draw.
    """
    labels = table.drop_duplicates("patient").set_index("patient")[LABEL].sort_index()
    random = np.random.default_rng([seed, len(labels)])
    return labels.iloc[even_order(labels.to_numpy(str), random)[:patients]]


def _tuning(labels: pd.Series[str]) -> list[str]:
    """About a fifth of the patients of each label, one at least."""
    return sorted(
        patient
        for _, own in labels.groupby(labels, sort=True)
        for patient in own.index[: max(1, round(TUNING * len(own)))]
    )


def _twin(
    negatives: Negatives, patients: list[str], signal: Signal, plant: PlantRecipe, with_it: int
) -> PlantedCohort:
    """The test patients, all with the signal or all without: right labels, and sites that tell nothing."""
    asked = replace(plant, prevalence=float(with_it), label_noise=0.0, confounding=0.0)
    return planted_grids(negatives.grids, negatives.rows(patients), signal, asked, ground=negatives.ground)


def _renamed(table: pd.DataFrame, end: str) -> pd.DataFrame:
    return table.assign(patient=table["patient"] + end, slide=table["slide"] + end)


@lru_cache(maxsize=2)
def _signal(text: str, grids: str, seed: int) -> Signal:
    return load_signal(text, Path(grids) if grids else None, seed=seed)
