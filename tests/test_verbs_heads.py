"""Verbs about heads: from a table and grids to the report, several heads, another cohort, one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histopress.cli import run
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.grids.store import write_grid
from histopress.heads.catalogue import HEADS
from histopress.verbs_heads import names_of


def make_cohort(folder: Path, patients: int, first: int = 0) -> Path:
    """Grids whose codes are larger the higher the grade, and a table of what is known of the patients."""
    random = np.random.default_rng(first)
    rows = []
    for i in range(first, first + patients):
        grade = i % 3
        cells = np.argwhere(random.random((5, 7)) < 0.8).astype(np.int32)
        grid = FeatureGrid(
            lattice=Lattice(64.0, 48.0, 5, 7, spacing=0.5, tile=32),
            slide=SlideIdentity(f"s{i}", Size(448, 240), Spacing(0.25, 0.33), f"hash {i}"),
            encoder={"identity": "e", "name": "made-up", "spacing": 0.5, "tile": 32, "dim": 6},
            identity=f"grid {i}",
            settings={},
            features=(random.normal(size=(len(cells), 6)) + 2 * grade).astype(np.float16),
            cells=cells,
            tissue=np.ones(len(cells), np.float32),
        )
        write_grid(folder / "grids" / f"s{i}.grid.zarr.zip", grid)
        months = round(float(random.exponential(30 / (1 + grade))) + 0.1, 2)
        rows.append((f"p{i}", f"s{i}", grade, months, int(random.random() < 0.7), 40 + i, "AB"[i // 3 % 2]))
    columns = ["patient", "slide", "grade", "months", "dead", "age", "site"]
    table = folder / f"cohort-{first}.csv"
    pd.DataFrame(rows, columns=columns).to_csv(table, index=False)
    return table


def trained(table: Path, output: Path, *more: str, target: str = "grade:ordinal(0<1<2)") -> int:
    words: Sequence[str] = (
        "train", str(table), "--grids", str(table.parent / "grids"), "--target", target, "-o", str(output),
        "--epochs", "6", "--folds", "3", "--lr", "0.05", "--head", "mean", *more,
    )  # fmt: skip
    return run(words)


def test_from_a_table_and_grids_to_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = make_cohort(tmp_path, 24)
    assert trained(table, tmp_path / "run") == 0
    told = capsys.readouterr()
    assert told.out.startswith("Quadratic kappa ")
    assert "3 heads of at most 6 epochs" in told.err
    page = (tmp_path / "run" / "report" / "report.html").read_text(encoding="utf-8")
    for part in ("site", "age", "Methods", "Checklist"):
        assert part in page
    card = (tmp_path / "run" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "grade (ordinal: 0, 1, 2)" in card
    assert "Quadratic kappa" in card


def test_heads_side_by_side_and_another_cohort(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, other = make_cohort(tmp_path, 24), make_cohort(tmp_path, 12, first=100)
    output = tmp_path / "runs"
    assert trained(table, output, "--heads", "mean,max:hidden=4", "--external", str(other)) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0].count("Quadratic kappa") == 4
    facts = json.loads((output / "report" / "metrics.json").read_text())
    assert [r["patients"] for r in facts["results"]] == [24, 24, 12, 12]
    assert facts["comparisons"]
    external = pd.read_csv(output / "mean" / "external" / "predictions.csv")
    assert set(external["part"]) == {"new"}
    assert [r["table"] for r in facts["results"]][:2] == ["runs/mean", "runs/max-hidden-4"]
    assert (output / "max-hidden-4" / "MODEL_CARD.md").exists()


def test_the_model_file_answers_for_a_cohort(tmp_path: Path) -> None:
    table, other = make_cohort(tmp_path, 24), make_cohort(tmp_path, 6, first=100)
    target = "os:survival(time=months,event=dead)"
    assert trained(table, tmp_path / "run", target=target) == 0
    words = ["predict", tmp_path / "run" / "model.safetensors", other, "--grids", tmp_path / "grids"]
    assert run([*map(str, words), "-o", str(tmp_path / "p.csv")]) == 0
    found = pd.read_csv(tmp_path / "p.csv")
    assert set(found["kind"]) == {"survival"}
    assert found["truth"].astype(str).str.endswith("+").any()
    assert run(["evaluate", str(tmp_path / "p.csv"), "-o", str(tmp_path / "report")]) == 0


def test_tables_of_other_tools_are_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    truth = random.integers(2, size=60)
    prob = 1 / (1 + np.exp(1 - 2 * truth - random.normal(size=60)))
    theirs = pd.DataFrame({"case_id": [f"c{i}" for i in range(60)], "label": truth, "prob": prob})
    theirs.to_csv(tmp_path / "theirs.csv", index=False)
    words = [
        "evaluate",
        str(tmp_path / "theirs.csv"),
        "--truth",
        "label",
        "--score",
        "prob",
        "--patient",
        "case_id",
    ]
    assert run([*words, "-o", str(tmp_path / "report")]) == 0
    assert capsys.readouterr().out.startswith("AUROC 0.")


def test_heads_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["heads"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n{name} " in told for name in HEADS)
    assert run(["heads", "--dim", "1024", "--json"]) == 0
    rows = {row["name"]: row["parameters"] for row in json.loads(capsys.readouterr().out)}
    assert rows["mean"] == 1025


def test_cohorts_of_known_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cohort"]) == 0
    assert "panda" in capsys.readouterr().out
    assert run(["cohort", "panda"]) == 0
    assert "histopress cohort panda" in capsys.readouterr().out
    assert run(["cohort", "pandas"]) == 2
    folder = tmp_path / "panda"
    folder.mkdir()
    rows = "image_id,data_provider,isup_grade,gleason_score\na1,karolinska,0,0+0\nb2,radboud,4,4+4\n"
    (folder / "train.csv").write_text(rows)
    assert run(["cohort", "panda", str(folder)]) == 2
    assert run(["cohort", "panda", str(folder), "-o", str(tmp_path / "cohort.csv")]) == 0
    assert pd.read_csv(tmp_path / "cohort.csv")["isup_grade"].tolist() == [0, 4]


def test_the_settings_of_a_known_task_are_taken_by_its_name(tmp_path: Path) -> None:
    table = make_cohort(tmp_path, 24)
    assert trained(table, tmp_path / "run", "--recipe", "panda") == 0
    recipe = json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]
    assert (recipe["head"], recipe["epochs"]) == ("mean", 6)


def test_names_with_settings_stay_together() -> None:
    assert names_of("cnn,abmil:hidden=8,dropout=0.1, mean") == ["cnn", "abmil:hidden=8,dropout=0.1", "mean"]
    assert names_of("") == []


def test_another_cohort_is_looked_for_among_the_grids_of_each_encoder(tmp_path: Path) -> None:
    table, other = make_cohort(tmp_path, 24), make_cohort(tmp_path, 6, first=100)
    (tmp_path / "all").mkdir()
    (tmp_path / "grids").rename(tmp_path / "all" / "mine")
    (tmp_path / "grids").symlink_to(tmp_path / "all")
    assert trained(table, tmp_path / "runs", "--encoders", "mine", "--external", str(other)) == 0
    folder = tmp_path / "runs" / "mine" / "mean"
    found = pd.read_csv(folder / "external" / "predictions.csv")
    assert sorted(set(found["patient"])) == [f"p{i}" for i in range(100, 106)]
    assert len(pd.read_csv(folder / "external" / "failures.csv")) == 0
