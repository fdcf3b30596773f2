"""What is to be planted, from words: an effect, codes, a grid, or a folder of tiles."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import EncoderError, GridError, RecipeError
from histopress.grids.store import find_grids, is_grid, read_grid, read_header
from histopress.studies.planting_signal import Codes, EffectSignal, Signal, TileSignal

KINDS = "effect:D, effect:D:SHARE, a .npy or .npz file of codes, a stored grid, or a folder of tiles"


def load_signal(text: str, grids: Path | None = None, *, seed: int = 0, device: str = "auto") -> Signal:
    """The signal that these words name.

    Args:
        text: `effect:2.0` shifts a tenth of the numbers of a code by 2 standard deviations, `effect:2.0:0.5`
            half of them; else a path: codes (tiles, dim) as .npy or .npz, a stored grid whose cells all show
            the object, or a folder of pictures of tiles that show it.
        grids: folder of the grids that it is planted into; the encoder beside them encodes the tiles.
        seed: of the direction of an effect.
        device: that encodes.

    Raises:
        RecipeError: the words name nothing.
        GridError: codes cannot be read, or are of another length or encoder than the grids.
        EncoderError: there are tiles, and no encoder beside the grids.
        PatchError: a picture cannot be read, or is too small.
    """
    if text.partition(":")[0] == "effect":
        return _effect(text, seed)
    path = Path(text).expanduser()
    if not path.exists():
        raise RecipeError(f"signal {text!r} names nothing that is there, expected {KINDS}; correct it")
    signal = _tiles(path, grids, device)
    if grids is not None:
        _check(signal, grids, path)
    return signal


def read_codes(path: Path) -> Codes:
    """(tiles, dim) codes of a .npy file, or of a .npz file that has one array, or one called `codes`.

    Raises:
        GridError: it holds something else.
    """
    try:
        held = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise GridError(f"{path} cannot be read as codes ({error}); save an array (tiles, dim)") from error
    array = held if isinstance(held, np.ndarray) else held[_name_in(path, held.files)]
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.number) or not len(array):
        raise GridError(
            f"{path} holds {array.dtype} {array.shape}, expected numbers (tiles, dim); save one row a tile"
        )
    codes: NDArray[np.float32] = array.astype(np.float32)
    return codes


def _name_in(path: Path, names: list[str]) -> str:
    if "codes" in names or len(names) == 1:
        return "codes" if "codes" in names else names[0]
    raise GridError(
        f"{path} holds {', '.join(names) or 'nothing'}, expected one array, or `codes`; rename it"
    )


def _effect(text: str, seed: int) -> EffectSignal:
    try:
        d, *share = (float(number) for number in text.split(":")[1:])
        (numbers,) = share or (EffectSignal.share_of_numbers,)
    except ValueError as error:
        raise RecipeError(
            f"signal {text!r}, expected effect:D or effect:D:SHARE, as in effect:2.0:0.1; correct it"
        ) from error
    return EffectSignal(d, numbers, seed)


def _tiles(path: Path, grids: Path | None, device: str) -> TileSignal:
    if is_grid(path):
        grid = read_grid(path)
        return TileSignal(grid.features.astype(np.float32), str(grid.encoder.get("identity", "")))
    if path.suffix in (".npy", ".npz"):
        return TileSignal(read_codes(path))
    if path.is_file() and path.suffix != ".zip":
        raise RecipeError(f"signal {path} is a {path.suffix or 'plain'} file, expected {KINDS}; convert it")
    return _encoded(path, grids, device)


def _encoded(path: Path, grids: Path | None, device: str) -> TileSignal:
    from histopress.encoders.saved import load_kept
    from histopress.studies.planting_tiles import encoded_tiles

    folder = None if grids is None else grids / "encoder"
    if folder is None or not folder.is_dir():
        where = "no grids are named" if grids is None else f"there is no encoder beside the grids in {grids}"
        raise EncoderError(
            f"signal {path} holds tiles, and {where}; expected the folder that `compress` wrote; "
            "compress the slides again, or give codes"
        )
    return encoded_tiles(path, load_kept(folder), device)


def _check(signal: TileSignal, grids: Path, path: Path) -> None:
    """Whether the codes are of the kind that the grids hold, by the header of the first."""
    found = find_grids(grids) if grids.is_dir() else []
    if not found:
        raise GridError(f"no grid in {grids}, expected some; name the folder that `compress` wrote")
    encoder = read_header(found[0]).encoder
    dim, made_by = encoder.get("dim"), encoder.get("identity")
    if dim is not None and dim != signal.codes.shape[1]:
        raise GridError(
            f"codes of {path} have {signal.codes.shape[1]} numbers, those of the grids in {grids} {dim}; "
            f"encode the tiles with {encoder.get('name')}"
        )
    if signal.encoder and made_by and signal.encoder != made_by:
        raise GridError(
            f"codes of {path} were made by encoder {signal.encoder}, the grids in {grids} by {made_by}; "
            f"expected one encoder; encode the tiles with {encoder.get('name')}"
        )
