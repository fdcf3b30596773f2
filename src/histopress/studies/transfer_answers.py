"""What an encoder gains over another on the very same tiles: surer than two intervals side by side."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histopress.core.files import whole
from histopress.data.patch_task import Kind
from histopress.metrics.probe_measures import Answered
from histopress.metrics.probe_scores import score_change
from histopress.metrics.results import Sureness
from histopress.studies.transfer_findings import Finding


@dataclass(frozen=True)
class TestAnswers:
    """What a linear probe answers about the test part.

    Attributes:
        names: (tiles,) of the places.
        answered: the answers, by tile.
    """

    names: NDArray[np.str_]
    answered: Answered

    def save(self, path: Path) -> None:
        """Write an .npz file, whole or not at all."""
        told = self.answered
        with whole(path) as partial:
            np.savez_compressed(
                partial, names=self.names, truth=told.truth, answers=told.answers, groups=told.groups
            )

    @classmethod
    def load(cls, path: Path, kind: Kind) -> TestAnswers:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            answered = Answered(kind, stored["truth"], stored["answers"], stored["groups"])
            return cls(stored["names"], answered)


def gain(first: TestAnswers, other: TestAnswers, sureness: Sureness) -> Finding | None:
    """The difference of the headline scores by tile; none where the tiles are not the same.

    Args:
        first: of the encoder that others are compared with.
        other: of another encoder on the same task.
        sureness: how the interval is made.
    """
    if not np.array_equal(first.names, other.names):
        return None
    change = score_change(first.answered, other.answered, sureness)
    return Finding("gain", **asdict(change))
