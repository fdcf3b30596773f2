"""Axes -> trials: every combination once, controls apart, encoders trained once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from histopress.core.errors import RecipeError
from histopress.core.recipe import digest
from histopress.studies.chain_recipe import ChainRecipe
from histopress.studies.end_to_end_recipe import EndToEndRecipe
from histopress.studies.nmnist_study import NmnistSource
from histopress.studies.patchnet_recipe import PatchnetRecipe
from histopress.studies.picture_axes import PictureAxes
from histopress.studies.picture_findings import write_findings
from histopress.studies.picture_study import picture_trials, ways
from histopress.studies.picture_trial import PictureTrial, encoder_trial
from histopress.studies.sweep import Trial

SOURCES = [NmnistSource(canvas, 14, 3, 1234, "digits") for canvas in (32, 64)]
AXES = PictureAxes(
    sizes=(100, 200),
    fields=(9, 17),
    poolings=("mean", "max"),
    chains=("crops/topk", "mean-rgb/mean"),
    label_noise=(0.0, 0.1),
    replicates=3,
    controls=2,
)


def test_every_combination_is_a_trial_and_no_two_are_the_same() -> None:
    trials = picture_trials(SOURCES, AXES)
    controls = Counter(trial.axes["control"] for trial in trials)
    assert controls[""] == 2 * (2 * 2 + 2) * 2 * 2 * 3
    assert controls["permuted"] == 2 * (2 * 2 + 2) * 2
    assert controls["noise"] == 2 * 2 * 2
    assert len({trial.name for trial in trials}) == len(trials)


def test_without_controls_there_are_none() -> None:
    plain = PictureAxes(sizes=(100,), replicates=1, controls=0)
    assert [t.axes["control"] for t in picture_trials(SOURCES, plain)] == ["", ""]


def test_settings_say_all_that_the_axes_say() -> None:
    """Runs are named by their settings: an axis that is not among them would be lost."""
    for trial in picture_trials(SOURCES, AXES):
        settings, told = trial.settings, trial.axes
        assert isinstance(settings, PictureTrial)
        assert settings.size == told["train_size"] and settings.control == told["control"]
        assert settings.replicate == told["replicate"] and settings.label_noise == told["label_noise"]
        assert told["o2i"] == (0 if settings.control == "noise" else settings.source.o2i)
        if isinstance(settings.way, EndToEndRecipe):
            network = settings.way.network
            assert (network.field, network.pooling) == (told["field"], told["pooling"])
        else:
            assert f"{settings.way.encoder}/{settings.way.head}" == told["way"]


def test_plain_networks_have_neither_field_nor_width() -> None:
    found = list(ways(PictureAxes(networks=("patchnet", "resnet50"), fields=(9, 17), widths=(0.0, -3.0))))
    assert [(w.axes["way"], w.axes["field"]) for w in found] == [
        ("end to end", 9), ("end to end", 9), ("end to end", 17), ("end to end", 17), ("resnet50", 0),
    ]  # fmt: skip


def test_plain_networks_take_of_a_recipe_what_means_something_to_them() -> None:
    training = EndToEndRecipe(network=PatchnetRecipe(norm="batch", pixels="raw"))
    (way,) = ways(PictureAxes(networks=("resnet50",), training=training))
    assert isinstance(way.settings, EndToEndRecipe)
    assert way.settings.network == PatchnetRecipe(name="resnet50", pixels="raw")


def test_chains_of_one_encoder_share_it() -> None:
    one, other = (ChainRecipe(head=head, epochs=n) for head, n in (("topk", 5), ("abmil", 9)))
    names = {digest(encoder_trial(source, way)) for source in SOURCES for way in (one, other)}
    assert len(names) == 1
    assert digest(encoder_trial(SOURCES[0], ChainRecipe(dim=8))) not in names


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sizes": ()}, "one or more of each"),
        ({"networks": ()}, "neither"),
        ({"chains": ("crops",)}, "ENCODER/HEAD"),
    ],
)
def test_axes_without_values_are_errors(wrong: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        PictureAxes(**wrong)  # type: ignore[arg-type]


def test_a_figure_for_each_question_that_the_axes_can_answer(tmp_path: Path) -> None:
    axes = PictureAxes(sizes=(100, 200), fields=(9, 17), chains=("mean-rgb/mean",), replicates=2)
    table = pd.DataFrame([_row(trial) for trial in picture_trials(SOURCES, axes)])
    files = {path.name for path in write_findings(table, axes, tmp_path)}
    learners = "mean-rgb-mean", "end-to-end-field-9", "end-to-end-field-17"
    assert files == {"findings.md", "field.png", "learners.png"} | {
        f"{kind}-{name}.png" for kind in ("accuracy", "size") for name in learners
    }
    assert all((tmp_path / f).stat().st_size > 0 for f in files)
    text = (tmp_path / "findings.md").read_text()
    assert "Smallest training size for an accuracy of 70%: 4.79 %: 200, 19.1 %: 100" in text
    assert write_findings(table.iloc[:0], axes, tmp_path) == []


def _row(trial: Trial) -> dict[str, Any]:
    """As a table of results has it, with an accuracy that size and ratio alone decide."""
    axes = trial.axes
    learned = 0.55 + float(axes["train_size"]) / 1000 + 0.5 * float(axes["o2i"])
    return {
        **axes,
        "test_accuracy": 0.5 if axes["control"] else learned,
        "last_train_accuracy": 0.9,
        "outcome": "learned",
    }
