"""Ready descriptions of labelled patch sets, found by name."""

from __future__ import annotations

from pathlib import Path

from histopress.core.errors import PatchError
from histopress.data import ready_files

KIND = "patches"


def ready_folder() -> Path:
    """The folder of the ready descriptions: that of the package, or of the checkout it runs from."""
    return ready_files.ready_folder(KIND)


def ready_tasks() -> tuple[str, ...]:
    """Names of the ready descriptions, sorted."""
    return ready_files.ready_names(KIND)


def find_task(name_or_path: str | Path) -> Path:
    """The TOML file of a task.

    Args:
        name_or_path: a file that exists, or the name of a ready description such as "crc-tissue7".

    Raises:
        PatchError: it is neither; names that are near are listed.
    """
    return ready_files.find_ready(name_or_path, KIND, PatchError)
