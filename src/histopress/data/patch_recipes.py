"""Ready descriptions of labelled patch sets, found by name."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from histopress.core.errors import PatchError


def ready_folder() -> Path:
    """The folder of the ready descriptions: that of the package, or of the checkout it runs from."""
    packaged = Path(str(files("histopress"))) / "recipes" / "patches"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "recipes" / "patches"


def ready_tasks() -> tuple[str, ...]:
    """Names of the ready descriptions, sorted."""
    return tuple(sorted(path.stem for path in ready_folder().glob("*.toml")))


def find_task(name_or_path: str | Path) -> Path:
    """The TOML file of a task.

    Args:
        name_or_path: a file that exists, or the name of a ready description such as "crc-tissue7".

    Raises:
        PatchError: it is neither; names that are near are listed.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    names = ready_tasks()
    if str(name_or_path) in names:
        return ready_folder() / f"{name_or_path}.toml"
    near = get_close_matches(path.stem, names, n=3, cutoff=0.4) or names
    raise PatchError(
        f"{name_or_path}: neither a file nor a ready description, expected a TOML file or one of "
        f"{', '.join(near)}{'' if near is names else ', ...'}; see recipes/patches/README.md"
    )
