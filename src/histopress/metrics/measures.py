"""Which scores are told for which kind of target; the first is the headline."""

from __future__ import annotations

from histopress.metrics.case_arrays import Cases
from histopress.metrics.measure import FEW, Measure
from histopress.metrics.measures_classes import BINARY, MULTICLASS
from histopress.metrics.measures_limits import recalls
from histopress.metrics.measures_numbers import REGRESSION
from histopress.metrics.measures_ordinal import ORDINAL
from histopress.metrics.measures_survival import SURVIVAL, survival_measures

__all__ = [
    "BINARY",
    "FEW",
    "MULTICLASS",
    "ORDINAL",
    "REGRESSION",
    "SURVIVAL",
    "Measure",
    "measures",
    "recalls",
]


def measures(cases: Cases) -> tuple[Measure, ...]:
    """The scores of a kind of target; the first is the headline."""
    if cases.kind == "survival":
        return survival_measures(cases)
    return {"binary": BINARY, "multiclass": MULTICLASS, "ordinal": ORDINAL, "regression": REGRESSION}[
        cases.kind
    ]
