"""One file holds all that predictions need, names nobody, and refuses what it was not made for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from histopress.core.errors import HeadError
from histopress.heads.model_file import ModelFile
from histopress.heads.predict import PredictRecipe, predict
from histopress.heads.train import TrainRecipe, train

Maker = Callable[..., Any]
QUICK = TrainRecipe(head="cnn", folds=2, epochs=2, seeds=2)


@pytest.fixture
def run(make_cohort: Maker, tmp_path: Path) -> Path:
    data = make_cohort(patients=10)
    (data.grids / "encoder").mkdir()
    (data.grids / "encoder" / "card.json").write_text('{"name": "made-up"}')
    return train(data.table, data.grids, "label", tmp_path / "run", QUICK).run


def test_it_answers_as_the_run_does_on_another_machine(run: Path, make_grid: Any, tmp_path: Path) -> None:
    grids = tmp_path / "data" / "grids"
    asked = [tmp_path / "data" / "cohort.csv"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(run / "model.safetensors", elsewhere)
    recipe = PredictRecipe(grids=grids)
    assert not len(predict(run, asked, tmp_path / "one.csv", recipe))
    assert not len(predict(elsewhere / "model.safetensors", asked, tmp_path / "two.csv", recipe))
    one, two = (pd.read_csv(tmp_path / f"{n}.csv") for n in ("one", "two"))
    pd.testing.assert_frame_equal(one, two)
    assert set(one["part"]) == {"test"}
    assert set(one["models"]) == {2}


def test_it_names_no_patient_and_no_slide(run: Path) -> None:
    content = (run / "model.safetensors").read_bytes()
    assert b"p03" not in content
    split = ModelFile(run / "model.safetensors").split
    assert split.groupby("fold")["patient"].nunique().eq(10).all()


def test_it_keeps_the_encoder(run: Path, tmp_path: Path) -> None:
    folder = ModelFile(run / "model.safetensors").unpack_encoder(tmp_path / "encoder")
    assert folder is not None
    assert (folder / "card.json").read_text() == '{"name": "made-up"}'


def test_grids_of_another_encoder_or_spacing_are_refused(run: Path, make_grid: Any, tmp_path: Path) -> None:
    from histopress.grids.store import write_grid

    other = make_grid("new", (6, 9), encoder="other")
    coarse = make_grid("coarse", (6, 9))
    coarse = replace(coarse, encoder={**coarse.encoder, "spacing": 1.0})
    for grid in (other, coarse):
        write_grid(tmp_path / f"{grid.slide.slide}.grid.zarr.zip", grid)
    paths = [tmp_path / "new.grid.zarr.zip", tmp_path / "coarse.grid.zarr.zip"]
    failures = predict(run / "model.safetensors", paths, tmp_path / "p.csv")
    reasons = {f.item: f.reason for f in failures}
    assert "made by encoder made-up (other, 0.5 um/px), expected made-up (enc, 0.5 um/px)" in reasons["new"]
    assert "(enc, 1.0 um/px), expected made-up (enc, 0.5 um/px)" in reasons["coarse"]


def test_damage_is_told(run: Path, tmp_path: Path) -> None:
    whole = (run / "model.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HeadError, match="no sound model file"):
        ModelFile(tmp_path / "cut.safetensors")
    with pytest.raises(HeadError, match=r"give the model\.safetensors of a run"):
        ModelFile(run / "folds" / "0-seed-0" / "head.safetensors")
