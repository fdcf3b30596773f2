"""The picture of a training: which curves the log holds, and that something is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histopress.core.curve import Epoch, as_csv
from histopress.core.errors import RunError
from histopress.studies.encoder_curves import draw_curves, read_log, task_curves


def write_log(folder: Path, looks: int, tasks: int, slides: bool = False) -> Path:
    """The log of a training of so many tasks, as fit writes it."""
    curve, measures = [], ("AUROC", "macro AUROC", "Spearman")
    for look in range(looks):
        parts, scores = {}, []
        for t in range(tasks):
            parts[f"task-{t} train loss"] = 1 / (look + 1 + t)
            scores.append(1 - 0.4 / (look + 1 + t))
            parts[f"task-{t} {measures[t % 3]}"] = scores[-1]
        if slides:
            parts |= {"unlabelled slides train loss": float("nan"), "unlabelled slides AUROC": float("nan")}
        tuning = 1 - float(np.mean(scores)) if scores else 0.5 / (look + 1)
        curve.append(Epoch(look, 1 / (look + 1), tuning, 0.001, parts, 0.25, 100.0))
    (folder / "log.csv").write_text(as_csv(curve))
    return folder


def test_tasks_come_with_their_losses_and_scores(tmp_path: Path) -> None:
    found = task_curves(read_log(write_log(tmp_path, 5, 3, slides=True) / "log.csv"))
    assert [(t.name, t.measure) for t in found] == [
        ("task-0", "AUROC"),
        ("task-1", "macro AUROC"),
        ("task-2", "Spearman"),
    ]
    np.testing.assert_allclose(found[1].losses, [1 / (look + 2) for look in range(5)], rtol=1e-5)
    np.testing.assert_allclose(found[2].scores, [1 - 0.4 / (look + 3) for look in range(5)], rtol=1e-5)


def test_a_task_whose_name_begins_another_keeps_its_own_score(tmp_path: Path) -> None:
    parts = {"a train loss": 1.0, "a AUROC": 0.6, "a b train loss": 2.0, "a b AUROC": 0.7}
    (tmp_path / "log.csv").write_text(as_csv([Epoch(0, 1.5, 0.35, 0.1, parts)]))
    found = task_curves(read_log(tmp_path / "log.csv"))
    assert [(t.name, t.measure, t.scores[0]) for t in found] == [("a", "AUROC", 0.6), ("a b", "AUROC", 0.7)]


@pytest.mark.parametrize(("looks", "tasks"), [(1, 1), (20, 10), (3, 0)])
def test_a_picture_is_drawn(looks: int, tasks: int, tmp_path: Path) -> None:
    path = draw_curves(write_log(tmp_path, looks, tasks))
    assert path == tmp_path / "curves.png"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "log.csv"]
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[1] > (1000 if tasks else 500)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("content", ["", "epoch,train,tuning\n", "a,b\n1,2\n", "epoch,train,tuning\n1,x\n"])
def test_what_is_no_log_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(RunError, match=r"log\.csv"):
        draw_curves(tmp_path)


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"log\.csv is missing.*train with the log csv"):
        draw_curves(tmp_path)
