"""Layout "hdf5": patches as PatchCamelyon ships them, one file of pixels and one of labels a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import CohortError, PatchError
from histopress.core.recipe import build
from histopress.data.patch_arrays import ArrayPart, ArraySource
from histopress.data.patch_task import PatchTask
from histopress.data.tables import read_text_table

if TYPE_CHECKING:
    import pandas as pd

CAMELYON = "camelyonpatch_level_2_split_{part}"


@dataclass(frozen=True)
class Hdf5Layout:
    """Settings of layout "hdf5"; in names of files, {part} stands for the name of a part in the source.

    Attributes:
        images: file with the pixels, (n, height, width, 3) or (n, height, width) uint8.
        labels: file with the labels, n numbers of classes; may be the same one.
        meta: table with a row for each patch, in their order; empty: there is none.
        images_key: dataset of the pixels.
        labels_key: dataset of the labels.
        group: column of `meta` with the group; without `meta`, every patch is a group.
        only: column of `meta` -> value that patches must have to be read.
        parts: name of a part in the source -> train, tuning or test; "" leaves it out.
    """

    images: str = f"{CAMELYON}_x.h5"
    labels: str = f"{CAMELYON}_y.h5"
    meta: str = f"{CAMELYON}_meta.csv"
    images_key: str = "x"
    labels_key: str = "y"
    group: str = "wsi"
    only: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(
        default_factory=lambda: {"train": "train", "valid": "tuning", "test": "test"}
    )


class Hdf5Source(ArraySource):
    """Layout "hdf5"; see `Hdf5Layout`."""

    def __init__(self, task: PatchTask, folder: Path) -> None:
        self.layout = build(Hdf5Layout, task.source, where=f"[source] of task {task.name}")
        self._files: dict[str, h5py.File] = {}
        super().__init__(task, folder, self.layout.parts)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def files(self) -> Sequence[Path]:
        """See `PatchSource.files`."""
        names = (self.layout.images, self.layout.labels, self.layout.meta)
        used = {name.format(part=part) for part, to in self.parts.items() if to for name in names if name}
        return [_found(self.folder / name) for name in sorted(used)]

    def _open(self, part: str) -> ArrayPart:
        layout = self.layout
        images, labels = layout.images.format(part=part), layout.labels.format(part=part)
        pixels = self._dataset(images, layout.images_key)
        table = _table(_found(self.folder / layout.meta.format(part=part))) if layout.meta else None
        return ArrayPart(
            file=images,
            shape=pixels.shape,
            read=lambda start, stop: _rows(pixels, start, stop),
            labels=_rows(self._dataset(labels, layout.labels_key), 0, None),
            groups=[] if table is None else list(self._column(table, layout.group, part)),
            skipped=frozenset() if table is None else self._skipped(table, part),
        )

    def _dataset(self, name: str, key: str) -> Any:
        path = _found(self.folder / name)
        try:
            if name not in self._files:
                self._files[name] = h5py.File(path, "r")
        except OSError as error:
            raise PatchError(
                f"{path}: no readable HDF5 file ({error}), expected one with dataset {key!r}; download "
                "it again"
            ) from error
        file = self._files[name]
        found = file.get(key)
        if not isinstance(found, h5py.Dataset):
            raise PatchError(f"{path}: holds {', '.join(file)}, expected dataset {key!r}; mend `[source]`")
        return found

    def _skipped(self, table: pd.DataFrame, part: str) -> frozenset[int]:
        wrong = np.zeros(len(table), np.bool_)
        for column, value in self.layout.only.items():
            wrong |= (self._column(table, column, part) != value).to_numpy()
        return frozenset(np.flatnonzero(wrong).tolist())

    def _column(self, table: pd.DataFrame, column: str, part: str) -> pd.Series[str]:
        if column not in table:
            path = self.folder / self.layout.meta.format(part=part)
            raise PatchError(
                f"{path}: columns {', '.join(table.columns)}, expected also {column!r}; mend `[source]`"
            )
        return table[column]


def _found(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    if path.is_file():
        return path
    if packed.is_file():
        raise PatchError(f"{path}: only {packed.name} is there, expected it unpacked; run: gunzip {packed}")
    raise PatchError(
        f"{path}: there is no such file; complete the data, or mend `[source]` (`meta` may be empty, and a "
        "part that is not there may be left out of `parts`)"
    )


def _rows(dataset: Any, start: int, stop: int | None) -> NDArray[Any]:
    try:
        rows: NDArray[Any] = dataset[start:stop]
    except OSError as error:
        raise PatchError(
            f"{dataset.file.filename}: patches from {start} on cannot be read ({error}); download the "
            "file again"
        ) from error
    return rows


def _table(path: Path) -> pd.DataFrame:
    try:
        return read_text_table(path)
    except CohortError as error:
        raise PatchError(str(error)) from error
