"""Which sections a kind of target gets, in the order of the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from histopress.metrics.cases import answers
from histopress.metrics.evaluate import EvaluateRecipe
from histopress.metrics.report_chance import chance
from histopress.metrics.report_cohort import Known
from histopress.metrics.report_comparison import comparison
from histopress.metrics.report_decision import decision
from histopress.metrics.report_folds import folds
from histopress.metrics.report_horizon import horizon
from histopress.metrics.report_inputs import Input
from histopress.metrics.report_recalibration import recalibration
from histopress.metrics.report_risk_groups import groups
from histopress.metrics.report_section import Inquiry, Section
from histopress.metrics.report_subgroups import subgroups
from histopress.metrics.report_thresholds import thresholds
from histopress.metrics.results import Sureness, assess

Ask = Callable[[Inquiry], Section | None]

SECTIONS: dict[str, tuple[Ask, ...]] = {
    "binary": (thresholds, recalibration, decision, subgroups, folds, chance),
    "multiclass": (recalibration, subgroups, folds, chance),
    "ordinal": (recalibration, subgroups, folds, chance),
    "regression": (subgroups, folds, chance),
    "survival": (groups, horizon, subgroups, folds, chance),
}


def inquiries(inputs: Sequence[Input], recipe: EvaluateRecipe, known: Known) -> list[Inquiry]:
    """Score every target of every table."""
    sureness = Sureness(recipe.resamples, recipe.seed, recipe.confidence)
    return [
        Inquiry(
            replace(assess(i.name, i.source, t, answers(i.table, t), sureness), foreign=bool(i.notes)),
            recipe,
            known,
        )
        for i in inputs
        for t in i.targets
    ]


def told(inquiry: Inquiry) -> list[Section]:
    """All that can be told of one result."""
    result = inquiry.result
    found = [ask(inquiry) for ask in SECTIONS[inquiry.cases.kind]]
    return [replace(s, table=result.name, target=result.target) for s in found if s is not None]


def compared(asked: Sequence[Inquiry]) -> list[Section]:
    """A comparison for every target that several tables answer."""
    targets: dict[str, list[Inquiry]] = defaultdict(list)
    for inquiry in asked:
        targets[inquiry.result.target].append(inquiry)
    return [comparison(several) for several in targets.values() if len(several) > 1]
