"""Survival of TCGA patients, from the real tables with censorship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import CohortError
from histopress.data.cohort import read_cohort
from histopress.data.cohort_recipes import make_cohort

HEADER = "case_id,slide_id,site,is_female,oncotree_code,age,survival_months,censorship\n"


@pytest.mark.parametrize(
    ("cancer", "counts", "months"),
    [("ucec", (480, 539, 75), 18686.64), ("luad", (453, 516, 158), 13584.05)],
)
def test_real_tables(
    shared_data: Path, tmp_path: Path, cancer: str, counts: tuple[int, int, int], months: float
) -> None:
    patients, slides, deaths = counts
    source = shared_data / "survival_tcga" / f"tcga_{cancer}_clinical.csv"
    summary = make_cohort("tcga-survival", [source], tmp_path / "tcga.csv")
    assert (summary.patients, summary.slides) == (patients, slides)
    cohort = read_cohort(summary.cohort)
    dead, time = cohort.by_patient("dead"), cohort.by_patient("os_months")
    assert (len(dead), dead.sum()) == (patients, deaths)
    assert time.sum() == pytest.approx(months, abs=0.01)
    raw = pd.read_csv(source).drop_duplicates("case_id").set_index("case_id").sort_index()
    np.testing.assert_array_equal(dead, 1 - raw["censorship"])
    np.testing.assert_array_equal(time, raw["survival_months"])
    np.testing.assert_array_equal(cohort.by_patient("sex") == "female", raw["is_female"] == 1)
    np.testing.assert_array_equal(cohort.by_patient("age"), raw["age"])
    assert cohort.by_patient("site").tolist() == [name.split("-")[1] for name in raw.index]
    assert not cohort.table["slide"].str.endswith(".svs").any()
    assert "frozen" not in summary.text  # all are DX, though one site is called BS
    assert ("train is no official split" in summary.text) == (cancer == "ucec")


def test_slides_in_folders_of_the_download_are_found(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "survival_tcga" / "tcga_luad_clinical.csv"
    names = pd.read_csv(source)["slide_id"].tolist()[:3]
    for number, name in enumerate(names):
        (tmp_path / "gdc" / f"uuid-{number}").mkdir(parents=True)
        (tmp_path / "gdc" / f"uuid-{number}" / name).touch()
    summary = make_cohort("tcga-survival", [source, tmp_path / "gdc"], tmp_path / "tcga.csv")
    assert (summary.slides, summary.flow[0].slides) == (3, 516)
    assert read_cohort(summary.cohort, check_files=True).table["path"].str.contains("gdc/uuid-").all()


def row(case: str, slide: str, months: str, censored: str) -> str:
    return f"{case},{case}-01Z-00-{slide}.svs,5,1.0,LUAD,61.0,{months},{censored}\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (row("TCGA-05-1234", "DX1", "3", "2"), "row 2: survival_months '3' and censorship '2'"),
        (row("TCGA-05-1234", "DX1", "-3", "1"), "row 2: survival_months '-3'"),
        (row("TCGA-05-1234", "DX1", "3", "1") * 2, "row 3: slide .* stands in row 2 of .* already"),
        (
            row("TCGA-05-1234", "DX1", "3", "1") + row("TCGA-05-1234", "DX2", "4", "1"),
            r"row 3: TCGA-05-1234 has \('4', '0'\) here and \('3', '0'\) before",
        ),
        (row("TCGA-05-1234", "DX1", "", "1"), "no slide with a label"),
    ],
)
def test_contradictions_are_told_with_their_row(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "tcga_luad.csv"
    path.write_text(HEADER + rows)
    with pytest.raises(CohortError, match=message):
        make_cohort("tcga-survival", [path], tmp_path / "c.csv")


def test_frozen_sections_are_told(tmp_path: Path) -> None:
    path = tmp_path / "tcga_luad.csv"
    path.write_text(HEADER + row("TCGA-05-1234", "DX1", "3", "1") + row("TCGA-BS-1235", "TS1", "4", "0"))
    summary = make_cohort("tcga-survival", [path], tmp_path / "c.csv")
    assert "1 of 2 slides are frozen sections" in summary.text


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tcga_luad.csv"
    path.write_text("case_id,slide_id,censorship\na,b,1\n")
    with pytest.raises(CohortError, match="survival months: found case_id, slide_id, censorship"):
        make_cohort("tcga-survival", [path], tmp_path / "c.csv")
