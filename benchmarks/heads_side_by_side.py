"""Our attention head beside torchmil's own trainer, and beside soma: same features, same folds.

    python benchmarks/heads_side_by_side.py                  # torchmil, about 5 minutes
    python benchmarks/heads_side_by_side.py --peers build/peers   # soma too, in an environment of its own

Slides are needle grids (`studies/needles.py`): 600 cells of which 12 are informative in a positive slide, so
that attention can be learned from few slides. All have gated attention of the same width, AdamW with the same
rate, as many epochs, and choose an epoch by the same tuning part: histopress by its loss, torchmil by its
AUROC there, soma by its own default. AUROC is of the pooled test parts, with one and the same interval.

A fair reading: seconds per epoch are those of training and tuning in one process on the CPU, from the first
epoch to the last, data loading included. Batches are of 8 slides for all. torchmil pads the bags of a batch;
here all bags are of one size, so that costs it nothing. STAMP is not on the package index under its name.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from measure import Report
from peers import PEERS, Peer, find
from trials import RESAMPLES, arguments, finish, try_head

from histopress.data.splits import Fold, cross_validation
from histopress.grids.grid import FeatureGrid
from histopress.heads.train import TrainRecipe
from histopress.metrics.intervals import bootstrap, draw_resamples
from histopress.metrics.scores import auroc
from histopress.studies.needles import LABELS, NeedlesRecipe, needle_grids

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", category=FutureWarning)  # torch.jit.script, in torchmil's own files
    from torchmil.data import collate_fn
    from torchmil.models import ABMIL
    from torchmil.utils import Trainer

SLIDES, FOLDS, EPOCHS, BATCH, LR, DECAY = 200, 5, 20, 8, 1e-3, 1e-2
WIDTH, HIDDEN = 128, 64
RECIPE = TrainRecipe(
    head=f"abmil:width={WIDTH},hidden={HIDDEN}",
    epochs=EPOCHS,
    patience=EPOCHS,
    batch=BATCH,
    lr=LR,
    weight_decay=DECAY,
    dropout=0.0,
    augment=False,
)
FEATURES = NeedlesRecipe(cells=600, needles=12, dim=64, effect=2.0)
WORKER = Path(__file__).parent / "workers" / "soma_mil.py"
PEERS["soma"] = Peer("soma", ("soma-pathology",), ("soma",))


@dataclass(frozen=True)
class Told:
    """What one tool said of every slide, and how long an epoch took."""

    scores: pd.Series
    seconds_per_epoch: float


@dataclass(frozen=True)
class Work:
    """What everyone gets."""

    grids: Mapping[str, FeatureGrid]
    table: pd.DataFrame
    folds: list[Fold]
    epochs: int


def ours(work: Work) -> Told:
    """Through the public interface; its epochs are read from the predictions' own clock."""
    from dataclasses import replace

    asked = replace(RECIPE, epochs=work.epochs, patience=work.epochs)
    idle = try_head(work.grids, work.table, replace(asked, epochs=1), folds=work.folds)
    trial = try_head(work.grids, work.table, asked, folds=work.folds)
    extra = max(1, (work.epochs - 1) * len(work.folds))
    scores = trial.rows().set_index("patient")["score"].astype(float)
    return Told(scores, (trial.seconds - idle.seconds) / extra)


def torchmil(work: Work) -> Told:
    """With its Trainer, as its documentation shows, on features standardised by the train part."""
    from torchmetrics import AUROC

    told, seconds = [], 0.0
    for fold in work.folds:
        centre, spread = _standard(work.grids, fold.train)
        bags = {
            part: _bags(work, getattr(fold, part), centre, spread) for part in ("train", "tuning", "test")
        }
        torch.manual_seed(fold.index)
        dim = centre.shape[0]
        embedding = torch.nn.Sequential(torch.nn.Linear(dim, WIDTH), torch.nn.ReLU())
        model = ABMIL((dim,), att_dim=HIDDEN, gated=True, feat_ext=embedding)
        trainer = Trainer(
            model,
            torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY),
            metrics_dict={"auroc": AUROC(task="binary")},
            obj_metric="auroc",
            device="cpu",
            disable_pbar=True,
            verbose=False,
        )
        train = torch.utils.data.DataLoader(bags["train"], BATCH, shuffle=True, collate_fn=collate_fn)
        tuning = torch.utils.data.DataLoader(bags["tuning"], BATCH, collate_fn=collate_fn)
        start = time.monotonic()
        trainer.train(work.epochs, train, tuning)
        seconds += time.monotonic() - start
        best = trainer.get_best_model().eval()
        with torch.no_grad():
            answers = [float(best(bag["X"][None]).sigmoid()) for bag in bags["test"]]
        told.append(pd.Series(answers, index=list(fold.test)))
    return Told(pd.concat(told), seconds / (work.epochs * len(work.folds)))


def soma(work: Work, peers: Path) -> Told:
    """As a command in its own environment, on feature files of its own kind."""
    found = find("soma", peers)
    if found.absent:
        raise ToolError(found.absent)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_soma(work, folder)
        asked = {"epochs": work.epochs, "batch": BATCH, "lr": LR, "decay": DECAY, "hidden": HIDDEN}
        (folder / "asked.json").write_text(json.dumps(asked))
        done = subprocess.run(
            [str(found.python), str(WORKER), str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ToolError(" ".join(done.stderr.strip().splitlines()[-3:])[-400:])
        answers = json.loads((folder / "answers.json").read_text())
    return Told(pd.Series(answers["scores"]), answers["seconds"] / (work.epochs * len(work.folds)))


class ToolError(Exception):
    """A peer did not run; says why."""


def _write_soma(work: Work, folder: Path) -> None:
    (folder / "features").mkdir()
    for name, grid in work.grids.items():
        torch.save(torch.from_numpy(grid.features.astype(np.float32)), folder / "features" / f"{name}.pt")
    table = pd.DataFrame({"sample_id": work.table["slide"], "image_path": work.table["slide"]})
    table["label"] = (work.table["label"] == LABELS[1]).astype(int)
    table.to_csv(folder / "dataset.csv", index=False)
    rows = [
        (slide, split, fold.index)
        for fold in work.folds
        for split, part in (("train", fold.train), ("tune", fold.tuning), ("test", fold.test))
        for slide in part
    ]
    pd.DataFrame(rows, columns=["sample_id", "split", "fold"]).to_csv(folder / "splits.csv", index=False)


def _standard(grids: Mapping[str, FeatureGrid], names: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    cells = np.concatenate([grids[name].features.astype(np.float32) for name in names])
    return torch.from_numpy(cells.mean(axis=0)), torch.from_numpy(cells.std(axis=0) + 1e-6)


def _bags(
    work: Work, names: tuple[str, ...], centre: torch.Tensor, spread: torch.Tensor
) -> list[dict[str, torch.Tensor]]:
    labels = work.table.set_index("slide")["label"]
    made = []
    for name in names:
        codes = torch.from_numpy(work.grids[name].features.astype(np.float32))
        made.append({"X": (codes - centre) / spread, "Y": torch.tensor(float(labels[name] == LABELS[1]))})
    return made


def row(name: str, told: Told, work: Work) -> dict[str, Any]:
    """One tool, scored as all."""
    truth = work.table.set_index("patient")["label"].loc[told.scores.index] == LABELS[1]
    positive, scores = truth.to_numpy(), told.scores.to_numpy()
    counts = draw_resamples(told.scores.index.to_numpy(str), positive, RESAMPLES, 0)
    limits = bootstrap(
        lambda weights: auroc(positive, scores, weights), told.scores.index.to_numpy(str), counts, 0.95
    )
    return {
        "tool": name,
        "auroc": round(float(auroc(positive, scores)[0]), 4),
        "low": round(limits.low, 4),
        "high": round(limits.high, 4),
        "seconds per epoch": round(told.seconds_per_epoch, 3),
        "slides": len(scores),
        "epochs": work.epochs,
    }


def measured(given: argparse.Namespace) -> Report:
    count, folds = (40, 2) if given.quick else (SLIDES, FOLDS)
    grids, table = needle_grids(FEATURES, count)
    dealt = cross_validation(table.set_index("patient")["label"], folds, seed=0)
    work = Work(dict(grids), table, dealt, 2 if given.quick else EPOCHS)
    tools: dict[str, Callable[[Work], Told]] = {"histopress abmil": ours, "torchmil ABMIL, Trainer": torchmil}
    if given.peers:
        tools["soma abmil"] = lambda w: soma(w, given.peers.resolve())
    rows, absent = [], {}
    for name, tool in tools.items():
        try:
            rows.append(row(name, tool(work), work))
        except ToolError as error:
            absent[name] = str(error)
    headlines = {
        r["tool"]: f"AUROC {r['auroc']:.3f} [{r['low']:.3f}, {r['high']:.3f}], "
        f"{r['seconds per epoch']:.2f} s per epoch"
        for r in rows
    }
    facts = {"features": str(FEATURES), "recipe": str(RECIPE), "python": sys.version.split()[0]}
    return Report("heads_side_by_side", rows, absent, facts, headlines)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="environments of the peers; soma runs where this is given")
    given = parser.parse_args()
    finish(measured(given), given)


if __name__ == "__main__":
    main()
