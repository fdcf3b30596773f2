"""Handwritten digits from the files of MNIST, and those files from the network, when asked for."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError, RemoteError
from histopress.core.progress import Progress, progress

Half = Literal["training", "test"]
PREFIXES: dict[Half, tuple[str, ...]] = {"training": ("train",), "test": ("t10k", "test")}
NAME = re.compile(r"(?P<set>.*)(?P<kind>images|labels)[-.]idx(?P<axes>[13])(-ubyte)?(\.gz)?")
AXES = {"images": 3, "labels": 1}
UNSIGNED = 0x08
"""Code of unsigned bytes in the header of an IDX file."""

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
ROUNDS = 2
"""Times every mirror is tried."""

SECONDS, CHUNK = 60, 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """One file of the official set.

    Attributes:
        name: of the file.
        size: bytes.
        sha256: of its bytes.
    """

    name: str
    size: int
    sha256: str


OFFICIAL = (
    RemoteFile(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    RemoteFile(
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    RemoteFile(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    RemoteFile(
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)


@dataclass(frozen=True)
class Digits:
    """Digits in the order of their file.

    Attributes:
        pictures: (digits, height, width) uint8, bright on black; 28 x 28 px in MNIST.
        labels: (digits,) uint8, 0 to 9.
    """

    pictures: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def read_mnist(folder: Path, half: Half) -> Digits:
    """The training or the test digits in a folder of IDX files, plain or gzip.

    Files are known by their names: `train-images-idx3-ubyte` with `train-labels-idx1-ubyte`, `t10k-...` (or
    `test-...`), else any pair whose name begins like that and goes on alike, such as `train30k-...`.

    Raises:
        PatchError: there is no such pair, or more than one, or the files are not what they should be.
    """
    images, labels = _pair(folder, half)
    pictures, numbers = read_idx(images, 3), read_idx(labels, 1)
    if len(pictures) != len(numbers):
        raise PatchError(
            f"{images} holds {len(pictures)} pictures, {labels} {len(numbers)} labels, expected as many; "
            "give two files of one set"
        )
    if numbers.size and numbers.max() > 9:
        raise PatchError(f"{labels} holds a label {numbers.max()}, expected digits 0 to 9; give another set")
    return Digits(pictures, numbers)


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """The array of bytes in an IDX file, plain or gzip.

    Raises:
        PatchError: it cannot be read, or holds something else.
    """
    content = _content(path)
    start = 4 + 4 * axes
    magic = bytes([0, 0, UNSIGNED, axes])
    if content[:4] != magic or len(content) < start:
        raise PatchError(
            f"{path} begins with {content[:4].hex() or 'nothing'}, expected {magic.hex()} of an IDX file of "
            f"unsigned bytes with {axes} {'axis' if axes == 1 else 'axes'}; give a file of the MNIST set"
        )
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", axes, 4))
    held, expected = len(content) - start, int(np.prod(shape, dtype=np.int64))
    if held != expected:
        raise PatchError(
            f"{path} holds {held} bytes, expected {expected} as its header states ({shape}); copy it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def fetch_mnist(
    folder: Path, mirrors: Sequence[str] = MIRRORS, files: Sequence[RemoteFile] = OFFICIAL
) -> list[Path]:
    """Download the four official files into a folder.

    What is there and has the right checksum is not fetched again. A line that breaks is taken up where it
    broke, at the next mirror or in the next call.

    Args:
        folder: is made if need be.
        mirrors: addresses that end where names of files begin.
        files: which, with their checksums.

    Raises:
        RemoteError: no mirror gives a file, or what they give is not that file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [file for file in files if not _is_whole(folder / file.name, file)]
    with progress("MNIST", sum(file.size for file in missing), "bytes") as bar:
        for file in missing:
            _fetch(folder, mirrors, file, bar)
    return [folder / file.name for file in files]


def _pair(folder: Path, half: Half) -> tuple[Path, Path]:
    """The files of pictures and labels of one half."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:  # plain ones replace gzip
        match = NAME.fullmatch(path.name)
        if match and int(match["axes"]) == AXES[match["kind"]] and match["set"].startswith(PREFIXES[half]):
            found.setdefault(match["set"], {})[match["kind"]] = path
    pairs = {name: files for name, files in found.items() if len(files) == 2}
    official = [name for name in (f"{prefix}-" for prefix in PREFIXES[half]) if name in pairs]
    chosen = official[:1] or list(pairs)
    if len(chosen) != 1:
        held = ", ".join(sorted(f"{name}images" for name in pairs)) or "none"
        name = PREFIXES[half][0]
        raise PatchError(
            f"{folder}: pairs of {half} files found: {held}; expected one, such as "
            f"{name}-images-idx3-ubyte.gz and {name}-labels-idx1-ubyte.gz; give the folder of the MNIST "
            "files, or fetch them"
        )
    files = pairs[chosen[0]]
    return files["images"], files["labels"]


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise PatchError(f"{path} cannot be read: {error}; copy it again, or fetch it") from error


def _fetch(folder: Path, mirrors: Sequence[str], file: RemoteFile, bar: Progress) -> None:
    """One file from the first mirror that gives all of it; the parts it comes in may be of several."""
    from http.client import HTTPException

    partial = folder / f".{file.name}.partial"
    troubles = []
    for mirror in [*mirrors] * ROUNDS:
        try:
            _go_on(f"{mirror}{file.name}", partial, file.size, bar)
        except (OSError, HTTPException) as error:  # of urllib, of the line, and of the disk
            troubles.append(f"{mirror}: {_said(error)}")
            continue
        if _is_whole(partial, file):
            partial.replace(folder / file.name)
            return
        if partial.stat().st_size >= file.size:
            troubles.append(f"{mirror}: not the official file, by its checksum")
            partial.unlink()
        else:
            troubles.append(f"{mirror}: ended after {partial.stat().st_size} of {file.size} bytes")
    raise RemoteError(
        f"{file.name} cannot be fetched ({'; '.join(dict.fromkeys(troubles))}); check the network and run "
        f"again, what has come is kept; or put the file into {folder}"
    )


def _go_on(address: str, partial: Path, size: int, bar: Progress) -> None:
    """Fetch what is missing of a file; from its beginning, where a server cannot do otherwise."""
    from urllib.request import Request, urlopen

    done = partial.stat().st_size if partial.exists() else 0
    if done >= size:
        return
    request = Request(address, headers={"Range": f"bytes={done}-"} if done else {})
    with urlopen(request, timeout=SECONDS) as answer, partial.open(_mode(answer.status)) as out:
        while out.tell() < size and (chunk := answer.read(CHUNK)):
            out.write(chunk)
            bar.advance(len(chunk))


def _mode(status: int) -> Literal["ab", "wb"]:
    """How to write what a server sends: behind what is there, if it heeds the range that is asked for."""
    return "ab" if status == 206 else "wb"


def _is_whole(path: Path, file: RemoteFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def _said(error: BaseException) -> str:
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        return f"it answers {error.code}"
    reason = error.reason if isinstance(error, URLError) else error
    return (str(reason).splitlines() or [type(error).__name__])[0][:200]
