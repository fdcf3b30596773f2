"""What is found of one encoder on one task: plain numbers, each with its name and limits."""

from __future__ import annotations

from dataclasses import dataclass, field

from histopress.data.patch_task import Kind


@dataclass(frozen=True)
class Finding:
    """One number that was found.

    Attributes:
        method: linear, neighbours, 5-shot and the like, turned, the name of a staining, or codes.
        measure: what it measures.
        point: its value; NaN where undefined.
        unit: what was scored: tile or group.
        low: lower limit; NaN where there is none.
        high: upper limit.
        guess: what answers at random would score.
        cases: tiles, groups or pairs behind it.
        groups: independent ones behind it.
    """

    method: str
    measure: str
    point: float
    unit: str = "tile"
    low: float = float("nan")
    high: float = float("nan")
    guess: float = float("nan")
    cases: int = 0
    groups: int = 0


@dataclass(frozen=True)
class PairResult:
    """What was found of one encoder on one task.

    Attributes:
        encoder: name on its card.
        encoder_identity: of weights and architecture.
        dim: length of a code.
        task: its name.
        kind: of label.
        set_identity: of the tiles.
        strengths: of the penalty of the linear probe.
        findings: all numbers.
    """

    encoder: str
    encoder_identity: str
    dim: int
    task: str
    kind: Kind
    set_identity: str
    strengths: list[float] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def find(self, method: str, measure: str = "", unit: str = "tile") -> Finding | None:
        """The number of this method; the headline where no measure is named."""
        for found in self.findings:
            if (found.method, found.unit) == (method, unit) and measure in ("", found.measure):
                return found
        return None
