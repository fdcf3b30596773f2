"""How much memory this process takes."""

from __future__ import annotations

import sys
from pathlib import Path

TYPICAL = 700_000_000
"""Bytes that libraries and an encoder take, assumed where the system does not tell."""


def resident_bytes() -> int:
    """Bytes of memory that this process takes now, or took at most where only that is known."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        import resource

        return int(statm.read_text().split()[1]) * resource.getpagesize()
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return TYPICAL
