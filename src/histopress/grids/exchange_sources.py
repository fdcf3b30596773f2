"""Which files there are to exchange, whose they are, and what their slides are called."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.errors import GridError
from histopress.data.slide_files import DOUBLE
from histopress.grids import exchange_hdf5 as hdf5
from histopress.grids import exchange_nic as nic
from histopress.grids import exchange_slide2vec as slide2vec
from histopress.grids import exchange_zarr as zarr_stores
from histopress.grids.exchange_bag import OTHER_FILE
from histopress.grids.exchange_trident import FEATURES, PATCHES, is_trident
from histopress.grids.store import FOLDER_SUFFIX, SUFFIX, is_grid

if TYPE_CHECKING:
    import h5py

OTHER_FOLDERS = (
    "slide_features_",
    "slide_embeddings",
    "patient_embeddings",
    "slide_latents",
    "hierarchical_",
)
"""Beginnings of the names of folders that hold one vector a slide, or regions; passed over inside others."""

PATCHES_FOLDER = "patches"

NO_TILES = frozenset({"dense_embeddings", "dense_image_embeddings", "visualization", "preview", "thumbnails"})

TENSOR = "a tensor without coordinates"
TENSOR_REMEDY = "name CLAM's h5_files instead, or keep slide2vec's .meta.json beside the tensor"

ENDINGS = (
    SUFFIX, FOLDER_SUFFIX, nic.FEATURES, slide2vec.COORDINATES, PATCHES, ".zarr", ".npy", ".npz", ".pt",
    *hdf5.SUFFIXES,
)  # fmt: skip
"""What follows the name of a slide in the name of a file, longest first."""


@dataclass(frozen=True)
class Source:
    """One file or store of one slide."""

    path: Path
    slide: str


@dataclass(frozen=True)
class Sources:
    """What was found.

    Attributes:
        files: one a slide.
        clashes: files whose slides have one name, so that one would overwrite the other.
        left_out: files of other encoders, and mirrored or turned copies.
    """

    files: tuple[Source, ...]
    clashes: tuple[tuple[Path, str], ...]
    left_out: int


def find_sources(paths: Sequence[Path], encoder: str | None = None) -> Sources:
    """Files as they are named, and those in folders, also in nested ones.

    Args:
        paths: files, Zarr stores, and folders in the layout of any tool.
        encoder: take only the features of this one, where folders hold those of several.

    Raises:
        GridError: a folder holds nothing that could be exchanged.
    """
    found = [p for path in paths for p in (_inside(path) if _is_folder(path) else [path])]
    kept = [p for p in dict.fromkeys(found) if p in paths or not nic.is_copy(p)]
    left_out = len(set(found)) - len(kept)
    named: dict[str, list[Path]] = defaultdict(list)
    for path in kept:
        named[slide_name(path)].append(path)
    files, clashes = [], []
    for slide, same in named.items():
        meant = _of_encoder(same, encoder) if len(same) > 1 else same
        left_out += len(same) - len(meant)
        if len(meant) == 1:
            files.append(Source(meant[0], slide))
        else:
            clashes += [(path, _clash(slide, meant)) for path in meant]
    return Sources(tuple(files), tuple(clashes), left_out)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not zarr_stores.is_store(path)


def _clash(slide: str, same: Sequence[Path]) -> str:
    return (
        f"{' and '.join(map(str, same))} would both be named {slide!r}; exchange them into separate folders, "
        "or name one encoder with --encoder"
    )


def _of_encoder(paths: Sequence[Path], encoder: str | None) -> list[Path]:
    """Those that lie in a folder of this encoder; all of them if none does."""

    def fits(path: Path) -> bool:
        return any(
            name in (encoder, f"{FEATURES}{encoder}") or name.startswith(f"{encoder}-")
            for name in path.parts[:-1]
        )

    return [p for p in paths if encoder and fits(p)] or list(paths)


def slide_name(path: Path) -> str:
    """The id of a slide from the name of any tool's file: without its ending, and without `.ome`.

    Dots within the name stay.
    """
    name = path.name
    ending = next((e for e in ENDINGS if name.lower().endswith(e) and _may_end(path, e)), "")
    return _without_ome(name[: -len(ending)] if ending else name)


def _may_end(path: Path, ending: str) -> bool:
    return ending != PATCHES or path.parent.name == PATCHES_FOLDER


def _without_ome(name: str) -> str:
    """Tools that name their files by the stem leave `.ome` of `.ome.tif` where it is."""
    middle = next((d for d in {d.rsplit(".", 1)[0] for d in DOUBLE} if name.lower().endswith(d)), "")
    return name[: len(name) - len(middle)] or name


def _inside(folder: Path) -> list[Path]:
    """Everything in a folder that could be exchanged.

    Coordinates without features count too, so that slides which the tool left without features are told.

    Raises:
        GridError: there is nothing.
    """
    files = sorted(_walk(folder))
    features = [p for p in files if not _is_coordinates(p)]
    names = {slide_name(p) for p in features}
    bare = [p for p in files if _is_coordinates(p) and slide_name(p) not in names]
    if not features and not bare:
        endings = sorted({p.suffix or p.name for p in folder.rglob("*") if p.is_file()})
        raise GridError(
            f"nothing to exchange in the folder {folder}; its files end in {' '.join(endings) or '-'}, "
            f"expected {' '.join(e for e in ENDINGS if e.count('.') < 3)}; {OTHER_FILE}"
        )
    return features + bare


def _walk(folder: Path) -> Iterator[Path]:
    """Candidates, without folders that hold something else."""
    entries = sorted(folder.iterdir())
    names = {p.name for p in entries}
    for path in entries:
        if path.name.startswith("."):
            continue
        if is_grid(path) or (path.is_dir() and zarr_stores.is_store(path)):
            yield path
        elif path.is_dir():
            other = path.name.startswith(OTHER_FOLDERS) or path.name in NO_TILES
            if not other and not (path.name == "pt_files" and "h5_files" in names):
                yield from _walk(path)
        elif _may_hold_features(path):
            yield path


def _may_hold_features(path: Path) -> bool:
    if path.suffix == ".npz":
        return path.name.endswith(slide2vec.COORDINATES) or slide2vec.sidecar(path).exists()
    return path.suffix in (*hdf5.SUFFIXES, ".pt") or path.name.endswith(nic.FEATURES)


def _is_coordinates(path: Path) -> bool:
    """Whether a file has coordinates alone, going by where the tools put those."""
    patches = path.parent.name == PATCHES_FOLDER and path.suffix in hdf5.SUFFIXES
    return patches or path.name.endswith(slide2vec.COORDINATES)


def recognise(path: Path, expected: str = "auto") -> str:
    """The tool that wrote a file, by what is in it.

    Args:
        path: file or Zarr store.
        expected: the tool that it should be; auto if any will do.

    Raises:
        GridError: missing, or no file of a known or of the expected tool; the message says what it holds.
    """
    if not path.exists():
        raise GridError(f"{path}: no such file; check the path")
    tool, holds = _look(path)
    if tool is None:
        raise GridError(
            f"{path}: not recognised, it holds {holds}, expected HDF5 with features or feats and coords "
            "(CLAM, TRIDENT, STAMP, Marugoto), .pt or .npz with its .meta.json (slide2vec), a Zarr store "
            "(LazySlide, TIAToolbox), an array (dim, rows, cols) (NIC), or a grid of histopress; "
            f"{TENSOR_REMEDY if holds == TENSOR else OTHER_FILE}"
        )
    if expected not in ("auto", tool) and {expected, tool} != {"stamp", "marugoto"}:
        raise GridError(f"{path}: a file of {tool}, not of {expected}; leave out --from, or name other files")
    return tool


def _look(path: Path) -> tuple[str | None, str]:
    """(tool or None, what the file holds)."""
    if path.is_dir():
        return zarr_stores.zarr_tool(path), f"the Zarr arrays and groups {zarr_stores.contents(path)}"
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"\x89HDF"):
        with hdf5.reading(path) as opened:
            return _hdf5_tool(opened), f"HDF5 with {hdf5.contents(opened)}"
    tool: str | None = None
    if start.startswith(b"\x93NUMPY"):
        tool = "nic"
    elif path.name.endswith(slide2vec.COORDINATES) or slide2vec.sidecar(path).is_file():
        tool = "slide2vec"
    elif path.name.endswith(SUFFIX) and zipfile.is_zipfile(path):
        tool = "grid"
    return tool, TENSOR if path.suffix == ".pt" else f"{path.stat().st_size} bytes that begin with {start!r}"


def _hdf5_tool(file: h5py.File) -> str | None:
    names = set(file.keys())
    if "feats" in names:
        root = hdf5.attributes(file)
        return "stamp" if {"stamp_version", "unit", "tile_size_um"} & root.keys() else "marugoto"
    if "coords" not in names:
        return None
    known = hdf5.attributes(file["coords"])
    if is_trident(known):
        return "trident"
    return "clam" if "features" in names or "patch_level" in known or "patch_size" in known else None
