"""The card of a run tells what it is, how good, on whom, and what was noticed."""

from __future__ import annotations

import json
from pathlib import Path

from histopress.core.files import quick_hash
from histopress.metrics.model_card import write_model_card


def made_run(folder: Path) -> Path:
    (folder / "folds" / "0").mkdir(parents=True)
    encoder = {
        "name": "histopress-small",
        "identity": "abc",
        "spacing": 0.5,
        "tile": 128,
        "licence": "Apache-2.0",
    }
    card = {"name": "abmil", "encoder": encoder, "joint": False}
    (folder / "folds" / "0" / "card.json").write_text(json.dumps(card))
    record = {"identity": "r1", "inputs": {"target": "er"}, "recipe": {"head": "abmil", "lr": 0.005}}
    (folder / "run.json").write_text(json.dumps({**record, "environment": {"torch": "2.13"}}))
    (folder / "predictions.csv").write_text("patient,score\np1,0.5\n")
    (folder / "flow.csv").write_text(
        "step,patients,slides,reason\nin the table,9,12,\nleft out,1,1,no label\n"
    )
    found = [{"level": "warning", "title": "Sites tell the label", "text": "Split by site."}]
    (folder / "leakage.json").write_text(json.dumps({"findings": found}))
    return folder


def facts(run: Path) -> dict[str, object]:
    score = {"label": "AUROC", "value": 0.871, "low": 0.79, "high": None, "method": "bootstrap"}
    mine = {
        "target": "er",
        "kind": "binary",
        "classes": {"neg": 5, "pos": 4},
        "source": f"predictions.csv (fingerprint {quick_hash(run / 'predictions.csv')})",
        "scores": [score],
    }
    return {"results": [mine, {**mine, "target": "other", "source": "elsewhere.csv (fingerprint 00)"}]}


def test_it_tells_what_a_user_must_know_and_nothing_of_other_tables(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    text = write_model_card(run, facts(run)).read_text()
    for expected in (
        "# er: model card",
        "er (binary: neg, pos)",
        "| er | AUROC | 0.871 | 0.79 to unknown | bootstrap |",
        "- left out: 1 patients, 1 slides (no label)",
        "Sites tell the label",
        "`histopress-small` (identity `abc`, 0.5 um/px, tiles of 128 px, licence Apache-2.0)",
        "Research use only",
        "lr = 0.005",
        "torch 2.13",
    ):
        assert expected in text
    assert "other" not in text.split("## What it is not for")[0].replace("others are refused", "")
