"""The GDC's clinical.tsv in miniature, with names of columns of the old and of the new portal."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from histopress.core.errors import CohortError
from histopress.data.cohort import read_cohort
from histopress.data.cohort_recipes import make_cohort

OLD = {
    "case": "case_submitter_id",
    "vital": "vital_status",
    "death": "days_to_death",
    "last": "days_to_last_follow_up",
    "age": "age_at_index",
    "sex": "gender",
}
NEW = {
    "case": "cases.submitter_id",
    "vital": "demographic.vital_status",
    "death": "demographic.days_to_death",
    "last": "diagnoses.days_to_last_follow_up",
    "age": "demographic.age_at_index",
    "sex": "demographic.sex_at_birth",
}
ROWS = [  # one row a diagnosis or treatment
    ("TCGA-05-0001", "Dead", "365", "'--", "61", "male"),
    ("TCGA-05-0001", "Dead", "365", "300", "61", "male"),
    ("TCGA-2E-0002", "Alive", "'--", "100", "70", "female"),
    ("TCGA-2E-0002", "Alive", "'--", "487", "70", "female"),
    ("TCGA-2E-0003", "Alive", "'--", "'--", "'--", "female"),
    ("TCGA-2E-0004", "Dead", "'--", "12", "50", "female"),
    ("TCGA-2E-0005", "Not Reported", "'--", "12", "50", "female"),
    ("TCGA-2E-0006", "Alive", "'--", "730.5", "44", "male"),
]
SLIDES = [f"{case}-01Z-00-DX1.AB-CD.svs" for case in dict.fromkeys(row[0] for row in ROWS[:-1])]
FROZEN = "TCGA-05-0001-01A-01-TS1.EF.svs"
STRANGE = "TCGA-99-9999-01Z-00-DX1.GH.svs"


def downloaded(folder: Path, names: dict[str, str]) -> Path:
    folder.mkdir()
    lines = ["\t".join(["case_id", *names.values()])]
    lines += ["\t".join([f"uuid-{row[0]}", *row]) for row in ROWS]
    (folder / "clinical.tsv").write_text("\n".join(lines) + "\n")
    for name in [*SLIDES, FROZEN, STRANGE]:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("names", [OLD, NEW], ids=["old", "new"])
def test_days_become_months_and_rows_of_a_case_one_patient(tmp_path: Path, names: dict[str, str]) -> None:
    summary = make_cohort("tcga-survival", [downloaded(tmp_path / "gdc", names)], tmp_path / "c.csv")
    cohort = read_cohort(summary.cohort, check_files=True)
    assert cohort.by_patient("dead").to_dict() == {"TCGA-05-0001": 1, "TCGA-2E-0002": 0}
    months = cohort.by_patient("os_months")
    assert months["TCGA-05-0001"] == pytest.approx(365 / 30.4375, abs=1e-4)
    assert months["TCGA-2E-0002"] == pytest.approx(487 / 30.4375, abs=1e-4)  # the latest day
    assert cohort.by_patient("age").tolist() == [61, 70]
    assert cohort.by_patient("site").tolist() == ["05", "2E"]
    assert cohort.by_patient("sex").tolist() == ["male", "female"]
    lines = list(csv.reader(summary.left_out.read_text().splitlines()))[1:]
    reasons = {slide: reason for _, slide, reason in lines}
    assert reasons == {
        SLIDES[2][:-4]: "alive without follow-up",
        SLIDES[3][:-4]: "dead without a day of death",
        SLIDES[4][:-4]: "vital status not stated, or stated differently",
        FROZEN[:-4]: "frozen section, not a diagnostic slide",
        STRANGE[:-4]: "not in clinical.tsv",
        "": "no slide of this patient",
    }


def test_follow_up_and_a_manifest(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "gdc", NEW)
    (folder / "follow_up.tsv").write_text(
        "case_id\tcases.submitter_id\tfollow_ups.days_to_follow_up\n"
        "u\tTCGA-2E-0003\t900\nu\tTCGA-2E-0003\t30\nu\tTCGA-2E-0002\t500\n"
    )
    manifest = folder / "gdc_manifest.2026.txt"
    manifest.write_text(
        "id\tfilename\tmd5\tsize\tstate\n" + "".join(f"u\t{name}\tm\t1\treleased\n" for name in SLIDES)
    )
    tables = [folder / "clinical.tsv", folder / "follow_up.tsv", manifest]
    cohort = read_cohort(make_cohort("tcga-survival", tables, tmp_path / "c.csv").cohort)
    months = cohort.by_patient("os_months")
    assert months["TCGA-2E-0003"] == pytest.approx(900 / 30.4375, abs=1e-4)
    assert months["TCGA-2E-0002"] == pytest.approx(500 / 30.4375, abs=1e-4)
    assert set(cohort.table["path"]) == {""}


def test_what_cannot_be_matched_is_an_error(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "gdc", OLD)
    with pytest.raises(CohortError, match="nothing names slides"):
        make_cohort("tcga-survival", [folder / "clinical.tsv"], tmp_path / "c.csv")
    with pytest.raises(CohortError, match="none of 1 diagnostic slides belongs to one of 3 cases"):
        make_cohort("tcga-survival", [folder / "clinical.tsv", folder / STRANGE], tmp_path / "c.csv")
    other = tmp_path / "clinical.csv"
    other.write_text("case_submitter_id,age\na,1\n")
    with pytest.raises(CohortError, match="no table has the column censorship or vital_status"):
        make_cohort("tcga-survival", [other], tmp_path / "c.csv")
