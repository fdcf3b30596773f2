"""Whether the site stands in for the label: a model can then learn stain and scanner instead of disease."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.data.splits import Fold
from histopress.heads.leakage_chance import (
    Telling,
    association_p,
    correlation_ratio,
    cramers_v,
    groups_from_codes,
    groups_from_groups,
    numbers_from_groups,
)
from histopress.heads.leakage_finding import Finding
from histopress.heads.leakage_labels import Label
from histopress.heads.leakage_patients import TCGA

SURE = 0.01
"""P value below which site and label are said to be associated."""

WHOLLY = 0.9
"""Balanced accuracy of telling the label by the site from which the two cannot be told apart."""

SITE_PATIENTS = 5
"""Patients of a site below which it counts among the small sites."""

SMALL = "(small sites)"


@dataclass(frozen=True)
class SiteAnswers:
    """What was measured of sites.

    Attributes:
        findings: in words.
        measured: the numbers.
    """

    findings: tuple[Finding, ...]
    measured: dict[str, Any]


def sites_of(patients: Sequence[str]) -> dict[str, str]:
    """Sites that TCGA barcodes name (tissue source site); empty unless all patients have barcodes."""
    if not patients or not all(TCGA.fullmatch(p) for p in patients):
        return {}
    return {p: p.split("-")[1].upper() for p in patients}


def ask_sites(
    sites: Mapping[str, str],
    labels: Sequence[Label],
    patients: Sequence[str],
    codes: NDArray[np.float32],
    folds: Sequence[Fold],
) -> SiteAnswers:
    """How sites, labels and codes tell each other.

    Args:
        sites: by patient; "" where unknown.
        labels: targets.
        patients: (patients,) ids of the codes.
        codes: (patients, dim) mean codes.
        folds: splits by patient.
    """
    known = {p: sites[p] for p in patients if sites.get(p)}
    named = _merged(known)
    if len(set(named.values())) < 2:
        text = (
            f"{len(known)} of {len(patients)} patients have a site, and not two sites have {SITE_PATIENTS} "
            "patients: whether the site stands in for the label was not asked. Add a column `site` if there "
            "are several."
        )
        return SiteAnswers((Finding("note", "Sites", text),), {})
    row = {p: i for i, p in enumerate(patients)}
    kept = sorted(named)
    seen = groups_from_codes(codes[[row[p] for p in kept]], _numbers([named[p] for p in kept]))
    told = [_associated(label, named, _held_out(sites, folds)) for label in labels]
    tied = any(finding.level != "note" for finding, _ in told)
    measured = {
        "sites": len(set(named.values())),
        "codes_tell_site": vars(seen),
        "labels": {label.name: numbers for label, (_, numbers) in zip(labels, told, strict=True)},
    }
    return SiteAnswers((*(finding for finding, _ in told), _seen(seen, tied)), measured)


def _associated(label: Label, sites: Mapping[str, str], held_out: bool) -> tuple[Finding, dict[str, Any]]:
    has = np.array([p in sites for p in label.patients], np.bool_)
    site = _numbers([sites[str(p)] for p in label.patients[has]])
    groups = _numbers(label.groups[has].tolist())
    title = f"Site and {label.name}"
    if len(site) < 2 * SITE_PATIENTS or groups.max(initial=0) < 1 or site.max(initial=0) < 1:
        text = (
            f"{len(site)} patients have a site and a label, too few of different kinds to ask whether they "
            "go together."
        )
        return Finding("note", title, text), {}
    if label.numbers is None:
        measure, name = cramers_v(site, groups), "Cramer's V"
        p = association_p(lambda dealt: cramers_v(site, dealt), groups)
        forth, unit = groups_from_groups(site, groups), "balanced accuracy"
    else:
        numbers = label.numbers[has]
        measure, name = correlation_ratio(site, numbers), "correlation ratio"
        p = association_p(lambda dealt: correlation_ratio(site, dealt), numbers)
        forth, unit = numbers_from_groups(site, numbers), "R2"
    back = groups_from_groups(groups, site)
    found = (
        f"{name} {measure:.2f}, p {_p(p)}; the site tells the label of other patients with {unit} "
        f"{forth.value:.2f} ({forth.chance:.2f} by chance), the label tells the site with balanced accuracy "
        f"{back.value:.2f} ({back.chance:.2f} by chance)"
    )
    measured = {
        "association": measure,
        "p": p,
        "site_tells_label": vars(forth),
        "label_tells_site": vars(back),
    }
    return _judged(
        title, found, p, wholly=label.numbers is None and forth.value >= WHOLLY, held_out=held_out
    ), measured


def _judged(title: str, found: str, p: float, *, wholly: bool, held_out: bool) -> Finding:
    if p >= SURE:
        return Finding("note", title, f"No sign that they go together: {found}.")
    if held_out:
        text = (
            f"They go together: {found}. Every fold tests on sites that it has not learned from, so that "
            "scores do not gain by it."
        )
        return Finding("note", title, text)
    why = (
        "A model that knows the site by its stain or scanner would score well without seeing any disease, "
        "and fail elsewhere. Hold sites out (split by site), test on another cohort, and compare scores "
        "within sites."
    )
    if wholly:
        text = f"They can hardly be told apart: {found}. {why}"
        return Finding("problem", title, text)
    return Finding("warning", title, f"They go together: {found}. {why}")


def _seen(seen: Telling, tied: bool) -> Finding:
    found = (
        f"the mean codes of a patient tell its site with balanced accuracy {seen.value:.2f} "
        f"({seen.chance:.2f} by chance, p {_p(seen.p)})"
    )
    if seen.p >= SURE:
        return Finding("note", "Site in the codes", f"No sign of it: {found}.")
    if tied:
        text = (
            f"It is there: {found}. As site and label go together, part of what a model scores may be the "
            "site. Normalised stains, or an encoder that is less sensitive to them, may help; holding sites "
            "out shows it."
        )
        return Finding("warning", "Site in the codes", text)
    text = (
        f"It is there, as with most encoders: {found}. No label goes with the site: little is gained by it."
    )
    return Finding("note", "Site in the codes", text)


def _held_out(sites: Mapping[str, str], folds: Sequence[Fold]) -> bool:
    """Whether every fold tests on sites of nobody that it learns from."""
    tested = [fold for fold in folds if fold.test]
    return bool(tested) and all(
        {sites.get(p, "") for p in fold.test}.isdisjoint(
            {sites.get(p, "") for p in (*fold.train, *fold.tuning)}
        )
        for fold in tested
    )


def _merged(sites: dict[str, str]) -> dict[str, str]:
    """Small sites as one; nobody of them if even that one is small."""
    sizes = Counter(sites.values())
    merged = {p: s if sizes[s] >= SITE_PATIENTS else SMALL for p, s in sites.items()}
    sizes = Counter(merged.values())
    return {p: s for p, s in merged.items() if sizes[s] >= SITE_PATIENTS}


def _numbers(names: Sequence[Any]) -> NDArray[np.int64]:
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)


def _p(p: float) -> str:
    return f"at most {p:.3f}" if p < 0.0051 else f"{p:.2f}"
