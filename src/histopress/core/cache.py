"""Where the package keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """HISTOPRESS_CACHE, else `histopress` in XDG_CACHE_HOME, else ~/.cache/histopress."""
    own, shared = os.environ.get("HISTOPRESS_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own).expanduser()
    return (Path(shared) if shared else Path.home() / ".cache") / "histopress"
