"""The model card of a run: what it is for, what it learned from, how good it is, and where it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from histopress.core.files import quick_hash, write_whole
from histopress.metrics.flow import read_flow
from histopress.metrics.report_inputs import FLOW_FILE, LEAKAGE_FILE, RUN_FILE

CARD_FILE = "MODEL_CARD.md"
PREDICTIONS_FILE = "predictions.csv"


def write_model_card(run: Path, facts: Mapping[str, Any]) -> Path:
    """Write `MODEL_CARD.md` into the folder of a run.

    Args:
        run: folder that `train` wrote.
        facts: what `evaluate` told; results of other tables are left out.

    Returns:
        The file.
    """
    record = json.loads((run / RUN_FILE).read_text(encoding="utf-8"))
    heads = sorted((run / "folds").iterdir())
    card = json.loads((heads[0] / "card.json").read_text(encoding="utf-8"))
    mark = quick_hash(run / PREDICTIONS_FILE)
    results = [result for result in facts["results"] if mark in str(result["source"])]
    parts = [
        f"# {', '.join(str(r['target']) for r in results) or record['inputs']['target']}: model card",
        _what(card, len(heads), results),
        "## How good it is\n\n" + _scores(results),
        "## What it learned from\n\n" + _flow(run),
        "## What was noticed\n\n" + _leaks(run),
        "## What it needs\n\n" + _needs(card),
        "## What it is not for\n\n" + LIMITS,
        "## Settings\n\n" + _settings(record),
    ]
    file = run / CARD_FILE
    write_whole(file, "\n\n".join(parts) + "\n")
    return file


LIMITS = (
    "Research use only. It was judged on patients of its own cohort; other scanners, stains and hospitals "
    "may well do worse: judge it on some of yours first (`histopress predict`, then `histopress evaluate`). "
    "It has no say in the diagnosis of any single patient."
)


def _what(card: Mapping[str, Any], heads: int, results: Sequence[Mapping[str, Any]]) -> str:
    told = "; ".join(f"{r['target']} ({r['kind']}{_classes(r)})" for r in results if r["kind"])
    case = "all slides of a patient together" if card.get("joint") else "a slide; a patient gets the mean"
    return (
        f"Predicts {told or 'what the table of predictions tells'} from whole-slide images.\n\n"
        f"- {heads} heads `{card['name']}` on grids of encoder `{card['encoder'].get('name')}`; for new "
        f"patients their answers are averaged\n- answers for {case}"
    )


def _classes(result: Mapping[str, Any]) -> str:
    names = list(result.get("classes") or {})
    return f": {', '.join(names)}" if names else ""


def _scores(results: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| target | score | value | interval | by |", "| --- | --- | --- | --- | --- |"]
    for result in results:
        for score in result["scores"]:
            limits = f"{_number(score['low'])} to {_number(score['high'])}"
            row = (result["target"], score["label"], _number(score["value"]), limits, score["method"])
            lines.append(f"| {' | '.join(map(str, row))} |")
    return "On patients that the answering head has not seen; the report tells more.\n\n" + "\n".join(lines)


def _flow(run: Path) -> str:
    path = run / FLOW_FILE
    if not path.exists():
        return "It is not known how the cohort came about."
    return "\n".join(
        f"- {s.step}: {s.patients} patients, {s.slides} slides" + (f" ({s.reason})" if s.reason else "")
        for s in read_flow(path)
    )


def _leaks(run: Path) -> str:
    path = run / LEAKAGE_FILE
    findings = json.loads(path.read_text(encoding="utf-8"))["findings"] if path.exists() else []
    told = [f"- {f['level']}: {f['title']}. {f['text']}" for f in findings if f["level"] != "note"]
    return (
        "\n".join(told)
        or "No shared patients, no copied slides, and no site that tells the label were found."
    )


def _needs(card: Mapping[str, Any]) -> str:
    encoder = card["encoder"]
    return (
        f"- grids of encoder `{encoder.get('name')}` (identity `{encoder.get('identity')}`, "
        f"{encoder.get('spacing')} um/px, tiles of {encoder.get('tile')} px, licence "
        f"{encoder.get('licence') or 'not stated'}); others are refused\n"
        "- or the slides themselves, whose grids are then made: "
        "`histopress predict model.safetensors SLIDES -o predictions.csv`"
    )


def _settings(record: Mapping[str, Any]) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in record["recipe"].items()]
    versions = ", ".join(f"{name} {number}" for name, number in record["environment"].items())
    return "```toml\n" + "\n".join(lines) + f"\n```\n\nRun `{record['identity']}`, made with {versions}."


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
