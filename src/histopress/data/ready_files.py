"""Ready recipes that come with the package, found by name: one folder of TOML files a kind."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from histopress.core.errors import HistopressError


def ready_folder(kind: str) -> Path:
    """The folder of one kind of recipes: that of the package, or of the checkout it runs from.

    Args:
        kind: its name below `recipes/`, such as "patches" or "tasks".
    """
    packaged = Path(str(files("histopress"))) / "recipes" / kind
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "recipes" / kind


def ready_names(kind: str) -> tuple[str, ...]:
    """Names of the recipes of one kind, sorted."""
    return tuple(sorted(path.stem for path in ready_folder(kind).glob("*.toml")))


def find_ready(
    name_or_path: str | Path, kind: str, error: type[HistopressError], what: str = "ready description"
) -> Path:
    """The TOML file that is meant.

    Args:
        name_or_path: a file that exists, or the name of a recipe.
        kind: as in `ready_folder`.
        error: raised if it is neither; names that are near are listed.
        what: the recipes are called in that message.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    names = ready_names(kind)
    if str(name_or_path) in names:
        return ready_folder(kind) / f"{name_or_path}.toml"
    near = get_close_matches(path.stem, names, n=3, cutoff=0.4) or names
    raise error(
        f"{name_or_path}: neither a file nor a {what}, expected a TOML file or one of "
        f"{', '.join(near)}{'' if near is names else ', ...'}; see recipes/{kind}/README.md"
    )
