"""How a cohort came down to the cases that were learned from: who was left out, and why."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from histopress.core.failures import Failures
from histopress.core.files import write_whole
from histopress.data.cohort import Cohort

FLOW_FILE = "flow.csv"


@dataclass(frozen=True)
class Step:
    """Patients and slides that came in, were left out, or are left.

    Attributes:
        step: "in the table", "left out", or "learned and tested".
        patients: how many; of those left out, those of whom no slide is left.
        slides: how many.
        reason: why, for those left out.
    """

    step: str
    patients: int
    slides: int
    reason: str = ""


@dataclass(frozen=True)
class Flow:
    """The steps, first to last."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def of(cls, cohort: Cohort, slides: pd.DataFrame, failures: Failures) -> Flow:
        """From the table to the slides that are used.

        Args:
            cohort: as it was read.
            slides: `patient` and `slide` of those that are used.
            failures: of the others, with reasons.
        """
        known = pd.concat([cohort.table[["patient", "slide"]], cohort.left_out], ignore_index=True)
        reasons: dict[str, set[str]] = defaultdict(set)
        reasons["no label"] |= set(cohort.left_out["slide"])
        failed = {failure.item: _short(failure.reason) for failure in failures.items}
        for slide in cohort.table["slide"]:
            if slide in failed:
                reasons[failed[slide]].add(slide)
        steps = [Step("in the table", known["patient"].nunique(), len(known))]
        left = known
        for reason, lost in reasons.items():
            rest = left[~left["slide"].isin(lost)]
            if len(rest) < len(left):
                patients = left["patient"].nunique() - rest["patient"].nunique()
                steps.append(Step("left out", patients, len(left) - len(rest), reason))
            left = rest
        used = slides["patient"].nunique()
        return cls((*steps, Step("learned and tested", used, len(slides))))

    def narrowed(self, slides: pd.DataFrame, reason: str) -> Flow:
        """The same with fewer slides left, for a reason."""
        *steps, last = self.steps
        patients, count = slides["patient"].nunique(), len(slides)
        lost = Step("left out", last.patients - patients, last.slides - count, reason)
        return Flow((*steps, lost, Step(last.step, patients, count)))

    def write(self, folder: Path) -> None:
        """As `flow.csv`."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["step", "patients", "slides", "reason"])
        rows.writerows((s.step, s.patients, s.slides, s.reason) for s in self.steps)
        write_whole(folder / FLOW_FILE, text.getvalue())


def _short(reason: str) -> str:
    """A reason that many slides can share: without what tells one file from another."""
    return "no grid" if "no such grid" in reason else "damaged grid"
