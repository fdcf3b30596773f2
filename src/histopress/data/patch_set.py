"""Which layouts of labelled patches there are."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from histopress.core.errors import PatchError
from histopress.data.patch_source import PatchSource
from histopress.data.patch_task import PatchTask

SOURCES = {
    "folder": ("patch_folder", "FolderSource"),
    "table": ("patch_table", "TableSource"),
    "hdf5": ("patch_hdf5", "Hdf5Source"),
    "npz": ("patch_npz", "NpzSource"),
    "points": ("patch_points", "PointSource"),
    "masks": ("patch_masks", "MaskSource"),
    "geojson": ("patch_geojson", "GeoJsonSource"),
}
"""Layout -> module of this folder and class; imported when it is asked for."""


def open_source(task: PatchTask, folder: Path) -> PatchSource:
    """The reader of a task's layout; use it in a `with` block.

    Args:
        task: whose data.
        folder: of the data.

    Raises:
        PatchError: the layout is unknown, or the files are not of it.
        RecipeError: the settings of the layout are wrong.
    """
    if task.layout not in SOURCES:
        raise PatchError(
            f"task {task.name!r}: layout {task.layout!r}, expected one of {', '.join(SOURCES)}; mend `layout`"
        )
    if not folder.is_dir():
        raise PatchError(
            f"{folder}: there is no such folder, expected the data of task {task.name!r}; name the folder "
            f"that holds {task.folder or 'them'}{f' ({task.origin})' if task.origin else ''}"
        )
    module, name = SOURCES[task.layout]
    kind: type[PatchSource] = getattr(import_module(f"histopress.data.{module}"), name)
    return kind(task, folder)
