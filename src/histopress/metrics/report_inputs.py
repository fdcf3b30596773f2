"""The tables that are evaluated, and what lies beside them: run record, cohort flow, leakage report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from histopress.core.errors import PredictionsError
from histopress.core.files import quick_hash
from histopress.data.predictions_foreign import read_any
from histopress.metrics.case_arrays import usable
from histopress.metrics.evaluate import EvaluateRecipe
from histopress.metrics.flow import FlowStep, flow_of_table, read_flow, with_evaluated
from histopress.metrics.report_cohort import Known

RUN_FILE, LEAKAGE_FILE, FLOW_FILE = "run.json", "leakage.json", "flow.csv"


@dataclass(frozen=True)
class Finding:
    """One finding of the leakage report: level is problem, warning or note."""

    level: str
    title: str
    text: str


@dataclass(frozen=True)
class Input:
    """One predictions table.

    Attributes:
        name: told in the report.
        path: of the file.
        fingerprint: of its bytes.
        table: valid.
        notes: how a table from elsewhere was read; empty for our own.
        record: what `run.json` beside it says; empty without.
        flow: how the cohort shrank.
        findings: of the leakage report; None without one.
    """

    name: str
    path: Path
    fingerprint: str
    table: pd.DataFrame
    notes: tuple[str, ...]
    record: dict[str, Any]
    flow: tuple[FlowStep, ...]
    findings: tuple[Finding, ...] | None

    @property
    def source(self) -> str:
        """File name and fingerprint."""
        return f"{self.path.name} (fingerprint {self.fingerprint})"

    @property
    def targets(self) -> list[str]:
        """Label columns that have something to evaluate."""
        return list(map(str, usable(self.table)["target"].unique()))

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "table": self.name,
            "file": self.path.name,
            "fingerprint": self.fingerprint,
            "rows": len(self.table),
            "notes": list(self.notes),
            "run": self.record.get("identity"),
            "flow": [step.plain for step in self.flow],
            "leakage": None if self.findings is None else [vars(f) for f in self.findings],
        }


def read_inputs(paths: Sequence[Path], recipe: EvaluateRecipe, known: Known) -> list[Input]:
    """Read all tables and what lies beside them.

    Raises:
        PredictionsError: a table is broken, given twice, or holds nothing to evaluate.
    """
    return [_read(path, name, recipe, known) for path, name in zip(paths, _names(paths), strict=True)]


def _read(path: Path, name: str, recipe: EvaluateRecipe, known: Known) -> Input:
    table, notes = read_any(path, recipe, known.slides)
    if usable(table).empty:
        parts = ", ".join(f"{n} of part {part}" for part, n in table["part"].value_counts().items())
        labelled = int((table["truth"] != "").sum())
        raise PredictionsError(
            f"{path} has no row to evaluate: found {parts or 'no rows'}, {labelled} with a truth; expected "
            "rows of part test or new with a truth; give `predict` a cohort table that holds the label"
        )
    beside = path.resolve().parent
    given = (beside / FLOW_FILE).is_file()
    flow = with_evaluated(read_flow(beside / FLOW_FILE), table) if given else flow_of_table(table)
    return Input(
        name=name,
        path=path,
        fingerprint=quick_hash(path),
        table=table,
        notes=notes,
        record=_json(beside / RUN_FILE),
        flow=flow,
        findings=_findings(beside / LEAKAGE_FILE),
    )


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PredictionsError(f"{path} cannot be read: {error}; mend it or take it away") from error
    return found if isinstance(found, dict) else {}


def _findings(path: Path) -> tuple[Finding, ...] | None:
    if not path.is_file():
        return None
    found = _json(path).get("findings", [])
    return tuple(
        Finding(str(f.get("level", "note")), str(f.get("title", "")), str(f.get("text", ""))) for f in found
    )


def _names(paths: Sequence[Path]) -> list[str]:
    """File names without ending; as much of the folders as tells them apart, and no name that all share."""
    ways = [p.resolve().with_suffix("").parts for p in paths]
    shared = len(paths) > 1 and len({way[-1] for way in ways}) == 1
    for parts in range(1, max(map(len, ways))):
        names = ["/".join(way[-parts:-1] if shared and parts > 1 else way[-parts:]) for way in ways]
        if len(set(names)) == len(paths):
            return names
    raise PredictionsError("a predictions table is given twice, expected different files; name each once")
