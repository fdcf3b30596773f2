"""Settings behind a name, `key=value,key=value`, as dataclasses; and back, as the shortest name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from histopress.core.errors import EncoderError
from histopress.core.geometry import PLAUSIBLE_SPACING, Spacing

S = TypeVar("S")


def settings_of(kind: type[S], name: str, argument: str, given: Mapping[str, Any]) -> S:
    """Settings from `key=value,key=value` and keywords: known keys only, each once, of their own type.

    Args:
        kind: a dataclass whose fields all have defaults.
        name: of the encoder, for messages.
        argument: what stands behind the colon or comma.
        given: the same as keywords.

    Raises:
        EncoderError: an unknown key, or a value that does not fit.
    """
    return kind(**values_of(asdict(kind()), name, argument, given))  # type: ignore[call-overload]


def values_of(
    defaults: Mapping[str, Any], name: str, argument: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """The same for settings that are no dataclass: key -> value, those that were given."""
    pairs = [pair.partition("=") for pair in argument.split(",")] if argument else []
    texts = [(key, value) for key, _, value in pairs] + [(key, str(value)) for key, value in given.items()]
    settings: dict[str, Any] = {}
    for key, text in texts:
        if key not in defaults or key in settings:
            fault = "is set twice" if key in settings else "cannot be set"
            raise EncoderError(
                f"encoder {name!r}: {key!r} {fault}; can be set, each once: {_shown(defaults) or 'nothing'}"
            )
        settings[key] = _value(name, key, text, defaults[key])
    return settings


def _value(name: str, key: str, text: str, default: Any) -> Any:
    """One setting, of the type of its default: plausible spacings, whole numbers, texts, three numbers."""
    try:
        value = _converted(text, default)
    except ValueError:
        value = None
    if value is None or not _fits(key, value):
        raise EncoderError(f"encoder {name!r}: {key} is {text!r}, expected {_expected(key, default)}")
    return value


def _converted(text: str, default: Any) -> Any:
    if isinstance(default, tuple):
        numbers = tuple(float(part) for part in text.split("/"))
        return numbers if len(numbers) == 3 else None
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower())
    return type(default)(text)


def _fits(key: str, value: Any) -> bool:
    if key == "spacing":
        return isinstance(value, float) and Spacing.square(value).plausible
    if isinstance(value, int) and not isinstance(value, bool):
        return value >= (0 if key == "seed" else 1)
    return bool(value != "")


def _expected(key: str, default: Any) -> str:
    low, high = PLAUSIBLE_SPACING
    if key == "spacing":
        return f"{low:g} to {high:g} um/px"
    if isinstance(default, tuple):
        return "three numbers, as 0.5/0.5/0.5"
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, int):
        return f"a whole number from {0 if key == 'seed' else 1}"
    return "a number" if isinstance(default, float) else "a text"


def settable(settings: Any) -> str:
    """What can be set, with its defaults."""
    return _shown(asdict(settings))


def _shown(defaults: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_text(value)}" for key, value in defaults.items())


def _text(value: Any) -> str:
    return "/".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)


def shortest_name(kind: str, settings: Any, sign: str = ":") -> str:
    """The shortest name that asks for these settings: those that are not the default, in their own order."""
    changed = [
        f"{f.name}={_text(value)}"
        for f in fields(settings)
        if (value := getattr(settings, f.name)) != f.default
    ]
    return f"{kind}{sign}{','.join(changed)}" if changed else kind
