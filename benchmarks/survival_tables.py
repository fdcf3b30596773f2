"""Is our Cox head as good as a Cox regression? Clinical covariates as bags of one tile, and known hazards.

    python benchmarks/survival_tables.py --data FOLDER    # about 8 minutes

FOLDER holds tcga_luad_clinical.csv and tcga_ucec_clinical.csv. Every patient is a grid of a single cell,
whose code are age, sex, histology and site; the head is linear. lifelines (and scikit-survival, where it is
installed) are fitted to the same patients of the same folds: once to the train part, as the head is, and once
to train and tuning parts together. Concordance (Harrell) is computed by one function for all, in each fold
by itself, as risks of different fits have no common scale, and averaged over folds.

The simulated cohort has exponential times with known coefficients: the head should find the coefficients, and
the concordance of the true hazards.
"""

from __future__ import annotations

import argparse
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.utils import concordance_index
from measure import Report
from numpy.typing import NDArray
from trials import arguments, finish, try_head

from histopress.core.recipe import digest
from histopress.data.splits import Fold, cross_validation
from histopress.grids.grid import FeatureGrid
from histopress.heads.train import TrainRecipe
from histopress.studies.drawn_grids import Drawing

TARGET = "os:survival(time=months,event=dead)"
RECIPE = TrainRecipe(
    head="mean", epochs=60, patience=60, batch=4096, lr=5e-2, weight_decay=1e-2, dropout=0.0, augment=False
)
FOLDS = 5
PENALTY = 0.01
"""Ridge penalty of the peers; with rare sites the plain likelihood has no finite maximum."""

RARE = 12
"""Levels with fewer patients become one."""

CLOSE = 0.01
COEFFICIENTS = np.array([0.8, -0.6, 0.4, -0.2, 0.0, 0.0])
Array = NDArray[np.float64]
Risk = Callable[[pd.DataFrame, pd.DataFrame], Array]


@dataclass(frozen=True)
class Clinic:
    """Covariates and outcome, one row a patient: columns of `covariates`, `months`, `dead`."""

    name: str
    table: pd.DataFrame
    covariates: list[str]

    @property
    def grids(self) -> dict[str, FeatureGrid]:
        """Every patient as a slide of one tile."""
        drawing = Drawing(self.name, digest(self.name), len(self.covariates), 1, 1.0)
        codes = self.table[self.covariates].to_numpy(np.float32)
        at = np.zeros((1, 2), np.int32)
        return {
            name: drawing.grid(name, (1, 1), at, codes[i : i + 1]) for i, name in enumerate(self.table.index)
        }

    @property
    def cohort(self) -> pd.DataFrame:
        """As `train` takes it."""
        ids = pd.DataFrame({"patient": self.table.index, "slide": self.table.index})
        return ids.join(self.table[["months", "dead"]].astype({"dead": int}), on="patient")

    def folds(self, seed: int) -> list[Fold]:
        """Stratified by event and time."""
        late = self.table["months"] > self.table["months"].median()
        strata = self.table["dead"].map({0: "alive", 1: "dead"}) + late.map({False: " early", True: " late"})
        return cross_validation(strata, FOLDS, seed)


def read_clinic(path: Path) -> Clinic:
    """One row a patient; numbers that are missing become 0 beside a column that says so."""
    raw = pd.read_csv(path).drop_duplicates("case_id").set_index("case_id").sort_index()
    raw = raw[raw["survival_months"] > 0]
    made = pd.DataFrame(index=raw.index)
    made["age"] = ((raw["age"] - 60) / 10).fillna(0.0)
    made["age_missing"] = raw["age"].isna()
    if raw["is_female"].nunique() > 1:
        made["female"] = raw["is_female"].fillna(0.5)
    for column in ("oncotree_code", "site"):
        levels = raw[column].astype(str)
        counts = levels.value_counts()
        levels = levels.where(levels.map(counts) >= RARE, "other")
        made = made.join(pd.get_dummies(levels, prefix=column, drop_first=True))
    made = made.astype(float)
    made = made.loc[:, made.nunique() > 1]
    outcome = pd.DataFrame({"months": raw["survival_months"], "dead": (raw["censorship"] == 0).astype(int)})
    return Clinic(path.name.split("_")[1], made.join(outcome), list(made))


def simulated(patients: int, seed: int) -> tuple[Clinic, pd.Series]:
    """Exponential times, about a third censored; and the true log hazards."""
    random = np.random.default_rng(seed)
    names = [f"patient-{number:05d}" for number in range(patients)]
    columns = [f"x{number}" for number in range(len(COEFFICIENTS))]
    x = random.standard_normal((patients, len(columns))).astype(np.float16).astype(np.float64)
    hazard = x @ COEFFICIENTS
    death, end = random.exponential(20 * np.exp(-hazard)), random.uniform(5, 80, patients)
    table = pd.DataFrame(x, index=names, columns=columns)
    table["months"] = np.round(np.minimum(death, end), 3) + 1e-3
    table["dead"] = (death <= end).astype(int)
    return Clinic("simulated", table, columns), pd.Series(hazard, index=names)


def lifelines_risk(train: pd.DataFrame, test: pd.DataFrame) -> Array:
    seen = train.loc[:, train.nunique() > 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns that hardly vary among the events
        fitted = CoxPHFitter(penalizer=PENALTY).fit(seen, "months", "dead")
    return fitted.predict_log_partial_hazard(test[seen.columns]).to_numpy()


def sksurv_risk(train: pd.DataFrame, test: pd.DataFrame) -> Array:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    columns = [c for c in train if c not in ("months", "dead")]
    mean, sd = train[columns].mean(), train[columns].std().replace(0, 1)
    outcome = Surv.from_arrays(train["dead"] == 1, train["months"])
    fitted = CoxPHSurvivalAnalysis(alpha=PENALTY * len(train)).fit((train[columns] - mean) / sd, outcome)
    return fitted.predict((test[columns] - mean) / sd)


def peers() -> dict[str, Risk]:
    """Reference packages that are installed."""
    found: dict[str, Risk] = {"lifelines": lifelines_risk}
    if importlib.util.find_spec("sksurv"):
        found["scikit-survival"] = sksurv_risk
    return found


def concordances(clinic: Clinic, seed: int, recipe: TrainRecipe) -> dict[str, float]:
    """Mean over folds, by who was fitted."""
    folds = clinic.folds(seed)
    trial = try_head(clinic.grids, clinic.cohort, recipe, TARGET, folds)
    told = trial.rows().assign(fold=lambda rows: rows["run"].str.split("#").str[0].astype(int))
    scores: dict[str, list[float]] = {}
    for fold in folds:
        test = clinic.table.loc[list(fold.test)]
        mine = told[told["fold"] == fold.index].set_index("patient")["score"]
        risks = {"histopress": mine.loc[test.index].to_numpy(float)}
        for name, risk in peers().items():
            risks[name] = risk(clinic.table.loc[list(fold.train)], test)
            risks[f"{name}, tuning part too"] = risk(clinic.table.loc[[*fold.train, *fold.tuning]], test)
        for name, values in risks.items():
            own = concordance_index(test["months"], -np.asarray(values), test["dead"])
            scores.setdefault(name, []).append(own)
    return {name: float(np.mean(values)) for name, values in scores.items()}


def compared(clinic: Clinic, seeds: int, recipe: TrainRecipe) -> list[dict[str, Any]]:
    """A row for every package, over several ways to deal the folds."""
    runs = pd.DataFrame([concordances(clinic, seed, recipe) for seed in range(seeds)])
    return [
        {
            "data": clinic.name,
            "fitted by": name,
            "concordance": round(float(runs[name].mean()), 4),
            "sd": round(float(runs[name].std()), 4) if seeds > 1 else None,
            "ours minus it": round(float((runs["histopress"] - runs[name]).mean()), 4),
            "patients": len(clinic.table),
            "deaths": int(clinic.table["dead"].sum()),
            "repeats": seeds,
        }
        for name in runs
    ]


def recovered(patients: int, recipe: TrainRecipe) -> dict[str, Any]:
    """What the head makes of known hazards, on patients that it has not seen."""
    clinic, hazard = simulated(patients, seed=1)
    fold = clinic.folds(0)[0]
    trial = try_head(clinic.grids, clinic.cohort, recipe, TARGET, [fold])
    peer = CoxPHFitter().fit(clinic.table.loc[list(fold.train)], "months", "dead")
    mine = trial.rows().set_index("patient")["score"].astype(float)
    test = clinic.table.loc[mine.index]
    x = np.column_stack([test[clinic.covariates].to_numpy(), np.ones(len(test))])
    found, *_ = np.linalg.lstsq(x, mine.to_numpy(), rcond=None)
    return {
        "patients": patients,
        "true": COEFFICIENTS.tolist(),
        "found": [round(float(v), 3) for v in found[:-1]],
        "found by lifelines": [round(float(v), 3) for v in peer.params_[clinic.covariates]],
        "largest_error": round(float(np.abs(found[:-1] - COEFFICIENTS).max()), 3),
        "concordance": round(float(concordance_index(test["months"], -mine, test["dead"])), 4),
        "oracle": round(float(concordance_index(test["months"], -hazard[mine.index], test["dead"])), 4),
    }


def told(rows: list[dict[str, Any]], known: Mapping[str, Any]) -> dict[str, str]:
    ours = {row["data"]: row["concordance"] for row in rows if row["fitted by"] == "histopress"}
    lines = {}
    for row in rows:
        if row["fitted by"] != "histopress":
            apart = row["ours minus it"]
            verdict = "within" if apart >= -CLOSE else "NOT within"
            lines[f"{row['data']}, {row['fitted by']}"] = (
                f"{row['concordance']:.3f}; ours {ours[row['data']]:.3f}, {apart:+.3f} ({verdict} {CLOSE})"
            )
    lines["known hazards"] = (
        f"concordance {known['concordance']:.3f}, oracle {known['oracle']:.3f}; "
        f"coefficients {known['found']} for {known['true']}, lifelines {known['found by lifelines']}"
    )
    return lines


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the clinical tables")
    parser.add_argument("--repeats", type=int, default=3, help="ways to deal the folds")
    given: argparse.Namespace = parser.parse_args()
    recipe = replace(RECIPE, epochs=5) if given.quick else RECIPE
    repeats, patients = (1, 600) if given.quick else (given.repeats, 4000)
    rows = []
    for name in ("luad", "ucec"):
        clinic = read_clinic(given.data / f"tcga_{name}_clinical.csv")
        rows += compared(clinic, repeats, recipe)
    known = recovered(patients, recipe)
    facts = {"simulated": known, "recipe": str(recipe), "penalty": PENALTY, "rare": RARE}
    finish(Report("survival_tables", rows, facts=facts, headlines=told(rows, known)), given)


if __name__ == "__main__":
    main()
