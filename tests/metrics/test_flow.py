from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from histopress.core.errors import PredictionsError
from histopress.metrics.flow import FlowStep, flow_figure, flow_of_table, read_flow, with_evaluated

Maker = Callable[..., pd.DataFrame]
FLOW = (
    "step,patients,slides,reason\n"
    "in the table,50,80,\n"
    "left out,10,,no label for grade\n"
    "trained and tested,40,70,\n"
)


def test_steps_are_read_with_counts_and_reasons(tmp_path: Path) -> None:
    (tmp_path / "flow.csv").write_text(FLOW)
    first, out, last = read_flow(tmp_path / "flow.csv")
    assert first == FlowStep("in the table", 50, 80, "")
    assert (out.out, out.size, out.reason) == (True, "10 patients", "no label for grade")
    assert (last.out, last.size) == (False, "40 patients, 70 slides")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("step,patients\n", "lacks slides, reason: found step, patients"), (FLOW.replace("50", "x"), "is 'x'")],
)
def test_what_is_wrong_with_a_flow_is_told(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "flow.csv").write_text(text)
    with pytest.raises(PredictionsError, match=expected):
        read_flow(tmp_path / "flow.csv")


def test_a_table_tells_who_was_left_out_of_it(make_table: Maker) -> None:
    table = make_table(patients=20)
    table.loc[table["patient"] == "P001", "truth"] = ""
    table.loc[table["patient"] == "P002", "part"] = "train"
    steps = flow_of_table(table)
    assert [(s.step, s.patients) for s in steps] == [
        ("in the predictions table", 20),
        ("left out", 1),
        ("left out", 1),
        ("evaluated", 18),
    ]
    assert [s.reason for s in steps[1:3]] == ["no label", "only trained or tuned on"]
    inside = steps[0].patients or 0
    assert inside - sum(s.patients or 0 for s in steps if s.out) == steps[-1].patients


def test_who_is_evaluated_is_added_only_where_that_differs(make_table: Maker) -> None:
    table = make_table(patients=20)
    assert len(with_evaluated((FlowStep("trained and tested", 20, 40),), table)) == 1
    assert with_evaluated((FlowStep("trained and tested", 25, 40),), table)[-1].step == "evaluated"


def test_every_step_has_a_box_and_reasons_are_no_markup() -> None:
    steps = (FlowStep("all", 9, 12), FlowStep("left out", 2, 3, "<b>torn & folded"), FlowStep("kept", 7, 9))
    figure = flow_figure(steps)
    assert figure.count("<rect") == 3
    assert "&lt;b&gt;torn &amp; folded" in figure
    assert figure.count('class="box out"') == 1
