"""What can be known of a test part beforehand: shared patients, copied slides, sites that tell the label."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.files import write_whole
from histopress.core.recipe import digest
from histopress.data.splits import Fold
from histopress.grids.batches import Read
from histopress.heads.leakage_finding import Finding, Parts
from histopress.heads.leakage_grids import Fingerprints, fingerprints, near_copies, same_codes
from histopress.heads.leakage_labels import Label, label_of, labels_of
from histopress.heads.leakage_patients import copied_files, copies, look_alikes, shared_patients
from histopress.heads.leakage_sites import ask_sites, sites_of

if TYPE_CHECKING:
    from histopress.heads.cases import Cases

LEAKAGE_FILE = "leakage.json"


@dataclass(frozen=True)
class LeakageReport:
    """Everything that was looked for, and what was found.

    Attributes:
        findings: problems first, then warnings, then notes.
        measured: numbers of the questions about sites.
        inputs: names what was searched, in few characters.
    """

    findings: tuple[Finding, ...]
    measured: dict[str, Any] = field(default_factory=dict)
    inputs: str = ""

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Findings that make scores unbelievable."""
        return tuple(f for f in self.findings if f.level == "problem")

    @property
    def lines(self) -> tuple[str, ...]:
        """Problems and warnings, a line each."""
        return tuple(f"{f.level}: {f.title}. {f.text}" for f in self.findings if f.level != "note")

    def write(self, folder: Path) -> None:
        """As `leakage.json`."""
        content = {
            "findings": [asdict(f) for f in self.findings],
            "measured": self.measured,
            "inputs": self.inputs,
        }
        write_whole(folder / LEAKAGE_FILE, json.dumps(content, indent=2) + "\n")


def read_leakage(folder: Path) -> LeakageReport | None:
    """What `LeakageReport.write` left in a folder; None if nothing."""
    path = folder / LEAKAGE_FILE
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    findings = tuple(Finding(**finding) for finding in content["findings"])
    return LeakageReport(findings, content.get("measured", {}), content.get("inputs", ""))


def leakage(cases: Cases, folds: Sequence[Fold], read: Read, output: Path) -> tuple[str, ...]:
    """Search the cases of a run and write `leakage.json`; a search that was done before is not done again.

    Args:
        cases: of the run.
        folds: its splits.
        read: gets a grid from its path; every grid is read once.
        output: folder of the run.

    Returns:
        Problems and warnings, a line each.
    """
    inputs = digest(
        cases.inputs, cases.slides["hash"].tolist(), [asdict(f) for f in folds], _listed(cases.sites)
    )
    done = read_leakage(output)
    if done is not None and done.inputs == inputs:
        return done.lines
    patients = [str(p) for p in cases.labels.index]
    labels = [
        label_of(part.target, part.kind, part.truth(cases.labels), patients) for part in cases.objective.parts
    ]
    sites = {} if cases.sites is None else {str(p): str(s) for p, s in cases.sites.items()}
    report = find_leaks(cases.slides, labels, folds, read, sites=sites, inputs=inputs)
    report.write(output)
    return report.lines


def find_leaks(
    slides: pd.DataFrame,
    labels: Sequence[Label] | pd.DataFrame | pd.Series[Any],
    folds: Sequence[Fold],
    read: Read,
    *,
    sites: Mapping[str, str] | None = None,
    inputs: str = "",
) -> LeakageReport:
    """Search for everything by which a test part can be known before it is seen.

    Args:
        slides: one row a slide: `patient`, `slide`, `grid` (path), `hash` (of the slide file, "" if unknown),
            and `site` where known and not given apart.
        labels: targets, or a table of them by patient.
        folds: splits by patient.
        read: gets a grid from its path; every grid is read once, and those that may be copies again.
        sites: by patient; without any, TCGA barcodes tell them.
        inputs: names what is searched.
    """
    slides = slides.astype({"patient": str, "slide": str}).reset_index(drop=True)
    asked = list(labels) if isinstance(labels, Sequence) else labels_of(labels)
    parts = Parts(folds)
    paths = [Path(p) for p in slides["grid"]]
    prints = fingerprints(paths, read)
    patients, codes = _patient_codes(slides["patient"].tolist(), prints)
    told = ask_sites(_known_sites(slides, sites, patients), asked, patients, codes, folds)
    findings = [
        shared_patients(folds),
        *look_alikes(slides, parts),
        *_copies(slides, prints, parts, paths, read),
        *told.findings,
    ]
    order = {"problem": 0, "warning": 1, "note": 2}
    return LeakageReport(tuple(sorted(findings, key=lambda f: order[f.level])), told.measured, inputs)


def _copies(
    slides: pd.DataFrame, prints: Fingerprints, parts: Parts, paths: Sequence[Path], read: Read
) -> list[Finding]:
    """Copied files, equal grids, and grids that show the same tissue; each pair is told once."""
    patient, name, content = (slides[c].tolist() for c in ("patient", "slide", "hash"))

    def told(members: Sequence[int]) -> tuple[list[str], list[str]]:
        return sorted({patient[i] for i in members}), [name[i] for i in members]

    equal = [g for g in same_codes(prints) if "" in (own := {content[i] for i in g}) or len(own) > 1]
    near = near_copies(prints, patient, paths, read)
    found = [
        *copied_files(slides, parts),
        *copies([told(g) for g in equal], parts, "grids hold exactly the same codes", "Equal grids"),
        *copies(
            [told(pair) for pair in near if content[pair[0]] != content[pair[1]] or not content[pair[0]]],
            parts,
            "grids show the same tissue, cell by cell,",
            "Near-copies of grids",
        ),
    ]
    text = f"No two of {len(slides)} slides show the same: neither by content of the file nor by their grids."
    return found or [Finding("note", "Copies of slides", text)]


def _patient_codes(patients: Sequence[str], prints: Fingerprints) -> tuple[list[str], NDArray[np.float32]]:
    """Patients in order, and the mean over the slides of each of mean codes (patients, dim)."""
    ids, place = np.unique(np.asarray(patients), return_inverse=True)
    sums = np.zeros((len(ids), prints.mean.shape[1]))
    np.add.at(sums, place, prints.mean)
    means = sums / np.bincount(place)[:, np.newaxis]
    return [str(p) for p in ids], means.astype(np.float32)


def _known_sites(
    slides: pd.DataFrame, sites: Mapping[str, str] | None, patients: Sequence[str]
) -> dict[str, str]:
    if sites:
        return dict(sites)
    if "site" in slides:
        return dict(zip(slides["patient"], slides["site"].fillna("").astype(str), strict=True))
    return sites_of(patients)


def _listed(sites: pd.Series[Any] | None) -> list[list[str]]:
    return [] if sites is None else [[str(p), str(s)] for p, s in sites.items()]
