"""Encoders of other people's packages and scripts.

    from histopress.encoders.plugin import ModuleEncoder, register_encoder

    @register_encoder("my-encoder")
    def my_encoder(spacing: float = 0.5) -> Encoder: ...

A script that says so is named `script:FILE.py`. A package says where such a function is as an entry point of
the group `histopress.encoders`; then its encoder is asked for by its name alone, wherever it is installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from histopress.core.errors import EncoderError
from histopress.encoders.name_settings import values_of

if TYPE_CHECKING:
    from histopress.encoders.encoder import Encoder

GROUP = "histopress.encoders"
Maker = Callable[..., "Encoder"]
M = TypeVar("M", bound=Callable[..., Any])

_registered: dict[str, Maker] = {}


@dataclass(frozen=True)
class Plugin:
    """An encoder that is not of this package.

    Attributes:
        name: as it is asked for.
        origin: package or file that brings it.
    """

    name: str
    origin: str


def register_encoder(name: str) -> Callable[[M], M]:
    """Give a name to a function that makes an encoder, or to a class of encoders.

    Arguments of the function that have defaults can be set behind the name: `NAME:spacing=0.25`.

    Args:
        name: without colons and commas.

    Raises:
        EncoderError: a name that cannot be asked for.
    """
    if not name or set(name) & set(":,@= \t\n"):
        raise EncoderError(f"encoder cannot be named {name!r}: leave out spaces and any of : , @ =")

    def register(maker: M) -> M:
        _registered[name] = maker
        return maker

    return register


def plugins() -> list[Plugin]:
    """What is registered in this process or installed as a package; nothing of it is imported."""
    own = [Plugin(name, _origin(maker)) for name, maker in sorted(_registered.items())]
    installed = [
        Plugin(point.name, _package(point)) for point in _entry_points() if point.name not in _registered
    ]
    return own + installed


def is_plugin(kind: str) -> bool:
    """Whether a plug-in has this name."""
    return any(plugin.name == kind for plugin in plugins())


def load_plugin(name: str, argument: str, given: Mapping[str, Any]) -> Encoder:
    """The encoder of a plug-in.

    Args:
        name: as it was asked for; what stands before the colon is that of the plug-in.
        argument: settings, `key=value,key=value`.
        given: the same as keywords.

    Raises:
        EncoderError: the plug-in cannot be imported, cannot make its encoder, or makes something else.
    """
    kind = name.partition(":")[0]
    maker = _registered.get(kind) or _imported(kind)
    return _made(maker, kind, name, argument, given)


def load_script(name: str, argument: str, given: Mapping[str, Any]) -> Encoder:
    """The encoder that a script registers: `script:FILE.py`, or `script:FILE.py@NAME` if there are several.

    Raises:
        EncoderError: no such file, it cannot be run, or it registers no such encoder.
    """
    what, _, settings = argument.partition(",")
    file, _, wanted = what.partition("@")
    names = _run(Path(file).expanduser(), name)
    if wanted and wanted not in names:
        raise EncoderError(f"{file} registers {', '.join(names) or 'no encoder'}, not {wanted!r}")
    if not wanted and len(names) != 1:
        raise EncoderError(
            f"{file} registers {', '.join(names) or 'no encoder'}; "
            + ("name one: script:FILE.py@NAME" if names else "put @register_encoder(NAME) above its function")
        )
    kind = wanted or names[0]
    return _made(_registered[kind], kind, name, settings, given)


def _entry_points() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda point: point.name)


def _package(point: EntryPoint) -> str:
    return f"package {point.dist.name} {point.dist.version}" if point.dist else f"entry point {point.value}"


def _origin(maker: Maker) -> str:
    return f"registered by {getattr(maker, '__module__', 'a script')}"


def _imported(kind: str) -> Maker:
    point = next(point for point in _entry_points() if point.name == kind)
    try:
        maker = point.load()
    except Exception as error:  # other people's code may raise anything
        raise EncoderError(
            f"encoder {kind!r} of {_package(point)} cannot be imported: {_told(error)}; mend or uninstall it"
        ) from error
    if not callable(maker):
        raise EncoderError(
            f"encoder {kind!r} of {_package(point)} is {point.value}, a {type(maker).__name__}, expected a "
            "function or class that makes an encoder"
        )
    return maker  # type: ignore[no-any-return]


def _run(path: Path, name: str) -> list[str]:
    """Run a script once; returns the names it registers."""
    if not path.is_file():
        raise EncoderError(f"encoder {name!r}: {path}: no such file; write script:FILE.py")
    module = f"histopress_script_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    if module not in sys.modules:
        spec = importlib.util.spec_from_file_location(module, path)
        if spec is None or spec.loader is None:
            raise EncoderError(f"encoder {name!r}: {path} is no Python file; name a script that ends in .py")
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module] = loaded
        try:
            spec.loader.exec_module(loaded)
        except Exception as error:
            del sys.modules[module]
            raise EncoderError(f"encoder {name!r}: {path} cannot be run: {_told(error)}") from error
    return [kind for kind, maker in _registered.items() if getattr(maker, "__module__", "") == module]


def _made(maker: Maker, kind: str, name: str, argument: str, given: Mapping[str, Any]) -> Encoder:
    from histopress.encoders.encoder import Encoder

    values = values_of(_defaults(maker), name, argument, given)
    try:
        encoder = maker(**values)
    except EncoderError:
        raise
    except Exception as error:
        raise EncoderError(f"encoder {name!r} ({_origin(maker)}) cannot be made: {_told(error)}") from error
    if not isinstance(encoder, Encoder):
        raise EncoderError(
            f"encoder {name!r} ({_origin(maker)}) is a {type(encoder).__name__}, expected a "
            "histopress.Encoder; a plain torch module becomes one by plugin.ModuleEncoder"
        )
    if not hasattr(encoder, "card"):
        raise EncoderError(
            f"encoder {name!r} ({_origin(maker)}) has no card; set self.card = EncoderCard(...)"
        )
    return encoder


def _defaults(maker: Maker) -> dict[str, Any]:
    """Arguments that can be set: those with a default that is a plain value."""
    try:
        parameters = inspect.signature(maker).parameters.values()
    except ValueError:  # some classes of Python itself tell nothing
        return {}
    return {p.name: p.default for p in parameters if isinstance(p.default, bool | int | float | str | tuple)}


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
