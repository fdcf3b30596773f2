"""Which head is asked for, with which settings: "abmil", "cnn:published", "cnn:width=64,blocks=3"."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from histopress.core.errors import HeadError
from histopress.heads.catalogue import settings_of


@dataclass(frozen=True)
class HeadName:
    """A head as it is asked for.

    Attributes:
        name: in the catalogue.
        settings: those of its class that were given.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)


def parse_head(text: str) -> HeadName:
    """`NAME` or `NAME:key=value,key=value`.

    Raises:
        HeadError: no such head, no such setting, or a value of another type than its default.
    """
    name, colon, given = text.rpartition(":")
    if not colon or "=" not in given:
        name, given = text, ""
    defaults = settings_of(name)
    settings: dict[str, Any] = {}
    for pair in given.split(",") if given else ():
        key, _, value = (part.strip() for part in pair.partition("="))
        if key not in defaults or key in settings:
            fault = "is set twice" if key in settings else "cannot be set"
            known = ", ".join(f"{k}={v}" for k, v in defaults.items()) or "nothing"
            raise HeadError(f"head {name}: {key!r} {fault}; can be set, each once: {known}")
        settings[key] = _value(name, key, value, defaults[key])
    return HeadName(name, settings)


def _value(name: str, key: str, text: str, default: Any) -> Any:
    kinds: dict[type, Any] = {
        bool: lambda t: {"true": True, "false": False}[t.lower()],
        int: int,
        float: float,
    }
    convert = kinds.get(type(default), str)
    try:
        return convert(text)
    except (ValueError, KeyError) as error:
        expected = {bool: "true or false", int: "a whole number", float: "a number"}[type(default)]
        raise HeadError(f"head {name}: {key} is {text!r}, expected {expected}") from error
