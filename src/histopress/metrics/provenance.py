"""Provenance: which files, settings, versions and seeds the figures come from."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from histopress.core.recipe import plain
from histopress.metrics.evaluate import EvaluateRecipe
from histopress.metrics.report_html import card, cell, line, paragraph, table
from histopress.metrics.report_inputs import Input

LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "lifelines")
LONGEST = 160


def provenance(inputs: Sequence[Input], recipe: EvaluateRecipe, version: str) -> str:
    """Cards: one of the evaluation, one of every table."""
    cards = [card("This evaluation", _pairs(_evaluation(recipe, version)))]
    for i in inputs:
        told = [("file", i.source), *((("how it was read", " ".join(i.notes)),) if i.notes else ())]
        content = _pairs([*told, *_record(i.record)])
        if not i.record:
            content += paragraph(
                "No run.json lies beside the table, so nothing is known of how the models were trained.",
                "soft",
            )
        cards.append(card(i.name, content))
    return "".join(cards)


def versions() -> dict[str, str]:
    """Of the libraries that shape the figures."""
    return {name: _version(name) for name in LIBRARIES}


def flat(settings: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Settings inside settings as "outer.inner", values as short text."""
    found: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping):
            found += flat(value, name)
        elif value is not None and value not in ("", []):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            found.append((name, text if len(text) <= LONGEST else f"{text[:LONGEST]}..."))
    return found


def _evaluation(recipe: EvaluateRecipe, version: str) -> list[tuple[str, str]]:
    libraries = ", ".join(f"{name} {number}" for name, number in versions().items())
    settings = ", ".join(f"{name} {value}" for name, value in flat(plain(recipe)))
    return [
        ("histopress", version),
        ("python", platform.python_version()),
        ("libraries", libraries),
        ("settings", settings),
    ]


def _record(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A line for each part of `run.json`."""
    if not record:
        return []
    told = [("run", str(record.get("identity", "unknown")))]
    for part, name in (("recipe", "training"), ("inputs", "inputs"), ("environment", "trained with")):
        settings = flat(record.get(part) or {})
        if settings:
            told.append((name, ", ".join(f"{key} {value}" for key, value in settings)))
    return told


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    return table(["", ""], [line(name, [cell(text)]) for name, text in pairs], "pairs")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
