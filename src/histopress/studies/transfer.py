"""How good encoders are: their frozen codes judged on labelled patches, every encoder on every task."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from histopress.core.errors import EncoderError
from histopress.core.files import write_whole
from histopress.core.progress import progress
from histopress.core.recipe import build, digest, plain, read_settings
from histopress.core.summary import Summary
from histopress.data.patches import PatchSet, load_patches
from histopress.encoders.catalogue import load_encoder
from histopress.studies.transfer_answers import TestAnswers, gain
from histopress.studies.transfer_codes import CodeBook
from histopress.studies.transfer_findings import PairResult
from histopress.studies.transfer_pair import REVISION, judge_pair
from histopress.studies.transfer_picture import draw_transfer
from histopress.studies.transfer_recipe import TransferRecipe
from histopress.studies.transfer_tables import Judged, headline_table, write_tables

PatchesFor = Callable[[Path, int, float], PatchSet]
"""Task file, px a side, um/px -> the tiles of the task as an encoder wants them."""


@dataclass(kw_only=True)
class TransferSummary(Summary):
    """What became of the pairs of encoder and task.

    Attributes:
        judged: pairs that were judged now.
        known: pairs whose scores were there already.
        pairs: all of them, in the order they were asked for.
    """

    judged: int = 0
    known: int = 0
    pairs: list[Judged] = field(default_factory=list)

    @property
    def facts(self) -> dict[str, Any]:
        """Counts, and the headline score of every pair."""
        found = [(p, p.result.find("linear")) for p in self.pairs]
        scores = [
            {"encoder": p.asked, "task": p.result.task, **plain(head)}
            for p, head in found
            if head is not None
        ]
        return {"judged": self.judged, "known": self.known, "scores": scores, "failed": len(self.failures)}

    @property
    def headline(self) -> str:
        """For people."""
        counts = f"{self.judged} pairs judged, {self.known} known, {len(self.failures)} failed"
        return f"{headline_table(self.pairs)}\n{counts}; tables and picture in {self.output}"


def split_names(text: str) -> list[str]:
    """NAME,NAME,... -> names of encoders; `key=value` belongs to the name before it."""
    return [name for name in re.split(r",(?!\w+=)", text) if name]


def transfer(
    tasks: Sequence[Path],
    encoders: Sequence[str],
    root: Path | None,
    output: Path,
    recipe: TransferRecipe,
    *,
    device: str = "auto",
) -> TransferSummary:
    """Judge encoders on tasks whose data lie below one folder.

    Args:
        tasks: task files.
        encoders: see `judge_encoders`.
        root: see `patches.load_patches`.
        output: see `judge_encoders`.
        recipe: settings.
        device: see `judge_encoders`.
    """

    def patches_for(task: Path, tile: int, spacing: float) -> PatchSet:
        return load_patches(task, root, tile, spacing)

    return judge_encoders(encoders, tasks, recipe, output, patches_for, device=device)


def judge_encoders(
    encoders: Sequence[str],
    tasks: Sequence[Path],
    recipe: TransferRecipe,
    output: Path,
    patches_for: PatchesFor,
    *,
    device: str = "auto",
) -> TransferSummary:
    """Score the frozen codes of every encoder on every task; what fails is listed, and the others go on.

    Args:
        encoders: names as of `catalogue.load_encoder`, or of folders that hold an encoder.
        tasks: task files; the name of the file names the task in messages.
        recipe: settings.
        output: folder for codes, scores, tables and picture; what it holds is not computed again.
        patches_for: gives the tiles of a task at the spacing and of the size that an encoder wants.
        device: "auto" or the name torch gives a device.

    Raises:
        EncoderError: no encoder is named.
    """
    encoders, tasks = list(dict.fromkeys(encoders)), list(dict.fromkeys(tasks))
    if not encoders or not tasks:
        raise EncoderError(
            f"{len(encoders)} encoders and {len(tasks)} tasks are named; name at least one of each"
        )
    summary = TransferSummary(output=output)
    firsts: dict[Path, TestAnswers] = {}
    with progress("judge encoders", len(encoders) * len(tasks), "pairs") as bar:
        for name in encoders:
            with summary.failures.attempt(name):
                encoder = load_encoder(name)
                book = CodeBook(encoder, output / "codes", device, recipe.precision)
                for task in tasks:
                    with summary.failures.attempt(f"{name} on {task.stem}"):
                        patches = patches_for(task, encoder.card.tile, encoder.card.spacing)
                        result, told = _judged(summary, book, patches, recipe, output / "pairs")
                        found = gain(firsts[task], told, recipe.sureness) if task in firsts else None
                        summary.pairs.append(Judged(name, result, found))
                        if name == encoders[0]:
                            firsts[task] = told
                    bar.advance(note=f"{encoder.card.name} on {task.stem}")
    if summary.pairs:
        write_tables(summary.pairs, output, recipe)
        draw_transfer(summary.pairs, output / "transfer.png")
    summary.write()
    return summary


def _judged(
    summary: TransferSummary, book: CodeBook, patches: PatchSet, recipe: TransferRecipe, folder: Path
) -> tuple[PairResult, TestAnswers]:
    """One pair, from its files where they are there."""
    key = digest(REVISION, recipe, book.encoder.card.identity, patches.identity)
    scores, answers = folder / f"{key}.json", folder / f"{key}.npz"
    if scores.exists() and answers.exists():
        summary.known += 1
        result = build(PairResult, read_settings(scores), where=str(scores))
        return result, TestAnswers.load(answers, result.kind)
    result, told = judge_pair(book, patches, recipe)
    told.save(answers)
    write_whole(scores, json.dumps(plain(result), indent=2) + "\n")
    summary.judged += 1
    return result, told
