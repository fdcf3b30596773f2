"""What a user says about clinical tables whose columns are not recognised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TimeUnit = Literal["days", "months", "years"]


@dataclass(frozen=True)
class CohortOptions:
    """Settings of `histopress cohort` for clinical tables of one's own; official files need none.

    Attributes:
        patient: column of patient ids in the clinical table; the usual names are recognised, here and below.
        label: column of the outcome, or of the event for survival.
        positive: values of it that mean yes (responder, desmoplastic, event); all others then mean no.
        cut: for an outcome in numbers: this or more means yes.
        time: column of the time from the start to the event or the end of follow-up.
        time_unit: of that column, where its name does not tell.
        slide: column of slide ids or file names in the table of slides.
        covariates: further columns to carry along; age, sex, stage, site and split are recognised.
    """

    patient: str | None = None
    label: str | None = None
    positive: tuple[str, ...] = ()
    cut: float | None = None
    time: str | None = None
    time_unit: TimeUnit | None = None
    slide: str | None = None
    covariates: tuple[str, ...] = ()
