"""What one set of labelled patches is: its question, pixels, groups and rights, as a TOML file says.

::

    name = "crc-tissue"
    kind = "multiclass"
    classes = ["ADI", "LYM", "TUM"]
    spacing = 0.5                       # um/px of the stored pixels
    layout = "table"                    # a name in `patch_set.SOURCES`
    licence = "CC BY 4.0"
    [source]                            # settings of the layout
    table = "index.csv"
    [split]                             # how parts are made where the source states none
    tuning = 0.2
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from histopress.core.errors import PatchError

Kind = Literal["binary", "multiclass", "ordinal", "regression", "multilabel"]
"""Binary: classes are (no, yes). Ordinal: classes from low to high. Regression: no classes."""

Small = Literal["magnify", "pad", "leave-out", "fail"]
"""What becomes of pictures that show less than a tile: shown larger, mirrored at the edge, left out."""

Part = Literal["train", "tuning", "test"]


@dataclass(frozen=True)
class SplitRule:
    """How groups are shared out to parts; what the source states always holds.

    Attributes:
        tuning: share of the groups of the training part that tune, if the source names no tuning part.
        test: share of all groups that test, if the source names no parts at all.
        seed: the same seed and groups give the same parts on any machine.
    """

    tuning: float = 0.2
    test: float = 0.25
    seed: int = 0


@dataclass(frozen=True)
class PatchTask:
    """One question about patches.

    Attributes:
        name: short, without spaces; names the task in tables, logs and cards.
        kind: of label.
        layout: of the files, a name in `patch_set.SOURCES`.
        classes: names of the labels in the source, in the order of their numbers.
        spacing: um/px of the stored pixels; 0 where the slides state it themselves.
        spacing_note: how it is known, if the makers do not state it.
        source: settings of the layout.
        groups: what a group is, for example "patient" or "slide".
        split: how parts are made.
        small: what becomes of pictures that show less than a tile.
        stride: distance of the tiles that are cut from larger pictures, in widths of a tile.
        licence: of the data.
        redistributable: whether a model that was trained on them may be given away.
        citation: whom to cite.
        origin: where a user gets the data, and what to do after the download.
        files: path below the folder of the data -> sha256 in hex, or "" where only its presence is checked.
        folder: of the data, below the folder that holds all data sets.
        note: what to know before reading results.
    """

    name: str
    kind: Kind
    layout: str
    classes: tuple[str, ...] = ()
    spacing: float = 0.0
    spacing_note: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    groups: str = "picture"
    split: SplitRule = SplitRule()
    small: Small = "fail"
    stride: float = 1.0
    licence: str = "not stated"
    redistributable: bool = False
    citation: str = ""
    origin: str = ""
    files: dict[str, str] = field(default_factory=dict)
    folder: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        least = {"binary": 2, "multiclass": 2, "ordinal": 3, "multilabel": 1, "regression": 0}[self.kind]
        wrong = (
            len(self.classes) != least if self.kind in ("binary", "regression") else len(self.classes) < least
        )
        if wrong:
            exactly = "" if self.kind in ("binary", "regression") else " or more"
            raise PatchError(
                f"task {self.name!r} of kind {self.kind} names {len(self.classes)} classes, "
                f"expected {least}{exactly}; mend `classes` or `kind`"
            )

    @property
    def outputs(self) -> int:
        """Numbers that a head answers with: one a class, one a step of ordinal ones, else one."""
        return {"binary": 1, "regression": 1, "ordinal": len(self.classes) - 1}.get(
            self.kind, len(self.classes)
        )
