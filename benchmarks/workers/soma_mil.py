"""soma's gated attention on feature files, in soma's own environment.

Comes in: a folder with features/, dataset.csv, splits.csv and asked.json. Goes out: answers.json with the
probability of every tested slide, and the seconds that training took, evaluation included.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import torchvision_ops  # noqa: F401
from soma import ExperimentConfig, Pipeline
from soma.config import CohortConfig, Component, LearnerConfig, LoadersConfig, RunConfig, TrainerConfig
from soma.data import CachedSetSource


def config(folder, asked):
    """Its defaults, but for what all tools share."""
    learner = {
        "aggregator": Component("abmil", {"hidden_dim": asked["hidden"], "gated": True, "dropout": 0.0}),
        "head": Component("multiclass_classification"),
        "optimizer": Component("adamw", {"lr": asked["lr"], "weight_decay": asked["decay"]}),
    }
    return ExperimentConfig(
        run=RunConfig(output_dir=str(folder / "runs"), seed=0),
        cohort=CohortConfig(records=str(folder / "dataset.csv"), splits=str(folder / "splits.csv")),
        loaders=LoadersConfig(batch_size=asked["batch"]),
        learner=LearnerConfig("mil", learner),
        trainer=TrainerConfig(max_epochs=asked["epochs"], device="cpu", callbacks=[Component("checkpoint")]),
    )


def main():
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "asked.json").read_text())
    source = CachedSetSource(folder / "features")
    pipeline = Pipeline(config(folder, asked), source=source)
    start = time.monotonic()
    result = pipeline.run()
    seconds = time.monotonic() - start
    told = pd.concat(pd.read_parquet(path) for path in Path(result.run_dir).rglob("predictions_test.parquet"))
    told = told.set_index("sample_id") if "sample_id" in told else told
    scores = {str(name): float(value) for name, value in told["prob_1"].items()}
    (folder / "answers.json").write_text(json.dumps({"scores": scores, "seconds": seconds}))


if __name__ == "__main__":
    main()
