"""Recipes: frozen settings dataclasses, stored as TOML or JSON, and named by the digest of all their fields.

Annotations of a recipe must hold at run time (no forward references to names that only type checkers see).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from histopress.core.errors import RecipeError
from histopress.core.files import write_whole
from histopress.core.location import Location

R = TypeVar("R")


def plain(value: Any) -> Any:
    """A recipe, or anything inside one, as plain dicts, lists, strings and numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise RecipeError(f"a recipe cannot hold {value!r} of type {type(value).__name__}; use plain settings")


def build(kind: type[R], settings: dict[str, Any], where: str = "recipe") -> R:
    """Settings -> recipe of this kind; fields that are not given keep their default.

    Raises:
        RecipeError: for unknown settings or values of the wrong type, all of them named.
    """
    import cattrs
    from cattrs.strategies import configure_union_passthrough

    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(Path, lambda value, _: Path(value))
    configure_union_passthrough(bool | int | float | str | None, converter)
    try:
        return converter.structure(settings, kind)
    except Exception as error:  # cattrs raises groups of anything; all of it is a wrong recipe
        lines = "; ".join(cattrs.transform_error(error))
        raise RecipeError(f"{where} is no {kind.__name__}: {lines}") from error


def load(kind: type[R], path: Path) -> R:
    """Read a recipe of this kind from a .toml or .json file.

    Raises:
        RecipeError: the file is missing, is neither TOML nor JSON, or holds something else.
    """
    return build(kind, read_settings(path), where=str(path))


def read_settings(path: Location) -> dict[str, Any]:
    """The plain settings in a .toml or .json file."""
    try:
        text = path.read_text(encoding="utf-8")
        settings = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise RecipeError(f"cannot read recipe {path}: {error.strerror}") from error
    except ValueError as error:
        raise RecipeError(f"{path} is not valid {path.suffix.lstrip('.').upper()}: {error}") from error
    if not isinstance(settings, dict):
        raise RecipeError(f"{path} holds a {type(settings).__name__}, expected a table of settings")
    return settings


def save(recipe: Any, path: Path) -> None:
    """Write a recipe to a .toml or .json file, all of it or nothing; TOML leaves out None."""
    if path.suffix == ".toml":
        import tomli_w

        text = tomli_w.dumps(_without_none(plain(recipe)))
    else:
        text = json.dumps(plain(recipe), indent=2) + "\n"
    write_whole(path, text.encode())


def _without_none(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in settings.items() if v is not None}


def digest(*parts: Any) -> str:
    """16 hex digits over recipes and plain values: equal settings, equal digest, on any machine."""
    text = json.dumps([plain(p) for p in parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
