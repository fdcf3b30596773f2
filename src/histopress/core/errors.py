"""Every error the package raises, as one family.

A message says what was found, what was expected, and what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence


class HistopressError(Exception):
    """The root: catch this to catch everything histopress raises on purpose."""


class SlideError(HistopressError):
    """Something is wrong with one slide; other slides go on."""


class UnreadableSlideError(SlideError):
    """The file cannot be opened, or its pixels cannot be decoded."""


class CutOffError(UnreadableSlideError):
    """The file ends before its pixels do: a broken copy rather than a damaged part."""


class SpacingError(SlideError):
    """The size of a pixel is missing or outside 0.05 to 5 um/px."""


class NoTissueError(SlideError):
    """No cell of the slide holds enough tissue to be kept."""


class MaskError(SlideError):
    """A given tissue mask does not fit its slide or cannot be read."""


class CohortError(HistopressError):
    """The cohort table has problems; all of them are listed at once.

    Attributes:
        problems: one line each, in the order they were found.
    """

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        noun = "problem" if len(self.problems) == 1 else "problems"
        super().__init__(
            "\n".join([f"{where}: {len(self.problems)} {noun}", *(f"  - {p}" for p in self.problems)])
        )


class PatchError(HistopressError):
    """A set of labelled patches is not what its description says, or cannot be read."""


class EncoderError(HistopressError):
    """An encoder is unknown, its file is not what it should be, or it is given the wrong tiles."""


class GridError(HistopressError):
    """A stored grid is damaged, of another version, or does not match what it is used with."""


class HeadError(HistopressError):
    """A head is unknown or is given grids it cannot take."""


class RunError(HistopressError):
    """A run folder is damaged, holds another run, or cannot be used as asked."""


class RecipeError(HistopressError):
    """A recipe holds unknown settings or values of the wrong kind."""


class PredictionsError(HistopressError):
    """A predictions table cannot be evaluated."""


class MissingExtraError(HistopressError):
    """An optional library is not installed; the message names the extra that brings it."""


class RemoteError(HistopressError):
    """An object store refuses, does not answer, or lacks what it is asked for."""


class ClusterError(HistopressError):
    """A cluster cannot be reached, has no room, or loses its actors."""
