"""Pickled weights: refused wherever weights are read, and turned into safetensors on request.

To unpickle is to run whatever program the file holds. `convert` therefore lets torch read weights alone, by
an interpreter of its own that knows tensors and plain containers and nothing else.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from histopress.core.errors import EncoderError

SUFFIXES = {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".tar"}
WRAPPERS = ("state_dict", "model_state_dict", "teacher", "model", "module", "net", "network", "weights")
"""Names under which training programs keep weights, the likeliest first; teachers, not students."""

PREFIXES = ("_orig_mod.", "module.", "model.", "teacher.", "student.", "backbone.", "encoder.", "network.")
"""Before the name of every weight, these tell of the training program, not of the network."""


@dataclass(frozen=True)
class Converted:
    """What became of a pickled file.

    Attributes:
        output: the safetensors file.
        weights: how many it holds.
        inside: the names below which they were found, outermost first.
        stripped: prefixes that were taken off their names.
        left_out: what was in the file beside them.
    """

    output: Path
    weights: int
    inside: tuple[str, ...] = ()
    stripped: tuple[str, ...] = ()
    left_out: tuple[str, ...] = field(default=())

    @property
    def text(self) -> str:
        """A few lines for people."""
        lines = [f"{self.output}: {self.weights} weights"]
        if self.inside:
            lines.append(f"found in: {' > '.join(self.inside)}")
        if self.stripped:
            lines.append(f"taken off their names: {', '.join(self.stripped)}")
        if self.left_out:
            more = len(self.left_out) - 8
            names = ", ".join(self.left_out[:8]) + (f" and {more} more" if more > 0 else "")
            lines.append(f"left out: {names}")
        return "\n".join(lines)


def is_pickled(path: Path) -> bool:
    """Whether a file is pickled, by its content or, where that does not tell, by its name."""
    try:
        with path.open("rb") as file:
            start = file.read(9)
        if start[:2] == b"PK":
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith(".pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return path.suffix.lower() in SUFFIXES
    if start[8:] == b"{":  # safetensors: eight bytes of length, then JSON
        return False
    return start[:1] == b"\x80" or path.suffix.lower() in SUFFIXES


def refuse_pickled(path: Path) -> None:
    """Raise EncoderError, with the remedy, if a file is pickled."""
    if is_pickled(path):
        raise EncoderError(
            f"{path} is pickled: to read such a file is to run the program in it, so it is refused; convert "
            f"it once with `histopress encoders convert {path} -o {path.with_suffix('.safetensors').name}`, "
            "which takes weights and nothing else"
        )


def convert(source: Path, output: Path | None = None, *, inside: str = "") -> Converted:
    """Write the weights of a pickled file as safetensors, without running what else it may hold.

    Args:
        source: file of torch.save.
        output: file to write, in .safetensors; beside the source if not given.
        inside: name below which the weights lie, such as teacher or model.backbone, where it cannot be told.

    Raises:
        EncoderError: no such file, it needs more than weights, it holds none, or the output is there
            already.
    """
    output = output or source.with_suffix(".safetensors")
    if output.suffix != ".safetensors":
        raise EncoderError(
            f"weights are written as safetensors, asked is {output.name}; name it .safetensors"
        )
    if output.exists():
        raise EncoderError(f"{output} is there already; remove it, or name another file")
    where, found = _unwrapped(_loaded(source), inside, source)
    tensors, left_out = _tensors(found)
    if not tensors:
        raise EncoderError(f"{source}: its weights are sparse or quantised, which safetensors cannot hold")
    stripped, tensors, dropped = _stripped(tensors)
    _write(tensors, output)
    return Converted(output, len(tensors), where, stripped, (*left_out, *dropped))


def _loaded(source: Path) -> Any:
    import pickle
    import warnings

    import torch

    if not source.is_file():
        raise EncoderError(f"{source}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old protocols and sparse weights
            return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wants = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise EncoderError(
            f"{source} holds more than weights{f' ({wants[1]})' if wants else ''}, and to read that would "
            "run the program in it: refused; ask its makers for weights alone"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise EncoderError(
            f"{source} cannot be read as a file of torch.save ({error}); fetch it again"
        ) from error


def _unwrapped(found: Any, inside: str, source: Path) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """The mapping that holds tensors, and the way to it."""
    where: list[str] = []
    for name in inside.split(".") if inside else ():
        if not isinstance(found, Mapping) or name not in found:
            raise EncoderError(f"{source}: there is no {name!r} in {_keys(found)}")
        where, found = [*where, name], found[name]
    while isinstance(found, Mapping) and not inside and not _has_tensors(found):
        names = [name for name in (*WRAPPERS, *found) if isinstance(found.get(name), Mapping)]
        held = list(dict.fromkeys(name for name in names if _leads_to_tensors(found[name])))
        if not held or (len(held) > 1 and held[0] not in WRAPPERS):
            break
        where, found = [*where, str(held[0])], found[held[0]]
    if not isinstance(found, Mapping) or not _has_tensors(found):
        raise EncoderError(
            f"{source}: no weights found; it holds {_keys(found)}; name where they lie with --inside"
        )
    return tuple(where), found


def _has_tensors(found: Mapping[Any, Any]) -> bool:
    import torch

    return any(isinstance(value, torch.Tensor) for value in found.values())


def _leads_to_tensors(found: Any) -> bool:
    if not isinstance(found, Mapping):
        return False
    return _has_tensors(found) or any(_leads_to_tensors(value) for value in found.values())


def _keys(found: Any) -> str:
    if not isinstance(found, Mapping):
        return f"a {type(found).__name__}"
    return ", ".join(str(key) for key in list(found)[:12]) or "nothing"


def _tensors(found: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Tensors, each with memory of its own, and the names of all else."""
    import torch

    kept = {
        str(name): value.detach().clone().contiguous()
        for name, value in found.items()
        if isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized
    }
    return kept, tuple(str(name) for name in found if str(name) not in kept)


def _stripped(tensors: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, Any], tuple[str, ...]]:
    """Weights without the prefixes of their training program; where some are a backbone's, only those."""
    taken: list[str] = []
    dropped: list[str] = []
    while True:
        shared = next((p for p in PREFIXES if all(name.startswith(p) for name in tensors)), None)
        if shared is None and any(name.startswith("backbone.") for name in tensors):
            shared = "backbone."
            dropped += [name for name in tensors if not name.startswith(shared)]
        if shared is None:
            return tuple(taken), tensors, tuple(dropped)
        taken.append(shared)
        tensors = {n.removeprefix(shared): t for n, t in tensors.items() if n.startswith(shared)}


def _write(tensors: dict[str, Any], output: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from histopress.core.files import whole

    try:
        with whole(output) as partial:
            save_file(tensors, partial)
    except SafetensorError as error:
        raise EncoderError(f"{output} cannot be written ({error}); make sure that there is space") from error
