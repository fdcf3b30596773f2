from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histopress.data.splits import Fold, cross_validation
from histopress.grids.grid import FeatureGrid
from histopress.heads.leakage import LeakageReport, find_leaks, leakage, read_leakage

MakeGrid = Callable[..., FeatureGrid]


class Cohort:
    """Slides whose grids are in memory, one or two a patient."""

    def __init__(self, make_grid: MakeGrid, patients: int = 30, seed: int = 0) -> None:
        self.grids: dict[Path, FeatureGrid] = {}
        self.rows: list[dict[str, str]] = []
        self.reads = 0
        random = np.random.default_rng(seed)
        for p in range(patients):
            for s in range(1 + p % 2):
                shape = (7 + p % 3, 10 + (p + s) % 4)
                grid = make_grid(f"s{p}-{s}", shape, seed=100 * seed + 10 * p + s)
                lean = random.normal(0, 0.5, grid.dim).astype(np.float32)
                self.add(
                    f"p{p:03d}",
                    f"s{p}-{s}",
                    replace(grid, features=(grid.features + lean).astype(np.float16)),
                )

    def add(self, patient: str, slide: str, grid: FeatureGrid, content: str | None = None) -> None:
        path = Path(f"{slide}.grid")
        self.grids[path] = grid
        content = f"hash of {slide}" if content is None else content
        self.rows.append({"patient": patient, "slide": slide, "grid": str(path), "hash": content})

    def grid(self, slide: str) -> FeatureGrid:
        return self.grids[Path(f"{slide}.grid")]

    def read(self, path: Path) -> FeatureGrid:
        self.reads += 1
        return self.grids[path]

    @property
    def patients(self) -> list[str]:
        return sorted({row["patient"] for row in self.rows})

    def labels(self, seed: int = 0) -> pd.Series:
        random = np.random.default_rng(seed)
        return pd.Series(random.permutation(np.arange(len(self.patients)) % 2), self.patients, name="grade")

    def search(
        self, labels: pd.Series | None = None, folds: Sequence[Fold] | None = None, **more: object
    ) -> LeakageReport:
        labels = self.labels() if labels is None else labels
        folds = cross_validation(self.labels(), 4, 0) if folds is None else folds
        return find_leaks(pd.DataFrame(self.rows), labels, folds, self.read, **more)


@pytest.fixture
def cohort(make_grid: MakeGrid) -> Cohort:
    return Cohort(make_grid)


def titles(report: LeakageReport, level: str) -> list[str]:
    return [f.title for f in report.findings if f.level == level]


def test_a_clean_cohort_has_notes_alone(cohort: Cohort) -> None:
    report = cohort.search()
    assert titles(report, "problem") == titles(report, "warning") == []
    assert titles(report, "note") == ["Patients and parts", "Copies of slides", "Sites"]
    assert report.lines == ()


@pytest.mark.parametrize("seed", range(6))
def test_clean_cohorts_of_several_sites_stay_clean(make_grid: MakeGrid, seed: int) -> None:
    cohort = Cohort(make_grid, 40, seed=seed + 1)
    random = np.random.default_rng(seed)
    sites = dict(zip(cohort.patients, random.choice(["A", "B", "C"], 40).tolist(), strict=True))
    report = cohort.search(cohort.labels(seed), sites=sites)
    assert report.problems == ()
    assert report.lines == ()


def test_patients_in_two_parts_are_a_problem(cohort: Cohort) -> None:
    fold = Fold(0, ("p000", "p001"), ("p002",), ("p001", "p003"))
    report = cohort.search(folds=[fold])
    assert titles(report, "problem") == ["Patients in several parts"]
    assert "p001 (fold 0)" in report.problems[0].text
    assert "p002" not in report.problems[0].text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("P 7", "p7 "),
        ("pat-07", "PAT_7"),
        ("TCGA-05-4249-01Z-00-DX1", "TCGA-05-4249-11A"),
        ("0042", "42"),
    ],
)
def test_ids_that_look_alike_are_warned_of(cohort: Cohort, make_grid: MakeGrid, one: str, other: str) -> None:
    cohort.add(one, "one", make_grid("one", (7, 9), seed=991))
    cohort.add(other, "other", make_grid("other", (7, 9), seed=992))
    report = cohort.search()
    assert titles(report, "warning") == ["Ids that look alike"]
    assert one in report.lines[0]
    assert other in report.lines[0]


def test_ids_that_differ_in_more_are_left_alone(cohort: Cohort, make_grid: MakeGrid) -> None:
    for i, name in enumerate(["P-10", "P-1-0", "P-100", "TCGA-05-4249", "TCGA-05-4250", "1A", "10A"]):
        cohort.add(name, f"x{i}", make_grid(f"x{i}", (7, 9), seed=900 + i))
    assert cohort.search().lines == ()


def test_slides_of_one_tcga_patient_under_two_ids_are_warned_of(cohort: Cohort, make_grid: MakeGrid) -> None:
    for patient, part in (("case-a", "DX1"), ("case-b", "DX2")):
        slide = f"TCGA-05-4249-01Z-00-{part}"
        cohort.add(patient, slide, make_grid(slide, (7, 9), seed=len(patient) + ord(part[-1])))
    report = cohort.search()
    assert titles(report, "warning") == ["Ids that look alike"]
    assert "case-a = case-b" in report.lines[0]


def test_a_file_under_two_patients_is_a_problem_where_a_split_runs_between(
    cohort: Cohort, make_grid: MakeGrid
) -> None:
    cohort.add("p000", "again", make_grid("again", (7, 9), seed=800), "hash of s9-0")
    apart = cohort.search(folds=[Fold(0, ("p000",), ("p001",), ("p009",))])
    assert titles(apart, "problem") == ["The same file several times, across parts"]
    assert "again = s9-0" in apart.problems[0].text
    beside = cohort.search(folds=[Fold(0, ("p000", "p009"), ("p001",), ("p002",))])
    assert titles(beside, "problem") == []
    assert titles(beside, "warning") == ["The same file several times, under different patients"]


def test_a_file_twice_under_one_patient_is_a_warning(cohort: Cohort, make_grid: MakeGrid) -> None:
    cohort.add("p009", "again", make_grid("again", (7, 9), seed=800), "hash of s9-0")
    report = cohort.search()
    assert titles(report, "problem") == []
    assert titles(report, "warning") == ["The same file several times, of one patient"]


def test_unknown_hashes_are_no_copies(cohort: Cohort) -> None:
    for row in cohort.rows:
        row["hash"] = ""
    assert cohort.search().lines == ()


def test_equal_grids_under_another_hash_are_a_problem(cohort: Cohort) -> None:
    cohort.add("p000", "resaved", cohort.grid("s9-0"), "another hash")
    report = cohort.search(folds=[Fold(0, ("p000",), ("p001",), ("p009",))])
    assert titles(report, "problem") == ["Equal grids, across parts"]


def test_a_copied_file_is_told_once(cohort: Cohort) -> None:
    cohort.add("p000", "again", cohort.grid("s9-0"), "hash of s9-0")
    report = cohort.search(folds=[Fold(0, ("p000",), ("p001",), ("p009",))])
    assert titles(report, "problem") == ["The same file several times, across parts"]


def moved(grid: FeatureGrid, noise: float, shift: tuple[int, int], keep: float) -> FeatureGrid:
    """Encoded anew with some noise, shifted by cells, and cropped on the right."""
    random = np.random.default_rng(1)
    features = grid.features + random.normal(0, noise, grid.features.shape)
    inside = grid.cells[:, 1] < np.quantile(grid.cells[:, 1], keep) + 1
    return replace(
        grid,
        features=features.astype(np.float16)[inside],
        cells=(grid.cells + np.array(shift, np.int32))[inside],
        tissue=grid.tissue[inside],
    )


@pytest.mark.parametrize(
    ("noise", "shift", "keep"), [(0.2, (0, 0), 1.0), (0.3, (2, 3), 1.0), (0.1, (1, 0), 0.8)]
)
def test_grids_of_the_same_tissue_are_a_problem(
    cohort: Cohort, noise: float, shift: tuple[int, int], keep: float
) -> None:
    cohort.add("p000", "rescanned", moved(cohort.grid("s9-0"), noise, shift, keep))
    report = cohort.search(folds=[Fold(0, ("p000",), ("p001",), ("p009",))])
    assert titles(report, "problem") == ["Near-copies of grids, across parts"]
    assert "rescanned" in report.problems[0].text
    assert "s9-0" in report.problems[0].text


def test_few_grids_are_read_more_than_once(make_grid: MakeGrid) -> None:
    cohort = Cohort(make_grid, 90)
    cohort.search()
    assert cohort.reads <= 1.5 * len(cohort.rows)


def confounded(cohort: Cohort, strength: float) -> dict[str, str]:
    """Sites that follow the label with some strength."""
    random = np.random.default_rng(3)
    labels = cohort.labels()
    follow = random.random(len(labels)) < strength
    other = random.integers(0, 2, len(labels))
    return {
        p: "AB"[int(v if f else o)] for p, v, f, o in zip(labels.index, labels, follow, other, strict=True)
    }


def test_a_site_that_goes_with_the_label_is_warned_of(make_grid: MakeGrid) -> None:
    cohort = Cohort(make_grid, 60)
    report = cohort.search(sites=confounded(cohort, 0.6))
    assert titles(report, "warning") == ["Site and grade"]
    told = report.measured["labels"]["grade"]
    assert told["p"] < 0.01
    assert 0.65 < told["site_tells_label"]["value"] < 0.95
    assert told["site_tells_label"]["chance"] == pytest.approx(0.5, abs=0.06)


def test_a_site_that_is_the_label_is_a_problem_unless_sites_are_held_out(make_grid: MakeGrid) -> None:
    cohort = Cohort(make_grid, 60)
    sites = confounded(cohort, 1.0)
    report = cohort.search(sites=sites)
    assert titles(report, "problem") == ["Site and grade"]
    of = {name: tuple(p for p in cohort.patients if sites[p] == name) for name in "AB"}
    apart = [Fold(0, of["A"][5:], of["A"][:5], of["B"]), Fold(1, of["B"][5:], of["B"][:5], of["A"])]
    assert titles(cohort.search(sites=sites, folds=apart), "problem") == []


def test_codes_that_show_the_site_are_noted_and_warned_of_where_the_label_goes_with_it(
    make_grid: MakeGrid,
) -> None:
    cohort = Cohort(make_grid, 60)
    sites = {p: "AB"[i % 2] for i, p in enumerate(cohort.patients)}
    for row in cohort.rows:
        grid = cohort.grid(row["slide"])
        tint = 1.5 * (sites[row["patient"]] == "B")
        cohort.grids[Path(row["grid"])] = replace(grid, features=(grid.features + tint).astype(np.float16))
    harmless = cohort.search(sites=sites)
    assert harmless.measured["codes_tell_site"]["value"] > 0.9
    assert harmless.lines == ()
    label = pd.Series([sites[p] for p in cohort.patients], cohort.patients, name="grade")
    assert titles(cohort.search(label, sites=sites), "warning") == ["Site in the codes"]


@pytest.mark.parametrize("kind", ["number", "survival"])
def test_numbers_and_survival_that_go_with_the_site(make_grid: MakeGrid, kind: str) -> None:
    cohort = Cohort(make_grid, 80)
    random = np.random.default_rng(0)
    sites = {p: "AB"[i % 2] for i, p in enumerate(cohort.patients)}
    late = np.array([sites[p] == "B" for p in cohort.patients])
    fair, unfair = (random.exponential(10 * (1 + 4 * late * on)) + 0.1 for on in (0, 1))

    def label(times: np.ndarray) -> pd.Series:
        texts = [f"{t:.3f}{'+' if c else ''}" for t, c in zip(times, random.random(80) < 0.3, strict=True)]
        return pd.Series(texts if kind == "survival" else times, cohort.patients, name="os")

    assert cohort.search(label(fair), sites=sites).lines == ()
    assert titles(cohort.search(label(unfair), sites=sites), "warning") == ["Site and os"]


def test_sites_are_read_from_tcga_barcodes(make_grid: MakeGrid) -> None:
    cohort = Cohort(make_grid, 40)
    for row in cohort.rows:
        number = int(row["patient"][1:])
        row["patient"] = f"TCGA-{'AB'[number % 2]}5-{number:04d}"
    label = pd.Series([p[5] for p in cohort.patients], cohort.patients, name="grade")
    assert titles(cohort.search(label), "problem") == ["Site and grade"]


def test_too_few_patients_of_a_site_are_not_asked(cohort: Cohort) -> None:
    sites = {p: f"site {i // 2}" for i, p in enumerate(cohort.patients[:4])}
    report = cohort.search(sites=sites)
    assert report.lines == ()
    assert any("4 of 30 patients have a site" in f.text for f in report.findings)


def test_what_is_written_comes_back(cohort: Cohort, tmp_path: Path) -> None:
    cohort.add("p009", "again", cohort.grid("s9-0"), "hash of s9-0")
    report = cohort.search(sites=confounded(cohort, 0.5), inputs="abc")
    report.write(tmp_path)
    assert read_leakage(tmp_path) == report
    findings = json.loads((tmp_path / "leakage.json").read_text())["findings"]
    assert {"level", "title", "text"} == set(findings[0])
    assert findings[0]["level"] == "warning"
    assert read_leakage(tmp_path / "nowhere") is None


def test_a_run_is_searched_once_for_all_of_its_targets(make_grid: MakeGrid, tmp_path: Path) -> None:
    cohort = Cohort(make_grid, 60)
    sites = pd.Series(confounded(cohort, 1.0))
    labels = pd.DataFrame({"grade": cohort.labels(), "age": np.linspace(30, 80, 60)})

    def part(name: str, kind: str) -> SimpleNamespace:
        return SimpleNamespace(target=name, kind=kind, truth=lambda table: table[name].map(str).tolist())

    cases: Any = SimpleNamespace(
        slides=pd.DataFrame(cohort.rows),
        labels=labels,
        sites=sites,
        objective=SimpleNamespace(parts=(part("grade", "binary"), part("age", "regression"))),
        inputs={"slides": "some"},
    )
    folds = cross_validation(cohort.labels(), 4, 0)
    lines = leakage(cases, folds, cohort.read, tmp_path)
    assert len(lines) == 1
    assert lines[0].startswith("problem: Site and grade. They can hardly be told apart")
    report = read_leakage(tmp_path)
    assert report is not None
    assert set(report.measured["labels"]) == {"grade", "age"}
    reads = cohort.reads
    assert leakage(cases, folds, cohort.read, tmp_path) == lines
    assert cohort.reads == reads
    cases.sites = None
    assert leakage(cases, folds, cohort.read, tmp_path) == ()
    assert cohort.reads > reads
