"""Settings by which encoders are judged; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from histopress.metrics.results import Sureness


@dataclass(frozen=True)
class TransferRecipe:
    """Settings of `histopress study transfer`.

    Attributes:
        neighbours: nearest tiles that are asked, no more than the rarest class has.
        shots: labelled tiles of every class for the few-shot probes.
        draws: how often they are drawn.
        turned: tiles of the test part that are turned and mirrored.
        stains: steps of the augmentation ladder whose colours the test part is shown in.
        resamples: of the bootstrap over groups.
        level: confidence of the intervals.
        precision: of the encoder; see `engine.prepare`.
        seed: of draws, folds and resamples.
    """

    neighbours: int = 20
    shots: tuple[int, ...] = (1, 5, 20)
    draws: int = 50
    turned: int = 256
    stains: tuple[str, ...] = ("hed-light", "hed-strong", "hsv-light")
    resamples: int = 1000
    level: float = 0.95
    precision: str = "fp32"
    seed: int = 0

    @property
    def sureness(self) -> Sureness:
        """How intervals are made."""
        from histopress.metrics.results import Sureness

        return Sureness(self.resamples, self.seed, self.level)
