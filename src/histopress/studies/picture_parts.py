"""The parts of a set of pictures; quick to import, so that help comes at once."""

from __future__ import annotations

from typing import Literal

Part = Literal["train", "tuning", "test"]
PARTS: tuple[Part, ...] = ("train", "tuning", "test")
