"""Which column of a table from elsewhere means what: as users say, as tools write, or by its usual name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from histopress.core.errors import PredictionsError

if TYPE_CHECKING:
    import pandas as pd

ForeignKind = Literal["auto", "binary", "multiclass", "ordinal", "regression", "survival"]

USUAL = {
    "patient": ("patient", "patient_id", "patientid", "case", "case_id", "subject", "subject_id"),
    "slide": ("slide", "slide_id", "slide_name", "image", "image_id", "wsi"),
    "truth": ("truth", "label", "y_true", "ground_truth", "gt", "target"),
    "score": ("score", "y_score", "y_prob", "probability", "prob", "risk", "risk_score"),
    "time": ("time", "duration", "survival_time", "os_months", "os_days", "os_time", "followup"),
    "event": ("event", "dead", "death", "os_event"),
    "part": ("part", "split"),
    "run": ("run", "fold"),
}
"""Meaning -> names by which a column is known without being told; case, blanks and hyphens do not matter."""


@dataclass(frozen=True)
class ForeignColumns:
    """What the columns of a table mean; "" for what is to be found out.

    Attributes:
        truth: column of the label.
        score: column of the probability of the positive class, the number, or the risk.
        probabilities: columns of the probabilities of the classes, each COLUMN or CLASS=COLUMN.
        patient: column of the patient.
        slide: column of the slide.
        time: column of the time of the event or of the last contact.
        event: column that tells whether it was the event.
        free: columns of the chance to be event-free, each TIME=COLUMN.
        run: column of the fold.
        part: column of the part: train, tuning, test or new.
        kind: of the target.
        positive: class that `score` speaks of.
        target: name of what is predicted.
        scale: what a score of two classes is.
    """

    truth: str = ""
    score: str = ""
    probabilities: tuple[str, ...] = ()
    patient: str = ""
    slide: str = ""
    time: str = ""
    event: str = ""
    free: tuple[str, ...] = ()
    run: str = ""
    part: str = ""
    kind: ForeignKind = "auto"
    positive: str = ""
    target: str = ""
    scale: Literal["probability", "logit"] = "probability"

    def named(self) -> list[str]:
        """Every column that is named."""
        single = [getattr(self, f.name) for f in fields(self) if f.name in USUAL]
        return [c for c in (*single, *(split_name(x)[1] for x in (*self.probabilities, *self.free))) if c]


def split_name(text: str) -> tuple[str, str]:
    """CLASS=COLUMN as (class, column); ("", column) without a class."""
    name, sign, column = text.rpartition("=")
    return (name, column) if sign else ("", text)


def resolve(table: pd.DataFrame, asked: ForeignColumns, where: str) -> tuple[ForeignColumns, str]:
    """Fill in what was not said.

    Args:
        table: of text.
        asked: what was said, which always holds.
        where: name of the table, for errors.

    Returns:
        What the columns mean; and the name of the layout, "" for none that is known.

    Raises:
        PredictionsError: a column is absent, or several could be meant.
    """
    columns = list(map(str, table))
    for name in asked.named():
        if name not in columns:
            raise PredictionsError(f"{where}: no column {name!r}; {_found(columns, name)}")
    for layout, known in (("CLAM", _clam(columns)), ("STAMP", _stamp(columns))):
        if known is not None and not (asked.truth or asked.time):
            said = {f.name: getattr(asked, f.name) for f in fields(known)}
            defaults = ForeignColumns()
            return replace(known, **{k: v for k, v in said.items() if v != getattr(defaults, k)}), layout
    return _usual(columns, asked, where), ""


def column_error(where: str, columns: Iterable[object], meaning: str, flag: str) -> PredictionsError:
    """The error for a meaning that no column has."""
    return PredictionsError(
        f"{where}: which column holds the {meaning}? {_found(list(map(str, columns)))}; "
        f"say it with --{flag} COLUMN"
    )


def _found(columns: list[str], name: str = "") -> str:
    close = get_close_matches(name, columns, n=1)
    return f"found {', '.join(columns)}" + (f"; did you mean {close[0]!r}?" if close else "")


def _clam(columns: list[str]) -> ForeignColumns | None:
    """`slide_id, Y, Y_hat, p_0, p_1, ...`."""
    classes = [c.removeprefix("p_") for c in columns if re.fullmatch(r"p_\d+", c)]
    if len(classes) < 2 or not {"slide_id", "Y", "Y_hat"} <= set(columns):
        return None
    patient = "case_id" if "case_id" in columns else ""
    named = tuple(f"{c}=p_{c}" for c in sorted(classes, key=int))
    return ForeignColumns(truth="Y", probabilities=named, slide="slide_id", patient=patient)


def _stamp(columns: list[str]) -> ForeignColumns | None:
    """`PATIENT, LABEL, pred, LABEL_A, LABEL_B, ..., loss`."""
    if not {"PATIENT", "pred"} <= set(columns):
        return None
    groups = {
        c: [x for x in columns if x.startswith(f"{c}_")] for c in columns if c not in ("PATIENT", "pred")
    }
    several = {label: names for label, names in groups.items() if len(names) > 1}
    if len(several) != 1:
        return None
    ((label, names),) = several.items()
    named = tuple(f"{name.removeprefix(f'{label}_')}={name}" for name in names)
    return ForeignColumns(truth=label, probabilities=named, patient="PATIENT", target=label)


def _usual(columns: list[str], asked: ForeignColumns, where: str) -> ForeignColumns:
    taken, found = set(asked.named()), dict[str, Any]()
    for meaning, names in USUAL.items():
        if getattr(asked, meaning) or not _wanted(meaning, asked):
            continue
        fitting = [c for c in columns if _plain(c) in names and c not in taken]
        if len(fitting) > 1:
            could = " and ".join(map(repr, fitting))
            raise PredictionsError(
                f"{where}: {could} could each be the {meaning}; say which with --{meaning} COLUMN"
            )
        if fitting:
            found[meaning] = fitting[0]
    return replace(asked, **found)


def _wanted(meaning: str, asked: ForeignColumns) -> bool:
    """Whether a column of this meaning is looked for, given what was said."""
    if meaning in ("time", "event"):
        return not asked.truth and asked.kind in ("auto", "survival")
    if meaning == "truth":
        return not asked.time
    return meaning != "score" or not asked.probabilities


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())
