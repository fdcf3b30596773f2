"""A run: one folder per identity, written whole, done or to be resumed."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from histopress.core.errors import RunError
from histopress.core.files import write_whole
from histopress.core.recipe import digest, plain

RUN_FILE = "run.json"


class Run:
    """A folder that belongs to one identity: the digest of a recipe and of the identities of its inputs.

    Attributes:
        folder: where everything of the run lies.
        identity: digest over recipe and inputs.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self.identity = identity

    @classmethod
    def start(cls, folder: Path, recipe: Any, inputs: dict[str, Any]) -> Run:
        """Begin a run in a folder, or take up the same run again.

        Args:
            folder: made if absent.
            recipe: settings; stored in `run.json`.
            inputs: identities of what the run is computed from.

        Raises:
            RunError: the folder holds a run of another identity.
        """
        identity = digest(recipe, inputs)
        known = _read(folder) if (folder / RUN_FILE).exists() else None
        if known is None:
            record = {
                "identity": identity,
                "recipe": plain(recipe),
                "inputs": plain(inputs),
                "environment": environment(),
            }
            write_whole(folder / RUN_FILE, json.dumps(record, indent=2) + "\n")
        elif known["identity"] != identity:
            changed = _changes({"recipe": plain(recipe), "inputs": plain(inputs)}, known)
            raise RunError(
                f"{folder} holds another run ({', '.join(changed)}); "
                "name a new folder, or delete this one to run again"
            )
        return cls(folder, identity)

    @classmethod
    def load(cls, folder: Path) -> Run:
        """An existing run, to read from.

        Raises:
            RunError: the folder holds no run.
        """
        if not (folder / RUN_FILE).exists():
            raise RunError(
                f"{folder} holds no run ({RUN_FILE} is missing); give the folder that `train` wrote"
            )
        return cls(folder, _read(folder)["identity"])

    @property
    def record(self) -> dict[str, Any]:
        """Identity, recipe, inputs and environment, as stored."""
        return _read(self.folder)

    @property
    def done(self) -> bool:
        """Whether `finish` was reached."""
        return (self.folder / "done").exists()

    def finish(self) -> None:
        """Declare everything written."""
        write_whole(self.folder / "done", self.identity + "\n")

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one file of the run, all of it or nothing; returns its path."""
        write_whole(self.folder / name, content)
        return self.folder / name


def _read(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{folder / RUN_FILE} cannot be read: {error}; delete the folder and run again"
        ) from error
    if not isinstance(record, dict) or "identity" not in record:
        raise RunError(f"{folder / RUN_FILE} is no run record; delete the folder and run again")
    return record


def _changes(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """The settings and inputs that differ, as "folds: 5 there, 3 asked"."""
    lines = []
    for part in ("recipe", "inputs"):
        before, after = old.get(part, {}), new[part]
        lines += [
            f"{key}: {before.get(key)!r} there, {after.get(key)!r} asked"
            for key in sorted({*before, *after})
            if before.get(key) != after.get(key)
        ]
    return lines or ["its record differs"]


def environment() -> dict[str, str]:
    """Versions of Python, the machine and the libraries that shape results."""
    names = ("histopress", "torch", "numpy", "lightning", "openslide-bin", "zarr")
    return {"python": platform.python_version(), "machine": platform.machine()} | {
        name: _version(name) for name in names
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
