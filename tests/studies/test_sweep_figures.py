from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from histopress.core.errors import RecipeError
from histopress.studies import sweep_figures, sweep_lines
from histopress.studies.sweep_figures import (
    accuracy_against_o2i,
    field_against_object,
    pooling_against_o2i,
    size_against_o2i,
)
from histopress.studies.sweep_lines import lines

RATIOS = (0.1914, 0.0479, 0.012, 0.000748)
SIZES = (1400, 2819, 11276)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes of every figure that is written."""
    found: list[Any] = []

    def save(figure: Figure, path: Path) -> Path:
        found.append(figure.axes[0])
        figure.draw_without_rendering()
        return path

    for module in (sweep_lines, sweep_figures):
        monkeypatch.setattr(module, "save", save)
    return found


def results(replicates: int = 3, **more: Any) -> pd.DataFrame:
    random, rows = np.random.default_rng(0), []
    for o2i in RATIOS:
        for step, size in enumerate(SIZES):
            mean = 0.5 if o2i < 0.001 else 0.65 + 0.1 * step
            rows += [(o2i, size, "", n, mean + random.normal(0, 0.01)) for n in range(replicates)]
        rows += [(o2i, SIZES[-1], "permuted", n, 0.5) for n in range(replicates)]
    rows += [(0.0, size, "noise", 0, 0.5) for size in SIZES]
    table = pd.DataFrame(rows, columns=["o2i", "train_size", "control", "replicate", "test_accuracy"])
    return table.assign(**more)


def named(axis: Any) -> dict[str, Any]:
    """The lines that the legend tells of and that hold something, by their name."""
    return {
        line.get_label(): line
        for line in axis.get_lines()
        if not line.get_label().startswith("_") and len(line.get_xdata())
    }


def runs(axis: Any) -> int:
    return sum(len(line.get_xdata()) for line in axis.get_lines() if line.get_label() == "_run")


def bars(axis: Any) -> int:
    return sum(len(collection.get_segments()) for collection in axis.collections)


def test_a_line_for_each_training_size(drawn: list[Any], tmp_path: Path) -> None:
    accuracy_against_o2i(results(), tmp_path / "a.png")
    (axis,) = drawn
    assert set(named(axis)) == {"1400", "2819", "11276", "permuted labels", "noise for pictures"}
    assert all(len(named(axis)[str(size)].get_xdata()) == 4 for size in SIZES)
    assert (runs(axis), bars(axis)) == (3 * 4 * 3, 3 * 4)
    assert axis.get_xlabel() == "object-to-image ratio (%)"
    assert [t.get_text() for t in axis.get_xticklabels()] == ["0.0748", "1.2", "4.79", "19.1"]
    assert "chance" in {text.get_text() for text in axis.texts}
    assert len({line.get_color() for line in named(axis).values()}) == 4, "controls share their grey"
    assert len({line.get_marker() for name, line in named(axis).items() if name.isdigit()}) == 3


def test_lines_stand_at_their_means(drawn: list[Any], tmp_path: Path) -> None:
    table = results()
    accuracy_against_o2i(table, tmp_path / "a.png")
    line = named(drawn[0])["2819"]
    rows = table[(table["train_size"] == 2819) & (table["control"] == "")]
    means = rows.groupby("o2i")["test_accuracy"].mean()
    np.testing.assert_allclose(line.get_ydata(), means)
    np.testing.assert_allclose(line.get_xdata(), 100 * means.index, rtol=0.05)


def test_one_replicate_has_no_bars(drawn: list[Any], tmp_path: Path) -> None:
    accuracy_against_o2i(results(replicates=1), tmp_path / "a.png", chance=None)
    assert bars(drawn[0]) == 0
    assert not drawn[0].texts


def test_controls_can_be_left_out(drawn: list[Any], tmp_path: Path) -> None:
    lines(results(), "train_size", "test_accuracy", "o2i", tmp_path / "a.png", controls=False)
    assert set(named(drawn[0])) == {"0.0748 %", "1.2 %", "4.79 %", "19.1 %"}
    assert drawn[0].get_xlabel() == "training pictures"


def test_sizes_and_arrows_where_none_is_enough(drawn: list[Any], tmp_path: Path) -> None:
    size_against_o2i(results(), tmp_path / "s.png")
    (axis,) = drawn
    assert named(axis)["smallest that does"].get_ydata().tolist() == [2819.0] * 3
    (arrows,) = [line for line in axis.get_lines() if line.get_label() == "_beyond"]
    assert arrows.get_ydata().tolist() == [pytest.approx(1.25 * 11276)]
    assert arrows.get_xdata() == pytest.approx([0.0748])
    assert axis.get_ylabel() == "training pictures for a test accuracy of 0.7"
    assert [t.get_text() for t in axis.get_yticklabels()] == ["1,400", "2,819", "11,276"]


def test_sizes_by_another_axis(drawn: list[Any], tmp_path: Path) -> None:
    table = pd.concat([results(way=way) for way in ("end to end", "crops/cnn")])
    size_against_o2i(table, tmp_path / "s.png", by="way", threshold=0.6)
    assert set(named(drawn[0])) == {"end to end", "crops/cnn"}


def test_poolings_in_words(drawn: list[Any], tmp_path: Path) -> None:
    table = results()
    table = table[table["train_size"] == 11276]
    table = pd.concat([table.assign(pooling=pooling) for pooling in ("mean", "lse")])
    pooling_against_o2i(table, tmp_path / "p.png")
    assert list(named(drawn[0]))[:2] == ["mean", "log-sum-exp"]


def test_fields_as_multiples_of_the_object(drawn: list[Any], tmp_path: Path) -> None:
    table = results()
    table = table[table["train_size"] == 11276]
    table = pd.concat([table.assign(field=field, object_px=28.0) for field in (0, 9, 33, 77)])
    field_against_object(table, tmp_path / "f.png")
    assert [t.get_text() for t in drawn[0].get_xticklabels()] == ["0.321", "1.18", "2.75"]
    assert all(len(named(drawn[0])[name].get_xdata()) == 3 for name in ("0.0748 %", "19.1 %"))
    assert "field as large as object" in {text.get_text() for text in drawn[0].texts}


def test_a_figure_is_written(tmp_path: Path) -> None:
    path = accuracy_against_o2i(results(), tmp_path / "figures" / "a.png", title="nMNIST")
    assert path.stat().st_size > 10_000


def test_nothing_to_draw(tmp_path: Path) -> None:
    table = results()
    controls = table[table["control"] != ""]
    with pytest.raises(RecipeError, match="besides controls"):
        accuracy_against_o2i(controls, tmp_path / "a.png")
    with pytest.raises(RecipeError, match="besides controls"):
        size_against_o2i(controls, tmp_path / "a.png")
    with pytest.raises(RecipeError, match="no column pooling"):
        pooling_against_o2i(table, tmp_path / "a.png")
