from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from histopress.data.predictions import validate
from histopress.metrics.cases import answers
from histopress.metrics.checklist import FILLED, OPEN, checklist
from histopress.metrics.checklist_answers import Study
from histopress.metrics.flow import FlowStep, flow_of_table
from histopress.metrics.results import Sureness, assess

Maker = Callable[..., pd.DataFrame]
RECORD = {"recipe": {"head": "abmil", "lr": 0.01, "balance": "loss"}, "environment": {"torch": "2.5"}}


@pytest.fixture
def study(make_table: Maker) -> Study:
    table = validate(make_table())
    result = assess("p", "p.csv", "diagnosis", answers(table, "diagnosis"), Sureness(100, 0, 0.95))
    return Study(
        results=[result], records=[{}, RECORD], flow=flow_of_table(table), findings=None, fingerprints=["f00"]
    )


def test_what_no_file_tells_is_left_to_the_authors(study: Study) -> None:
    items = {item.topic: item for item in checklist(study)}
    for topic in ("Ethics", "Clinical need", "Funding and conflicts", "Threshold", "Fairness and subgroups"):
        assert items[topic].status == OPEN
        assert items[topic].text == ""
    assert items["Missing data"].status == OPEN


def test_what_files_tell_is_filled_in(study: Study) -> None:
    items = {item.topic: item for item in checklist(study)}
    assert items["Performance"].text.startswith("p, diagnosis: AUROC 0.")
    assert items["Splits"].text.startswith("5 folds; train, tuning and test parts hold different patients")
    assert items["Class imbalance"].text == "classes balanced by loss"
    assert "abmil" in items["Preparing images"].text
    assert "lr 0.01" in items["Model and training"].text
    assert "torch 2.5" in items["Software"].text
    assert "f00" in items["Data and code"].text
    assert {item.status for item in items.values()} == {FILLED, OPEN}


def test_patients_left_out_are_told_with_reasons(study: Study) -> None:
    flow = (FlowStep("all", 50, 60), FlowStep("left out", 10, 9, "torn"), FlowStep("kept", 40, 51))
    told = Study(study.results, study.records, flow, ["Shared patients"])
    items = {item.topic: item for item in checklist(told)}
    assert items["Missing data"].text == "left out: 10 patients, 9 slides (torn)"
    assert "leakage report: Shared patients" in items["Splits"].text


def test_both_guidelines_are_covered(study: Study) -> None:
    where = " ".join(item.where for item in checklist(study))
    assert where.count("TRIPOD+AI") > 25
    assert where.count("CLAIM") > 20
