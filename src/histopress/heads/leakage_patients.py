"""Patients on both sides of a split, ids that may be one patient's, and slide files that come twice."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd

from histopress.data.splits import Fold
from histopress.heads.leakage_finding import Finding, Parts, some

TCGA = re.compile(r"(tcga-[0-9a-z]{2}-[0-9a-z]{4})(-.*)?", re.IGNORECASE)
"""A barcode of The Cancer Genome Atlas; its first 12 characters name the patient."""


def shared_patients(folds: Sequence[Fold]) -> Finding:
    """Patients that stand in more than one part of a fold."""
    shared: dict[str, list[str]] = defaultdict(list)
    for fold in folds:
        train, tuning, test = set(fold.train), set(fold.tuning), set(fold.test)
        for patient in sorted((train & tuning) | (train & test) | (tuning & test)):
            shared[patient].append(str(fold.index))
    if not shared:
        return Finding(
            "note", "Patients and parts", f"No patient stands in two parts of any of {len(folds)} folds."
        )
    told = [f"{patient} (fold {', '.join(where)})" for patient, where in shared.items()]
    return Finding(
        "problem",
        "Patients in several parts",
        f"{len(shared)} patients stand in more than one part of a fold: {some(told)}. What is learned of a "
        "patient then counts as knowledge of unseen ones: scores are too good. Give every patient one part.",
    )


def look_alikes(slides: pd.DataFrame, parts: Parts) -> list[Finding]:
    """Different ids of patients, or names of slides, that may mean one patient.

    Args:
        slides: columns `patient` and `slide`.
        parts: of the patients.
    """
    patients = sorted(set(slides["patient"]))
    groups = _grouped((patient_key(p), p) for p in patients)
    by_slide = _grouped(
        (m[1].lower(), p)
        for p, s in zip(slides["patient"], slides["slide"], strict=True)
        if (m := TCGA.fullmatch(s))
    )
    alike = sorted({tuple(g) for g in (*groups, *by_slide)})
    if not alike:
        return []
    told = [" = ".join(group) for group in alike]
    where = "Some" if any(map(parts.apart, alike)) else "None"
    return [
        Finding(
            "warning",
            "Ids that look alike",
            f"{len(alike)} groups of ids differ only in case, blanks, signs, leading zeros or what follows a "
            f"TCGA patient barcode: {some(told)}. {where} of them are split between parts. If they are one "
            "patient, that patient is both learned from and tested on: write one id for each patient.",
        )
    ]


def patient_key(patient: str) -> str:
    """What is left of an id without case, blanks, signs and leading zeros; 12 characters of TCGA barcodes."""
    text = patient.strip().lower()
    barcode = TCGA.fullmatch(text)
    if barcode:
        return barcode[1]
    words = re.sub(r"[\W_]+", "-", re.sub(r"\s", "", text)).strip("-")
    return re.sub(r"(?<!\d)0+(?=\d)", "", words)


def copied_files(slides: pd.DataFrame, parts: Parts) -> list[Finding]:
    """Slide files with the same content under several names.

    Args:
        slides: columns `patient`, `slide` and `hash` ("" where unknown).
        parts: of the patients.
    """
    known = slides[slides["hash"] != ""]
    found = []
    for _, group in known[known["hash"].duplicated(keep=False)].groupby("hash", sort=False):
        found.append((sorted(set(group["patient"])), sorted(set(group["slide"]))))
    return copies(found, parts, "slide files have the same content (by hash)", "The same file several times")


def copies(
    found: Sequence[tuple[Sequence[str], Sequence[str]]], parts: Parts, what: str, title: str
) -> list[Finding]:
    """One finding for each level.

    Args:
        found: (patients, slides) of every group of copies.
        parts: of the patients.
        what: was found, in words.
        title: of the findings.
    """
    split = [f for f in found if len(f[0]) > 1 and parts.apart(f[0])]
    beside = [f for f in found if len(f[0]) > 1 and not parts.apart(f[0])]
    own = [f for f in found if len(f[0]) == 1]
    findings = []
    if split:
        findings.append(
            Finding(
                "problem",
                f"{title}, across parts",
                f"In {len(split)} groups, {what} under different patients that are split between parts: "
                f"{_told(split)}. The model is tested on what it has learned from. Keep one of each, under "
                "the right patient.",
            )
        )
    if beside:
        findings.append(
            Finding(
                "warning",
                f"{title}, under different patients",
                f"In {len(beside)} groups, {what} under different patients of one part: {_told(beside)}. At "
                "least one of the labels is likely another patient's. Find out whose slide it is.",
            )
        )
    if own:
        findings.append(
            Finding(
                "warning",
                f"{title}, of one patient",
                f"In {len(own)} groups, {what} of one patient: {_told(own)}. Nothing leaks, but they weigh "
                "twice in that patient's answer. Keep one of each.",
            )
        )
    return findings


def _told(found: Sequence[tuple[Sequence[str], Sequence[str]]]) -> str:
    return some([" = ".join(slides) + f" ({', '.join(patients)})" for patients, slides in found])


def _grouped(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Different names that share a key."""
    groups: dict[str, set[str]] = defaultdict(set)
    for key, name in pairs:
        groups[key].add(name)
    return [sorted(names) for names in groups.values() if len(names) > 1]
