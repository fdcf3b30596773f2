"""What a plan of nCAMELYON holds, in numbers; and what to say if it holds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from histopress.core.errors import PatchError
from histopress.core.summary import Summary
from histopress.studies.ncamelyon_balance import cues
from histopress.studies.ncamelyon_cohort import Case
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe


@dataclass(kw_only=True)
class NcamelyonSummary(Summary):
    """What became of the slides.

    Attributes:
        settings: that shape the plan.
        slides: in all parts.
        left_out: why -> slides that are in no part.
        parts: part -> counts of slides, patients and lesions, crops as drawn and as kept, their mean share of
            lesion, and cues: AUROC by what should tell nothing.
    """

    settings: dict[str, Any]
    slides: int
    left_out: dict[str, int] = field(default_factory=dict)
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """One line."""
        kept = ", ".join(f"{part} {told['crops']}" for part, told in self.parts.items())
        low, high, size = self.settings["low"], self.settings["high"], self.settings["size"]
        return f"crops of {size} px, half of them with {low:.3g} to {high:.3g} lesion: {kept}"


def told_of(
    part: str, cases: Sequence[Case], lesions: pd.DataFrame, crops: pd.DataFrame, plan: pd.DataFrame
) -> dict[str, Any]:
    """What a part holds, see `NcamelyonSummary.parts`.

    Args:
        part: train, tuning or test.
        cases: slides of all parts that were read.
        lesions: rows of `Drawn.lesions`.
        crops: all that were drawn, with their part.
        plan: those that are kept.
    """
    own = [case for case in cases if case.part == part]
    told: dict[str, Any] = {"slides": len(own), "patients": len({case.patient for case in own})}
    names = [case.slide for case in own]
    told["lesions"] = int(lesions["slide"].isin(names).sum()) if len(lesions) else 0
    told |= {"drawn with lesion": 0, "drawn without": 0, "crops": 0}
    if len(crops):
        drawn, kept = crops[crops["part"] == part], plan[plan["part"] == part]
        told["drawn with lesion"], told["drawn without"] = (int((drawn["label"] == k).sum()) for k in (1, 0))
        told["crops"] = len(kept)
        if len(kept):
            told["share of lesion"] = round(float(kept.loc[kept["label"] == 1, "share"].mean()), 6)
            told["cues"] = cues(kept)
            told["cues before balancing"] = cues(drawn)
    return told


def check_parts(
    summary: NcamelyonSummary, cases: Sequence[Case], lesions: pd.DataFrame, recipe: NcamelyonRecipe
) -> None:
    """Every part has crops of both classes.

    Raises:
        PatchError: one has not; says which lesions there are.
    """
    for part, told in summary.parts.items():
        if told["crops"]:
            continue
        failed = (
            f" ({len(summary.failures)} slides failed, see failures.csv)" if len(summary.failures) else ""
        )
        own = [case.slide for case in cases if case.part == part]
        areas = _areas(lesions[lesions["slide"].isin(own)] if len(lesions) else lesions, recipe)
        found = f"{told['drawn with lesion']} with and {told['drawn without']} without lesion"
        raise PatchError(
            f"part {part}: of {told['slides']} slides{failed} come {found}, of crops of {recipe.size} px at "
            f"{recipe.spacing:g} um/px with {recipe.low:g} to {recipe.high:g} lesion; expected some of both "
            f"at equal shares of glass. {areas}; choose another band or size, other "
            f"values of {recipe.by!r} for the part, or fewer `strata`"
        )


def _areas(lesions: pd.DataFrame, recipe: NcamelyonRecipe) -> str:
    """Which lesions there are, and why they gave no crop."""
    if not len(lesions):
        return "None of them has a lesion"
    area = lesions["area"]
    shares = f"{area.min() / recipe.size**2:.2g} to {area.max() / recipe.size**2:.2g} of a crop"
    reasons = lesions.loc[lesions["why"] != "", "why"].value_counts()
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    return (
        f"There are {len(area)} lesions of {area.min()} to {area.max()} px, median {area.median():g}, which "
        f"are {shares}" + (f": {why}" if why else "")
    )
