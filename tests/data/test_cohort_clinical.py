"""Clinical tables of one's own: growth pattern, survival, recurrence, response."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from histopress.core.errors import CohortError, RecipeError
from histopress.data.cohort import read_cohort
from histopress.data.cohort_clinical import owner
from histopress.data.cohort_options import CohortOptions
from histopress.data.cohort_recipes import CohortSummary, make_cohort

GROWTH = (
    "Patient ID;Growth pattern;Age;Gender;Centre\n"
    "P1;desmoplastic;61,5;m;Rotterdam\nP10;replacement;70;f;Rotterdam\n"
    "P2;dHGP;;f;Nijmegen\nP3;;50;m;Nijmegen\nP4;pushing;55;m;Nijmegen\n"
)
SLIDES = ("P1_a", "P1_b", "P10-1", "P2", "P3", "Q9")


def given(folder: Path, text: str, slides: tuple[str, ...] = SLIDES) -> list[Path]:
    (folder / "slides").mkdir(exist_ok=True)
    for name in slides:
        (folder / "slides" / f"{name}.svs").touch()
    table = folder / "clinical.csv"
    table.write_text(text)
    return [table, folder / "slides"]


def made(
    folder: Path, name: str, text: str, options: CohortOptions | None = None, slides: tuple[str, ...] = SLIDES
) -> tuple[CohortSummary, pd.DataFrame]:
    summary = make_cohort(name, given(folder, text, slides), folder / "cohort.csv", options)
    return summary, read_cohort(summary.cohort, check_files=True).table


def test_growth_patterns_by_patient_and_files_by_name(tmp_path: Path) -> None:
    summary, table = made(tmp_path, "clm-growth-pattern", GROWTH)
    known = {
        slide: (patient, label)
        for slide, patient, label in table[["slide", "patient", "desmoplastic"]].to_numpy()
    }
    assert known == {
        "P1_a": ("P1", "yes"),
        "P1_b": ("P1", "yes"),
        "P10-1": ("P10", "no"),
        "P2": ("P2", "yes"),
    }
    assert table.set_index("slide").loc["P1_a", ["age", "sex", "site"]].tolist() == [61.5, "m", "Rotterdam"]
    assert summary.left_out.read_text().splitlines()[1:] == [
        "P3,P3,no Growth pattern",
        ",Q9,no patient of the clinical table",
        "P4,,no slide of this patient",
    ]
    assert [(s.step, s.patients, s.slides) for s in summary.flow] == [
        ("in the files", 5, 6),
        ("left out", 1, 1),
        ("left out", 0, 1),
        ("left out", 1, 0),
        ("in the cohort", 3, 4),
    ]
    assert summary.values["desmoplastic"] == {"no": 1, "yes": 2}


def test_a_file_belongs_to_the_longest_id_that_ends_at_a_sign() -> None:
    patients = {"P1", "P10", "TCGA-05-1", "P1_x"}
    names = {
        "P1": "P1",
        "P10-b": "P10",
        "P100": "",
        "P1_x_2": "P1_x",
        "P1_y": "P1",
        "TCGA-05-1-DX": "TCGA-05-1",
    }
    assert {name: owner(name, patients) for name in names} == names


def test_percentages_with_a_cut(tmp_path: Path) -> None:
    text = "patient,dhgp\nP1,100\nP10,99\nP2,20\n"
    _, table = made(tmp_path, "clm-growth-pattern", text, CohortOptions(cut=100))
    assert table.drop_duplicates("patient").set_index("patient")["desmoplastic"].to_dict() == {
        "P1": "yes",
        "P10": "no",
        "P2": "no",
    }


def test_a_table_of_slides_with_paths_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "scans" / f"{name}.ndpi").touch()
    (tmp_path / "patients.csv").write_text("patient,response,scanner\n7,CR,x\n007,PD,y\n")
    (tmp_path / "slides.csv").write_text("patient,path\n7,scans/a.ndpi\n007,scans/b.ndpi\n007,scans/c.ndpi\n")
    tables = [tmp_path / "slides.csv", tmp_path / "patients.csv"]
    options = CohortOptions(covariates=("scanner",))
    summary = make_cohort("treatment-response", tables, tmp_path / "out" / "c.csv", options)
    table = read_cohort(summary.cohort, check_files=True).table
    assert table[["patient", "slide", "responder", "scanner"]].to_numpy().tolist() == [
        ["7", "a", "yes", "x"],
        ["007", "b", "no", "y"],
        ["007", "c", "no", "y"],
    ]


@pytest.mark.parametrize(
    ("header", "cells", "options"),
    [
        ("patient,os_months,dead", ("1", "0", "12.5"), None),
        ("case id,OS_MONTHS,OS_STATUS", ("1:DECEASED", "0:LIVING", "12.5"), None),
        ("patient,survival_years,vital status", ("Dead", "Alive", str(12.5 / 12)), None),
        ("patient,os_days,censored", ("0", "1.0", str(12.5 * 365.25 / 12)), None),
        ("patient,time,event", ("yes", "no", "12.5"), CohortOptions(time_unit="months")),
        (
            "mrn,fu,outcome",
            ("died of disease", "NED", "12.5"),
            CohortOptions("mrn", "outcome", ("died of disease",), time="fu", time_unit="months"),
        ),
    ],
)
def test_times_and_events_however_they_are_written(
    tmp_path: Path, header: str, cells: tuple[str, str, str], options: CohortOptions | None
) -> None:
    dead, alive, time = cells
    text = f"{header}\nP1,{time},{dead}\nP10,{time},{alive}\nP2,0,{alive}\nP3,,{dead}\n"
    summary, table = made(tmp_path, "overall-survival", text, options)
    patients = table.drop_duplicates("patient").set_index("patient")
    assert patients["dead"].to_dict() == {"P1": 1, "P10": 0, "P2": 0}
    assert patients["os_months"].tolist() == pytest.approx([12.5, 12.5, 0], abs=1e-3)
    assert summary.target == "os:survival(time=os_months,event=dead)"


def test_recurrence_with_and_without_a_time(tmp_path: Path) -> None:
    text = "patient,dfs_months,dfs_status\nP1,3,1:Recurred/Progressed\nP2,30,0:DiseaseFree\n"
    summary, table = made(tmp_path, "recurrence", text)
    assert table["recurred"].tolist() == [1, 1, 0] and table["rfs_months"].tolist() == [3, 3, 30]
    assert summary.target == "recurrence:survival(time=rfs_months,event=recurred)"
    summary, table = made(tmp_path, "recurrence", "patient,recurrence\nP1,yes\nP2,no\n")
    assert table["recurred"].tolist() == [1, 1, 0] and "rfs_months" not in table
    assert summary.target == "recurred"


SURVIVAL, RESPONSE = "overall-survival", "treatment-response"


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        (SURVIVAL, "patient,time,dead\nP1,3,1\n", None, "'time' does not tell its unit; add --time-unit"),
        (SURVIVAL, "patient,dead\nP1,1\n", None, "tells the time: found patient, dead.*--time COLUMN"),
        (SURVIVAL, "patient,os_months,dead\nP1,-3,1\n", None, "row 2: os_months is '-3'"),
        (SURVIVAL, "patient,os_months,dead\nP1,3,maybe\n", None, "row 2: dead is 'maybe'.*--positive"),
        (SURVIVAL, "mrn,os_months,dead\nP1,3,1\n", None, "tells the patient: found mrn.*--patient"),
        (RESPONSE, "patient,x\nP1,1\n", None, r"outcome \(responder\): found patient, x.*--label"),
        (RESPONSE, "patient,x\nP1,1\n", CohortOptions(label="xx"), "no column 'xx'.*did you mean 'x'"),
        (RESPONSE, "patient,response\nP1,CR\nP1,PD\n", None, "row 3: .*differs from row 2 in responder"),
        (RESPONSE, "patient,response\nZ1,CR\n", None, "none of 6 slides .* 1 patients .*'Z1'"),
        ("clm-growth-pattern", "patient,dhgp\nP1,most\n", CohortOptions(cut=50), "dhgp is 'most', expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_the_remedy(
    tmp_path: Path, name: str, text: str, options: CohortOptions | None, message: str
) -> None:
    with pytest.raises(CohortError, match="(?s)" + message):
        made(tmp_path, name, text, options)
    assert not (tmp_path / "cohort.csv").exists()


def test_nothing_that_names_slides(tmp_path: Path) -> None:
    table = given(tmp_path, GROWTH)[0]
    with pytest.raises(CohortError, match="nothing names slides"):
        make_cohort("clm-growth-pattern", [table], tmp_path / "c.csv")


def test_inputs_are_not_overwritten_and_names_are_checked(tmp_path: Path) -> None:
    paths = given(tmp_path, GROWTH)
    with pytest.raises(CohortError, match="name another -o"):
        make_cohort("clm-growth-pattern", paths, paths[0])
    with pytest.raises(RecipeError, match=r"no cohort recipe 'growth'.*clm-growth-pattern"):
        make_cohort("growth", paths, tmp_path / "c.csv")
