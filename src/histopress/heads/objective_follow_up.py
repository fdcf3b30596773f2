"""A survival target from its columns: time and event, horizons, times of 0."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from histopress.core.errors import HeadError
from histopress.data.predictions_survival import is_survival
from histopress.heads.objective_grammar import Target
from histopress.heads.objective_labels import some
from histopress.heads.objective_survival import Survival
from histopress.heads.objectives import SURVIVAL

log = logging.getLogger(__name__)


def make_survival(target: Target, labels: pd.DataFrame) -> Survival:
    """What survival columns mean: which they are, when to tell chances, what a time of 0 counts as.

    Raises:
        HeadError: an option is missing or one too many, or the columns hold something else.
    """
    options = target.options
    told = [name for name in ("event", "censored") if name in options]
    if len(told) > 1 or ("time" in options) != bool(told):
        raise HeadError(
            f"{target.column}:survival has {' and '.join(f'{k}={v}' for k, v in options.items())}, expected "
            f"columns of times and of events: {target.column}:survival(time=COLUMN,event=COLUMN), or "
            "censored=COLUMN instead of event"
        )
    settings: dict[str, Any] = {"at": _times(target)}
    if told:
        settings |= {"time": options["time"], "event": options[told[0]], "censored": told[0] == "censored"}
    settings |= _loss_settings(target)
    return _with_times(SURVIVAL[options.get("loss", "cox")](target.column, **settings), labels)


def _loss_settings(target: Target) -> dict[str, Any]:
    """`ties` of cox and `bins` of hazards."""
    loss, options = target.options.get("loss", "cox"), target.options
    strange = {"cox": "bins", "hazards": "ties"}[loss]
    if strange in options:
        raise HeadError(f"{target.column} has {strange}={options[strange]} with loss={loss}; leave it out")
    if "bins" not in options:
        return {"ties": options["ties"]} if "ties" in options else {}
    if not options["bins"].isdigit() or int(options["bins"]) < 2:
        raise HeadError(f"bins of {target.column} is {options['bins']!r}, expected 2 or more")
    return {"bins": int(options["bins"])}


def _times(target: Target) -> tuple[float, ...]:
    written = target.several("at")
    wrong = [text for text in written if not is_survival(text) or text.endswith("+") or float(text) <= 0]
    if wrong:
        raise HeadError(f"at of {target.column} is {wrong[0]!r}, expected times above 0, such as at=12|36|60")
    return tuple(sorted({float(text) for text in written}))


def _with_times(objective: Survival, labels: pd.DataFrame) -> Survival:
    """What is taken from the whole cohort: when to tell the probability, and what a time of 0 counts as.

    Neither shapes what is learned from anybody's outcome. Times to tell are those that were asked for, or the
    deciles of the follow-up, rounded to two digits; 0 counts as half the shortest time above it.

    Raises:
        HeadError: there is no time above 0.
    """
    all_times, _ = objective.followed(labels)
    times = all_times[all_times > 0]
    if not len(times):
        raise HeadError(
            f"{objective.target} has no time above 0 over {len(labels)} patients, expected some; "
            f"check column {objective.sources[0]!r}"
        )
    deciles = np.quantile(times, np.arange(1, 10) / 10)
    at = objective.at or tuple(sorted({float(f"{time:.2g}") for time in deciles}))
    least = float(times.min()) / 2
    if (all_times == 0).any():
        who = some(map(str, labels.index[all_times == 0]))
        log.warning(
            "%s is 0 and taken as %g, half the shortest time, for patient %s", objective.target, least, who
        )
    return replace(objective, at=at, least=least)
