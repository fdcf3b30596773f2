"""What was found of encoders, as tables: long ones for machines, wide ones for people."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from histopress.core.files import whole, write_whole
from histopress.core.recipe import plain
from histopress.metrics.probe_scores import CHANGE
from histopress.studies.transfer_findings import Finding, PairResult
from histopress.studies.transfer_recipe import TransferRecipe

COLUMNS = ("encoder", "task", "method", "unit", "measure", "point", "low", "high", "guess", "cases", "groups")


@dataclass(frozen=True)
class Judged:
    """An encoder as it was asked for, and what was found of it on one task.

    Attributes:
        asked: name it was asked for by.
        result: what was found.
        gain: over the first encoder on the same tiles; none for itself, and where tiles differ.
    """

    asked: str
    result: PairResult
    gain: Finding | None = None


def write_tables(pairs: Sequence[Judged], output: Path, recipe: TransferRecipe) -> None:
    """Write transfer.csv, transfer.parquet, transfer.json and transfer.md.

    Args:
        pairs: one a pair of encoder and task.
        output: folder.
        recipe: settings, which transfer.json keeps.
    """
    names = labels(pairs)
    table = long_table(pairs)
    write_whole(output / "transfer.csv", table.to_csv(index=False, lineterminator="\n"))
    with whole(output / "transfer.parquet") as partial:
        table.to_parquet(partial, index=False)
    facts = {
        "recipe": plain(recipe),
        "pairs": [{"asked": p.asked, "label": names[p.asked], **_finite(plain(p.result))} for p in pairs],
    }
    write_whole(output / "transfer.json", json.dumps(facts, indent=2) + "\n")
    write_whole(output / "transfer.md", wide_tables(pairs, recipe.level))


def long_table(pairs: Sequence[Judged]) -> pd.DataFrame:
    """One row for every number that was found; see `COLUMNS`."""
    names = labels(pairs)
    rows = [
        {"encoder": names[p.asked], "task": p.result.task, **asdict(found)}
        for p in pairs
        for found in [*p.result.findings, *([p.gain] if p.gain else [])]
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def labels(pairs: Sequence[Judged]) -> dict[str, str]:
    """Asked name -> name in tables: that of the card, unless several encoders bear it."""
    cards = {p.asked: p.result.encoder for p in pairs}
    names = list(cards.values())
    return {asked: card if names.count(card) == 1 else asked for asked, card in cards.items()}


def headline_table(pairs: Sequence[Judged]) -> str:
    """The headline score of the linear probe by tile, as a Markdown table; empty without pairs."""
    return _scores(pairs, lambda pair: pair.result.find("linear")) if pairs else ""


def wide_tables(pairs: Sequence[Judged], level: float) -> str:
    """A page of Markdown: encoders down; tasks across for scores, measures across for all else."""
    sure = (
        f"In brackets: {level:.0%} intervals with groups as what varies (jackknife of few, bootstrap of "
        f"many); for few-shot probes the middle {level:.0%} of the draws."
    )
    parts = ["# How good are the encoders?", _tasks(pairs), sure]
    for title, words, find in _questions(pairs):
        parts += [f"## {title}", words, _scores(pairs, _of_result(find))]
    if any(p.gain for p in pairs):
        title = f"## Linear probe, by tile: gain over {labels(pairs)[pairs[0].asked]}"
        parts += [title, "On the same tiles.", _scores(pairs, lambda pair: pair.gain)]
    parts += ["## Turned, mirrored and stained anew", STEADY, _means(pairs, _steadiness(pairs))]
    parts += [
        "## What the codes are like",
        "Means over the tasks, of the training parts.",
        _means(pairs, SPREAD),
    ]
    return "\n\n".join(parts) + "\n"


Find = Callable[[PairResult], Finding | None]

STEADY = (
    "Means over the tasks. Cosines between the code of a tile and that of the same tile turned, mirrored or "
    "stained anew, of codes as they are and (std) standardised, as a large common mean flatters raw ones; "
    "median and 5th percentile (p5). Gain: of the headline score of the linear probe when the test tiles are "
    "stained anew."
)
SPREAD = {
    name.replace("_", " "): ("codes", name)
    for name in ("effective_dimension", "participation_ratio", "dead_share")
}


def _questions(pairs: Sequence[Judged]) -> list[tuple[str, str, Find]]:
    """Title, words and numbers of every table of scores."""
    shots = {f.method for p in pairs for f in p.result.findings if f.method.endswith("-shot")}
    by_group = "Mean answer of the tiles of a group that share a label."
    found = [
        ("Linear probe, by tile", "Logistic, or ridge for numbers.", _finder("linear")),
        ("Linear probe, by group", by_group, _finder("linear", unit="group")),
        (
            "Linear probe, balanced accuracy by tile",
            "The likeliest class is called.",
            _finder("linear", "balanced_accuracy"),
        ),
        ("Nearest neighbours, by tile", "By the cosine of standardised codes.", _finder("neighbours")),
    ]
    for method in sorted(shots, key=lambda name: int(name.removesuffix("-shot"))):
        words = f"{method}, by tile: nearest centroid"
        found.append((words, "Mean over draws of the labelled tiles.", _finder(method)))
    return found


def _of_result(find: Find) -> Callable[[Judged], Finding | None]:
    return lambda pair: find(pair.result)


def _finder(method: str, measure: str = "", unit: str = "tile") -> Find:
    return lambda result: result.find(method, measure, unit)


def _steadiness(pairs: Sequence[Judged]) -> dict[str, tuple[str, str]]:
    """Words -> method and measure."""
    findings = [f for p in pairs for f in p.result.findings]
    stains = dict.fromkeys(f.method for f in findings if f.measure.endswith(CHANGE))
    found = {
        "turned": ("turned", "cosine_median"),
        "turned p5": ("turned", "cosine_5th_percentile"),
        "turned, std": ("turned", "standardised_cosine_median"),
        "turned, std p5": ("turned", "standardised_cosine_5th_percentile"),
    }
    for stain in stains:
        found[stain] = (stain, "cosine_median")
        found[f"{stain}, std"] = (stain, "standardised_cosine_median")
        found[f"{stain}, gain"] = (stain, CHANGE)
    return found


def _means(pairs: Sequence[Judged], columns: Mapping[str, tuple[str, str]]) -> str:
    """Encoders down, measures across: means over the tasks."""
    rows = []
    for asked, name in labels(pairs).items():
        findings = [f for p in pairs if p.asked == asked for f in p.result.findings]
        cells = []
        for method, measure in columns.values():
            values = [f.point for f in findings if f.method == method and _is(f, measure)]
            cells.append(_number(float(np.mean(values))) if values else "-")
        rows.append([name, *cells])
    return _markdown(["encoder", *columns], rows)


def _is(found: Finding, measure: str) -> bool:
    return found.measure.endswith(CHANGE) if measure == CHANGE else found.measure == measure


def _scores(pairs: Sequence[Judged], find: Callable[[Judged], Finding | None]) -> str:
    """Encoders down, tasks across, and the mean over tasks where every task is scored alike."""
    tasks = list(dict.fromkeys(p.result.task for p in pairs))
    cells = {(p.asked, p.result.task): find(p) for p in pairs}
    kinds = {found.measure.removeprefix("macro_") for found in cells.values() if found is not None}
    alike = len(kinds) == 1 and len(tasks) > 1
    rows = []
    for asked, name in labels(pairs).items():
        row = [cells.get((asked, task)) for task in tasks]
        points = [found.point for found in row if found is not None]
        mean = [_number(float(np.mean(points))) if len(points) == len(tasks) else "-"] * alike
        rows.append([name, *map(_cell, row), *mean])
    return _markdown(["encoder", *tasks, *["mean"] * alike], rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(found: Finding | None) -> str:
    if found is None or math.isnan(found.point):
        return "-"
    limits = f" [{found.low:.2f}, {found.high:.2f}]" if math.isfinite(found.low) else ""
    return f"{_number(found.point)}{limits}"


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _tasks(pairs: Sequence[Judged]) -> str:
    """What the tasks are, in a line each."""
    lines = []
    for result in {p.result.task: p.result for p in pairs}.values():
        found = result.find("linear")
        if found is not None:
            lines.append(
                f"- {result.task}: {result.kind}, {found.measure.replace('_', ' ')}, "
                f"{found.cases} tiles of {found.groups} groups in the test part; chance {found.guess:g}"
            )
    return "\n".join(lines)


def _finite(value: object) -> dict[str, object]:
    """Plain values with None for NaN, which JSON lacks."""
    text = json.dumps(value)
    found: dict[str, object] = json.loads(text, parse_constant=lambda _: None)
    return found
