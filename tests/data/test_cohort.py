from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import CohortError
from histopress.data.cohort import COLUMNS, read_cohort


def write(folder: Path, text: str, name: str = "cohort.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, *arguments: str, **options: object) -> tuple[str, ...]:
    with pytest.raises(CohortError) as raised:
        read_cohort(path, *arguments, **options)  # type: ignore[arg-type]
    return raised.value.problems


def test_reads_ids_paths_and_labels(tmp_path: Path) -> None:
    text = (
        "patient,slide,grade,age,site,split,spacing,mask\n"
        "007,scans/a.svs,high,61,A,train,0.25,masks/a.png\n"
        "007,/else/b.ome.tiff,high,61,A,training,,\n"
        "08,TCGA-AA-1.DX1,low,,,Val,0.5,\n"
    )
    table = read_cohort(write(tmp_path, text), "grade").table
    assert table["patient"].tolist() == ["007", "007", "08"]
    assert table["slide"].tolist() == ["a", "b", "TCGA-AA-1.DX1"]
    assert table["path"].tolist() == [str(tmp_path / "scans/a.svs"), "/else/b.ome.tiff", ""]
    assert table["mask"].tolist() == [str(tmp_path / "masks/a.png"), "", ""]
    assert table["site"].tolist() == ["A", "A", ""]
    assert table["split"].tolist() == ["train", "train", "tuning"]
    np.testing.assert_array_equal(table["spacing"], [0.25, np.nan, 0.5])
    np.testing.assert_array_equal(table["age"], [61, 61, np.nan])
    assert table["grade"].tolist() == ["high", "high", "low"]


@pytest.mark.parametrize("meaning", ["patient", "slide", "path"])
def test_every_synonym_is_understood_in_any_spelling(tmp_path: Path, meaning: str) -> None:
    for synonym in COLUMNS[meaning]:
        names = {"patient": "patient", "slide": "slide"}
        names["slide" if meaning == "path" else meaning] = synonym.replace("_", " ").upper()
        path = write(tmp_path, f"{names['patient']},{names['slide']}\n01,x/a.svs\n")
        table = read_cohort(path).table
        assert table[["patient", "slide", "path"]].to_numpy().tolist() == [
            ["01", "a", str(tmp_path / "x/a.svs")]
        ]


def test_the_first_name_wins_and_equal_synonyms_are_a_problem(tmp_path: Path) -> None:
    table = read_cohort(write(tmp_path, "patient,case_id,slide\np1,c1,a\n")).table
    assert table["patient"].tolist() == ["p1"]
    assert table["case_id"].tolist() == ["c1"]
    assert "rename one to 'patient'" in problems(write(tmp_path, "subject,case_id,slide\np1,c1,a\n"))[0]


def test_a_target_keeps_its_name_even_if_it_is_a_synonym(tmp_path: Path) -> None:
    path = write(tmp_path, "patient,slide,Hospital\np1,a,north\np2,b,south\n")
    assert read_cohort(path, "Hospital").by_patient("Hospital").to_dict() == {"p1": "north", "p2": "south"}
    assert read_cohort(path).by_patient("site").to_dict() == {"p1": "north", "p2": "south"}


def test_csv_and_parquet_give_the_same_cohort(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"patient": [3, 1, 2], "slide": ["a.svs", "b.svs", "c.svs"], "y": [0, 1, 1], "x": [0.5, None, 2.0]}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    one, other = (read_cohort(tmp_path / name, "y").table for name in ("t.csv", "t.parquet"))
    pd.testing.assert_frame_equal(one, other)
    assert one["y"].dtype == np.int64


def test_all_problems_are_listed_at_once_with_their_rows(tmp_path: Path) -> None:
    text = (
        "patient,slide,grade,split,spacing\n"
        "p1,a.svs,high,train,0.25\n"
        "p1,b.svs,low,test,25\n"
        "NaN,c.svs,high,train,\n"
        "p2,,high,train,\n"
        "p3,x/a.tif,high,train,\n"
        "p4,a.svs,,somewhere,\n"
        "p5,d.svs,hihg,test,thick\n"
    )
    found = "\n".join(problems(write(tmp_path, text), "grade", classes=["high", "low"]))
    for expected in (
        "row 3: patient 'p1' has grade 'low' here and 'high' in row 2",
        "row 3: patient 'p1' is in 'test' here and in 'train' in row 2",
        "row 3: spacing is '25', expected 0.05 to 5 um/px",
        "row 4: patient is empty",
        "row 5: slide is empty",
        "x/a.tif' and '" + str(tmp_path / "a.svs") + "' in row 2 share the id 'a'",
        "row 7: grade is '', expected a label",
        "row 7: slide '" + str(tmp_path / "a.svs") + "' stands in row 2 already",
        "row 7: split is 'somewhere', expected train, tuning or test",
        "row 8: grade is 'hihg', expected one of 'high', 'low'",
        "row 8: spacing is 'thick'",
    ):
        assert expected in found


def test_many_problems_of_a_kind_are_summed_up(tmp_path: Path) -> None:
    text = "patient,slide,y\n" + "".join(f"p{i},s{i},\n" for i in range(45)) + ",last,1\n"
    found = problems(write(tmp_path, text), "y")
    assert sum("expected a label" in line for line in found) == 10
    assert any("35 more of this kind (no label), in rows 12, 13" in line for line in found)
    assert any(line.startswith("row 47: patient is empty") for line in found)


def test_slides_without_label_can_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, "patient,slide,y\np1,a,1\np2,b,\np3,c,NA\np4,d,0\n")
    table = read_cohort(path, "y", drop_unlabelled=True).table
    assert table["slide"].tolist() == ["a", "d"]
    assert table["y"].dtype == np.int64
    assert "2 of 4 slides have no y" in caplog.text
    assert len(problems(path, "y")) == 2
    path = write(tmp_path, "patient,slide,y\np1,a,\n")
    with pytest.raises(CohortError, match="none of 1 rows has a label"):
        read_cohort(path, "y", drop_unlabelled=True)


def test_labels_written_differently_are_the_same_number(tmp_path: Path) -> None:
    path = write(tmp_path, "patient,slide,y\np1,a,1\np1,b,1.0\np2,c,0.5\n")
    assert read_cohort(path, "y").by_patient("y").to_dict() == {"p1": 1.0, "p2": 0.5}


def test_infinite_labels_are_a_problem(tmp_path: Path) -> None:
    (line,) = problems(write(tmp_path, "patient,slide,y\np1,a,inf\np2,b,2\n"), "y")
    assert line == "row 2: y is inf, expected a finite number; correct it"


def test_files_are_checked_only_if_asked(tmp_path: Path) -> None:
    (tmp_path / "here.svs").touch()
    path = write(tmp_path, "patient,slide,mask\np1,here.svs,\np2,gone.svs,gone.png\np3,just-an-id,\n")
    assert len(read_cohort(path).table) == 3
    found = problems(path, check_files=True)
    assert len(found) == 3
    assert any("gone.svs is not there" in line for line in found)
    assert any("gone.png is not there" in line for line in found)
    assert any("'just-an-id' is an id without a file" in line for line in found)


def test_a_file_without_ending_is_found_and_windows_paths_are_understood(tmp_path: Path) -> None:
    (tmp_path / "scan").touch()
    path = write(tmp_path, "patient,slide\np1,scan\np2,sub\\b.svs\n")
    assert read_cohort(path).table["path"].tolist() == [str(tmp_path / "scan"), str(tmp_path / "sub/b.svs")]


def test_slide_and_path_must_mean_the_same_slide(tmp_path: Path) -> None:
    path = write(tmp_path, "patient,slide,path\np1,a,x/a.svs\np2,b.svs,x/b.svs\n")
    assert read_cohort(path).table["slide"].tolist() == ["a", "b"]
    (line,) = problems(write(tmp_path, "patient,slide,path\np1,a,x/z.svs\n"))
    assert "row 2" in line
    assert "expected the id 'z'" in line


def test_missing_columns_name_what_is_accepted(tmp_path: Path) -> None:
    found = problems(write(tmp_path, "who,grade\np1,high\n"), "Grade")
    assert len(found) == 3
    assert "found who, grade; expected one of patient, patient_id" in found[0]
    assert "filename" in found[1]
    assert "did you mean 'grade'?" in found[2]


def test_by_patient_refuses_two_values(tmp_path: Path) -> None:
    cohort = read_cohort(write(tmp_path, "patient,slide,age\nb,s1,3\na,s2,4\nb,s3,5\n"))
    with pytest.raises(CohortError, match="patient 'b' has 2 values of age"):
        cohort.by_patient("age")
    with pytest.raises(CohortError, match="no column 'agee'"):
        cohort.by_patient("agee")


def test_written_back_and_read_again_nothing_changes(tmp_path: Path) -> None:
    text = "patient,slide,y,split,spacing\n01,x/a.svs,1,train,0.25\n02,x/b.svs,0,test,\n"
    first = read_cohort(write(tmp_path, text), "y").table
    first.to_csv(tmp_path / "again.csv", index=False)
    pd.testing.assert_frame_equal(read_cohort(tmp_path / "again.csv", "y").table, first)


@pytest.mark.parametrize("name", ["tcga_luad_clinical.csv", "tcga_ucec_clinical.csv"])
def test_real_clinical_tables_are_read_as_they_are(shared_data: Path, name: str) -> None:
    path = shared_data / "survival_tcga" / name
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    cohort = read_cohort(path, "is_female", drop_unlabelled=True)
    kept = [line.split(",") for line in lines if line.split(",")[3] != ""]
    assert cohort.table["patient"].tolist() == [cells[0] for cells in kept]
    assert cohort.table["path"].tolist() == [str(path.parent / cells[1]) for cells in kept]
    assert cohort.table["slide"].tolist() == [cells[1].removesuffix(".svs") for cells in kept]
    assert set(cohort.by_patient("is_female")) == {int(float(cells[3])) for cells in kept}


def test_of_several_targets_one_is_enough(tmp_path: Path) -> None:
    path = write(tmp_path, "patient,slide,er,time,dead\np1,a,pos,,\np2,b,,3.5,1\np3,c,neg,2,0\np4,d,,7,\n")
    groups = [["er"], ["time", "dead"]]
    (line,) = problems(path, groups)  # type: ignore[arg-type]
    assert line.startswith("row 5: er is '', time is '7', dead is '', expected a label")
    cohort = read_cohort(path, groups, drop_unlabelled=True)
    assert cohort.table["patient"].tolist() == ["p1", "p2", "p3"]
    assert cohort.left_out.to_dict("records") == [{"patient": "p4", "slide": "d"}]
    labels = cohort.labels(["er", "time", "dead"])
    assert labels.index.tolist() == ["p1", "p2", "p3"]
    assert labels["er"].tolist() == ["pos", "", "neg"]
    assert labels["time"].isna().tolist() == [True, False, False]
