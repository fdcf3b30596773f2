"""Outcomes of patients as hospitals write them down -> yes or no, and a time in months."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from histopress.core.errors import CohortError
from histopress.data.cohort_checks import Problems
from histopress.data.cohort_columns import code, find_column, in_months, need_column, unit_of
from histopress.data.cohort_options import CohortOptions, TimeUnit

if TYPE_CHECKING:
    import pandas as pd

YES = {"1", "yes", "y", "true", "positive", "pos"}
NO = {"0", "no", "n", "false", "negative", "neg"}


@dataclass(frozen=True)
class Outcome:
    """What a recipe asks of a clinical table.

    Attributes:
        made: column that is made of it.
        names: of columns that are recognised, as `plain` writes them.
        yes: values that mean yes, beside those that always do.
        no: values that mean no.
        written: no and yes in the column that is made.
        inverted: names of columns in which yes means that it did not happen, such as censored.
        time: column of months that is made; "" where the outcome has no time.
        times: names of columns of times.
        timeless: whether a table without a time will do.
    """

    made: str
    names: tuple[str, ...]
    yes: frozenset[str] = frozenset()
    no: frozenset[str] = frozenset()
    written: tuple[str, str] = ("no", "yes")
    inverted: tuple[str, ...] = ()
    time: str = ""
    times: tuple[str, ...] = ()
    timeless: bool = True


GROWTH = Outcome(
    made="desmoplastic",
    names=("desmoplastic", "growth_pattern", "hgp", "histopathological_growth_pattern", "dhgp", "pattern"),
    yes=frozenset({"desmoplastic", "dhgp", "d-hgp", "d"}),
    no=frozenset(
        {
            "non-desmoplastic", "nondesmoplastic", "non desmoplastic", "ndhgp", "non-dhgp",
            "replacement", "rhgp", "pushing", "phgp", "mixed",
        }
    ),
)  # fmt: skip
SURVIVAL = Outcome(
    made="dead",
    names=(
        "dead", "death", "died", "deceased", "os_event", "event_os", "os_status", "vital_status",
        "event", "status",
    ),
    yes=frozenset({"dead", "deceased", "died", "death"}),
    no=frozenset({"alive", "living", "censored", "lost to follow-up"}),
    written=("0", "1"),
    inverted=("censored", "censorship", "censoring", "alive"),
    time="os_months",
    times=(
        "os_months", "os_days", "os_years", "os_time", "overall_survival_months", "overall_survival_days",
        "overall_survival", "survival_months", "survival_days", "survival_years", "survival_time", "survival",
        "follow_up_months", "follow_up_days", "followup_months", "followup_days", "follow_up", "os", "time",
    ),
    timeless=False,
)  # fmt: skip
RECURRENCE = Outcome(
    made="recurred",
    names=(
        "recurrence", "recurred", "relapse", "relapsed", "progression", "progressed", "rfs_event",
        "dfs_event", "pfs_event", "rfs_status", "dfs_status", "pfs_status", "event", "status",
    ),
    yes=frozenset({"recurred", "recurrence", "relapse", "relapsed", "progressed", "progression"}),
    no=frozenset({"no recurrence", "disease-free", "disease free", "censored"}),
    written=("0", "1"),
    inverted=("censored", "censorship", "disease_free"),
    time="rfs_months",
    times=(
        "rfs_months", "rfs_days", "rfs_time", "dfs_months", "dfs_days", "dfs_time", "pfs_months", "pfs_days",
        "time_to_recurrence_months", "time_to_recurrence_days", "time_to_recurrence", "months_to_recurrence",
        "days_to_recurrence", "rfs", "dfs", "time",
    ),
)  # fmt: skip
RESPONSE = Outcome(
    made="responder",
    names=("responder", "response", "treatment_response", "best_response", "recist", "pcr", "outcome"),
    yes=frozenset(
        {
            "responder", "response", "complete response", "partial response",
            "cr", "pr", "pcr", "complete", "partial",
        }
    ),
    no=frozenset(
        {"non-responder", "nonresponder", "non responder", "no response", "stable disease",
         "progressive disease", "sd", "pd", "non-pcr", "stable", "progressive"}
    ),
)  # fmt: skip


@dataclass(frozen=True)
class OutcomeReader:
    """How one clinical table tells an outcome: the columns, and what their values mean."""

    outcome: Outcome
    options: CohortOptions
    label: str
    inverted: bool
    time: str | None
    unit: TimeUnit

    @classmethod
    def of(cls, table: pd.DataFrame, outcome: Outcome, options: CohortOptions, where: str) -> OutcomeReader:
        """Recognise the columns, or say which flag names them."""
        label = need_column(
            table,
            f"outcome ({outcome.made})",
            (*outcome.names, *outcome.inverted),
            where,
            asked=options.label,
            flag="--label",
        )
        inverted = find_column([label], outcome.inverted) is not None and not options.positive
        time = _time_column(table, outcome, options, where)
        unit = options.time_unit or (unit_of(time) if time else "months")
        if unit is None:
            raise CohortError(
                where,
                [
                    f"column {time!r} does not tell its unit; "
                    "add --time-unit days, months or years, as the table means it"
                ],
            )
        return cls(outcome, options, label, inverted, time, unit)

    def read(self, number: int, cells: Mapping[str, str], problems: Problems) -> tuple[dict[str, str], str]:
        """One patient's columns, and "" or why the patient is left out."""
        answer = self._answer(number, cells[self.label], problems)
        if answer is None:
            return {}, f"no {self.label}"
        row = {self.outcome.made: self.outcome.written[answer]}
        if self.time is None:
            return row, ""
        written = cells[self.time].strip()
        if code(written) == "":
            return {}, f"no {self.time}"
        try:
            row[self.outcome.time] = in_months(written, self.unit)
        except ValueError:
            problems.add(
                "time", number, f"{self.time} is {written!r}, expected {self.unit} from 0 up; correct it"
            )
        return row, ""

    def _answer(self, number: int, cell: str, problems: Problems) -> bool | None:
        """Yes or no; None where the table does not say."""
        value = code(cell)
        if value == "":
            return None
        if self.options.cut is not None:
            try:
                return float(value) >= self.options.cut
            except ValueError:
                problems.add("number", number, f"{self.label} is {cell!r}, expected a number; correct it")
                return False
        if self.options.positive:
            return value in {code(word) for word in self.options.positive}
        if value in YES | self.outcome.yes:
            return not self.inverted
        if value not in NO | self.outcome.no:
            problems.add(
                "unknown value",
                number,
                f"{self.label} is {cell!r}, expected yes, no, 1, 0 or a known name of either; "
                "say which values mean yes with --positive",
            )
        return self.inverted


def _time_column(table: pd.DataFrame, outcome: Outcome, options: CohortOptions, where: str) -> str | None:
    if not outcome.time:
        if options.time is not None:
            raise CohortError(where, [f"{outcome.made} has no time; leave out --time"])
        return None
    if outcome.timeless and options.time is None:
        return find_column(table.columns, outcome.times)
    return need_column(table, "time", outcome.times, where, asked=options.time, flag="--time")
