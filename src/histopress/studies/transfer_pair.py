"""One encoder on one task: every score of its frozen codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.data.patches import PatchSet
from histopress.metrics.labelled_codes import Codes, Labelled, Scale
from histopress.metrics.nearest import few_shot_answers, nearest_answers
from histopress.metrics.probe_measures import Answered, measures
from histopress.metrics.probe_scores import ProbeScore, score, score_change
from histopress.metrics.probes import LinearProbe, fit_probe
from histopress.metrics.spectrum import (
    cosines,
    dead_share,
    effective_dimension,
    eigenvalues,
    participation_ratio,
)
from histopress.studies.transfer_answers import TestAnswers
from histopress.studies.transfer_codes import ORIENTATIONS, CodeBook, stained, turned
from histopress.studies.transfer_findings import Finding, PairResult
from histopress.studies.transfer_recipe import TransferRecipe

Array = NDArray[np.float64]

REVISION = 1
"""Raised when the same codes and settings give other scores."""


def judge_pair(book: CodeBook, patches: PatchSet, recipe: TransferRecipe) -> tuple[PairResult, TestAnswers]:
    """Every score of an encoder on a task, and what its linear probe answers about the test part.

    Args:
        book: encodes.
        patches: tiles at the spacing and of the size that the encoder wants.
        recipe: settings.

    Raises:
        PatchError: the set lacks a training or test part, or has a single class.
        EncoderError: the encoder cannot take the tiles.
    """
    pair = _Pair(book, patches, recipe)
    probe = fit_probe(pair.kind, pair.classes, pair.train, pair.tuning, recipe.seed)
    answers = TestAnswers(patches.names[pair.test_rows], pair.answered(probe.answers(pair.test.codes)))
    card, task = book.encoder.card, patches.task
    result = PairResult(
        encoder=card.name,
        encoder_identity=card.identity,
        dim=card.dim,
        task=task.name,
        kind=task.kind,
        set_identity=patches.identity,
        strengths=list(probe.strengths),
        findings=[*pair.findings(probe)],
    )
    return result, answers


class _Pair:
    def __init__(self, book: CodeBook, patches: PatchSet, recipe: TransferRecipe) -> None:
        self.book, self.patches, self.recipe = book, patches, recipe
        self.kind, self.classes = patches.task.kind, len(patches.task.classes)
        tiles = patches.tiles
        self.codes = book.of([patches.identity], lambda start, end: tiles[start:end], len(tiles))
        self.test_rows = self._rows("test")
        self.train, self.tuning = self._part(self._rows("train")), self._part(self._rows("tuning"))
        self.test = self._part(self.test_rows)
        for part, name in ((self.train, "training"), (self.test, "test")):
            if not len(part):
                raise PatchError(
                    f"task {patches.task.name!r} has no labelled tile in its {name} part; look at `split`"
                )

    def findings(self, probe: LinearProbe) -> Iterator[Finding]:
        """All numbers."""
        near = nearest_answers(self.kind, self.classes, self.train, self.test.codes, self.recipe.neighbours)
        yield from self._scores("linear", probe.answers(self.test.codes))
        yield from self._scores("neighbours", near)
        yield from self._few_shots()
        yield from self._turned()
        yield from self._stained(probe)
        yield from self._spectrum()

    def answered(self, answers: Array) -> Answered:
        """Answers about the tiles of the test part, with what is known of them."""
        return Answered(self.kind, self.test.targets.astype(np.float64), answers, self.test.groups)

    def _rows(self, part: str) -> NDArray[np.int64]:
        """Tiles of a part of which anything is known."""
        known = ~np.isnan(self.patches.targets.reshape(len(self.codes), -1)).all(axis=1)
        return np.flatnonzero(known & (self.patches.parts == part))

    def _part(self, rows: NDArray[np.int64]) -> Labelled:
        return Labelled(self.codes[rows], self.patches.targets[rows], self.patches.groups[rows])

    def _scores(self, method: str, answers: Array) -> Iterator[Finding]:
        for unit in ("tile", "group"):
            for found in score(self.answered(answers), unit, self.recipe.sureness):
                yield _finding(method, found)

    def _few_shots(self) -> Iterator[Finding]:
        """Mean over the draws, and the middle 95 % of them; nothing where a class has too few tiles."""
        if self.kind in ("regression", "multilabel"):
            return
        rarest = int(np.unique(self.train.targets, return_counts=True)[1].min())
        for shots in self.recipe.shots:
            if shots <= rarest:
                yield from self._few_shot(shots)

    def _few_shot(self, shots: int) -> Iterator[Finding]:
        drawn = few_shot_answers(
            self.train,
            self.test.codes,
            self.classes,
            shots=shots,
            draws=self.recipe.draws,
            seed=self.recipe.seed,
        )
        answered = [self.answered(answers) for answers in drawn]
        tails = (1 - self.recipe.level) / 2, (1 + self.recipe.level) / 2
        for measure in measures(self.kind):
            values = np.array([measure.score(a, None)[0] for a in answered])
            low, high = np.quantile(values, tails)
            yield Finding(
                f"{shots}-shot", measure.name, float(values.mean()), "tile", float(low), float(high),
                measure.guess(answered[0]), len(self.test), len(np.unique(self.test.groups)),
            )  # fmt: skip

    def _turned(self) -> Iterator[Finding]:
        """How much of a code stays when its tile is turned or mirrored."""
        generator = np.random.default_rng(self.recipe.seed)
        count = min(self.recipe.turned, len(self.test_rows))
        rows = np.sort(generator.choice(self.test_rows, count, replace=False))
        tiles = np.asarray(self.patches.tiles[rows])

        def of(orientation: int) -> Codes:
            key = [self.patches.identity, rows.tolist(), "orientation", orientation]
            return self.book.of(key, lambda start, end: turned(tiles[start:end], orientation), count)

        pairs = [(of(0), of(orientation)) for orientation in range(1, ORIENTATIONS)]
        yield from self._likeness("turned", pairs)

    def _stained(self, probe: LinearProbe) -> Iterator[Finding]:
        """How much of a code stays, and what the probe loses, when the stains are another laboratory's."""
        rows, seed = self.test_rows, self.recipe.seed
        for step in self.recipe.stains:

            def tiles(start: int, end: int, step: str = step) -> NDArray[np.uint8]:
                return stained(self.patches.tiles[rows[start:end]], step, seed + start)

            key = [self.patches.identity, rows.tolist(), "stain", step, seed]
            codes = self.book.of(key, tiles, len(rows))
            yield from self._likeness(step, [(self.test.codes, codes)])
            before, after = probe.answers(self.test.codes), probe.answers(codes)
            change = score_change(self.answered(before), self.answered(after), self.recipe.sureness)
            yield _finding(step, change)

    def _likeness(self, method: str, pairs: list[tuple[Codes, Codes]]) -> Iterator[Finding]:
        """Raw cosines flatter codes with a large common mean: they are told standardised as well."""
        scale = Scale.of(self.train.codes)
        raw = np.concatenate([cosines(a, b) for a, b in pairs])
        standard = np.concatenate([cosines(scale(a), scale(b)) for a, b in pairs])
        groups = len(np.unique(self.test.groups))
        for name, values in (("cosine", raw), ("standardised_cosine", standard)):
            low, median = np.quantile(values, (0.05, 0.5))
            for suffix, value in (("median", median), ("5th_percentile", low)):
                yield Finding(method, f"{name}_{suffix}", float(value), cases=len(values), groups=groups)

    def _spectrum(self) -> Iterator[Finding]:
        eigen = eigenvalues(self.train.codes)
        facts = {
            "effective_dimension": effective_dimension(eigen),
            "participation_ratio": participation_ratio(eigen),
            "dead_share": dead_share(self.train.codes),
        }
        groups = len(np.unique(self.train.groups))
        for name, value in facts.items():
            yield Finding("codes", name, value, cases=len(self.train), groups=groups)


def _finding(method: str, found: ProbeScore) -> Finding:
    return Finding(method, **asdict(found))
