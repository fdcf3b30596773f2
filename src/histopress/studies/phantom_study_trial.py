"""One trial of the study of phantoms: plant, train a head, and judge it on unseen patients."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from histopress.core.fit_spawn import Mute
from histopress.data.splits import Fold
from histopress.heads.train_recipe import TrainRecipe
from histopress.heads.trial import try_heads
from histopress.metrics.scores import auroc
from histopress.studies.dealing import dealt_anew
from histopress.studies.kept_grids import KeptGrids
from histopress.studies.outcome import outcome
from histopress.studies.phantom_study_negatives import Material
from histopress.studies.planting import LABELS, PlantedCohort, planted_grids
from histopress.studies.planting_recipe import PlantRecipe

TARGET = f"label:binary({LABELS[0]}<{LABELS[1]})"
TUNING = 0.25
"""Share of the patients to learn from that tune."""

PERMUTED = "permuted"
EVEN = 0.5
MEMORY = 4 * 2**30
"""Bytes of grids that a trial keeps; what does not fit is planted anew."""


@dataclass(frozen=True)
class PhantomTrial:
    """All that shapes one training.

    Attributes:
        material: its identity.
        plant: how the signal is planted into those who are learned from.
        size: patients to train and tune with.
        test: patients of the test part.
        largest: size of the study, by which patients are dealt to replicates.
        replicates: of the study, likewise.
        replicate: number of this one.
        control: empty, or permuted.
        head: how it is trained.
    """

    material: str
    plant: PlantRecipe
    size: int
    test: int
    largest: int
    replicates: int
    replicate: int
    control: str
    head: TrainRecipe


def try_phantom(settings: PhantomTrial, folder: Path, *, material: Material) -> Mapping[str, float | str]:
    """Train a head and judge it on the test part, which is the same for all and has true labels.

    Args:
        settings: of the trial.
        folder: for the head and its predictions.
        material: that the settings name.
    """
    train, test = planted_parts(settings, material)
    labels = trained_labels(train, settings)
    rows = train.table.assign(label=labels.loc[train.table["patient"].tolist()].tolist())
    table = pd.concat([rows, test.table], ignore_index=True).drop(columns="site")
    grids = KeptGrids(ChainMap(train.grids, test.grids), MEMORY)  # type: ignore[arg-type]
    told = try_heads(grids, table, TARGET, settings.head, folder, folds=[_fold(labels, test)], bar=Mute())
    return _judged(told[told["level"] == "patient"])


def planted_parts(settings: PhantomTrial, material: Material) -> tuple[PlantedCohort, PlantedCohort]:
    """Those to learn from, and the test part, which is clean: no patient or signal tile is in both."""
    chosen = material.drawn(
        settings.size, settings.replicate, settings.replicates, settings.largest, settings.test
    )
    clean = replace(settings.plant, label_noise=0.0, confounding=0.0)
    parts = ((chosen, settings.plant), (material.patients[: settings.test], clean))
    train, test = (
        planted_grids(
            material.grids,
            material.table[material.table["patient"].astype(str).isin(patients)],
            material.signal.share(number, 2),
            plant,
            ground=material.ground,
        )
        for number, (patients, plant) in enumerate(parts)
    )
    return train, test


def trained_labels(train: PlantedCohort, settings: PhantomTrial) -> pd.Series[str]:
    """Label of every patient to learn from; for the null control see `dealt_anew`."""
    labels = train.table.drop_duplicates("patient").set_index("patient")["label"]
    if settings.control != PERMUTED:
        return labels
    random = np.random.default_rng([settings.replicate, 1])
    return pd.Series(dealt_anew(labels.to_numpy(str), random), labels.index, name=labels.name)


def _fold(labels: pd.Series[str], test: PlantedCohort) -> Fold:
    """A quarter of either label tunes, one patient at least."""
    tuning = [
        str(patient)
        for label in LABELS
        for patient in labels.index[labels == label][: max(1, round(TUNING * int((labels == label).sum())))]
    ]
    rest = sorted(set(map(str, labels.index)) - set(tuning))
    return Fold(0, tuple(rest), tuple(sorted(tuning)), tuple(sorted(set(test.table["patient"]))))


def _judged(told: pd.DataFrame) -> dict[str, float | str]:
    """Accuracy of every part at the even threshold, AUROC of the test part, and what they say together."""
    found: dict[str, float | str] = {}
    right = (told["score"] > EVEN) == (told["truth"] == LABELS[1])
    counts = told["part"].value_counts()
    chance = {}
    for part in ("train", "tuning", "test"):
        own = told["part"] == part
        found[f"{part}_accuracy"] = float(right[own].mean())
        chance[part] = float(told.loc[own, "truth"].value_counts(normalize=True).max())
    test = told[told["part"] == "test"]
    found["test_auroc"] = float(auroc((test["truth"] == LABELS[1]).to_numpy(), test["score"].to_numpy())[0])
    found["outcome"] = outcome(
        float(found["train_accuracy"]),
        int(counts["train"]),
        float(found["test_accuracy"]),
        int(counts["test"]),
        len(LABELS),
        train_chance=chance["train"],
        test_chance=chance["test"],
    )
    return found
