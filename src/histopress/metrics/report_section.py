"""A section of the report: one question about one result, with its answer as HTML, plain values and rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.metrics.case_arrays import Cases
from histopress.metrics.cases import Answers
from histopress.metrics.evaluate import EvaluateRecipe
from histopress.metrics.intervals import draw_resamples
from histopress.metrics.report_cohort import Known
from histopress.metrics.results import Result, Sureness


@dataclass(frozen=True)
class Section:
    """What is told.

    Attributes:
        name: of its CSV and in the JSON.
        title: for readers.
        html: cards; "" where nothing could be told.
        facts: plain values for the JSON.
        rows: of the CSV.
        methods: sentence for a paper, "" for none.
        reason: why nothing is told; "" where something is.
        table: name of the predictions table, filled in later.
        target: label column, filled in later.
    """

    name: str
    title: str
    html: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[dict[str, Any], ...] = ()
    methods: str = ""
    reason: str = ""
    table: str = ""
    target: str = ""

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values for JSON; None for what is undefined."""
        return {"reason": self.reason} if self.reason else finite(dict(self.facts))


@dataclass(frozen=True)
class Inquiry:
    """All that a section may need to know of one result.

    Attributes:
        result: the scores.
        recipe: what is asked.
        known: what else is known of the patients.
    """

    result: Result
    recipe: EvaluateRecipe
    known: Known

    @property
    def cases(self) -> Cases:
        """Every patient once."""
        return self.result.cases

    @property
    def answers(self) -> Answers:
        """Also fold by fold, and of the tuning part."""
        return self.result.answers

    @property
    def sureness(self) -> Sureness:
        """How intervals are made."""
        return Sureness(self.recipe.resamples, self.recipe.seed, self.recipe.confidence)

    @property
    def level(self) -> float:
        """Confidence of the intervals."""
        return self.recipe.confidence

    @cached_property
    def counts(self) -> NDArray[np.uint16]:
        """Draws of the patients, whatever their class."""
        return draw_resamples(self.cases.patients, None, self.recipe.resamples, self.recipe.seed)

    @cached_property
    def tuning(self) -> dict[str, Cases]:
        """Patients of the tuning part by the fold that answers for the tested ones.

        Answers of an ensemble, "mean", come with the tuning patients of all its models, less those that are
        tested.
        """
        tuned, needed = self.answers.tuning, set(self.cases.fold.tolist())
        if needed <= set(tuned):
            return {fold: tuned[fold] for fold in sorted(needed)}
        tested = self.cases.patients
        kept = {fold: part.at(~np.isin(part.patients, tested)) for fold, part in tuned.items()}
        return {fold: part for fold, part in kept.items() if len(part)}


def finite(value: Any) -> Any:
    """Plain values for JSON: numbers of Python, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
