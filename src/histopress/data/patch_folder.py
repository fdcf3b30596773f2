"""Layout "folder": pictures in folders that are named after classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from histopress.core.errors import PatchError
from histopress.core.recipe import build
from histopress.data.patch_labels import found_by, labels_of, parts_of, pattern_of
from histopress.data.patch_pictures import LabelledPicture, PictureSource
from histopress.data.patch_task import PatchTask


@dataclass(frozen=True)
class FolderLayout:
    """Settings of layout "folder": pictures in folders that are named after classes.

    Attributes:
        images: folder or zip, below the folder of the data; empty: that folder itself.
        parts: name of a first folder -> train, tuning or test ("" leaves it out); none: no folders of parts.
        mapping: name of a folder -> class; "" leaves it out; others are named as the classes are.
        class_pattern: regular expression for the class in the path below `images`; empty: the first folder,
            or the one below that of the part.
        group_pattern: regular expression for the group in that path; its brackets count, joined by "/";
            empty: every picture is a group.
        only: regular expression that paths must hold to be read.
    """

    images: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    mapping: dict[str, str] = field(default_factory=dict)
    class_pattern: str = ""
    group_pattern: str = ""
    only: str = ""


class FolderSource(PictureSource):
    """Layout "folder"; see `FolderLayout`."""

    def __init__(self, task: PatchTask, folder: Path) -> None:
        self.layout = build(FolderLayout, task.source, where=f"[source] of task {task.name}")
        if task.kind == "multilabel":
            raise PatchError(
                f'task {task.name!r} is multilabel, which folders cannot say; use layout "table"'
            )
        super().__init__(task, folder, self.layout.images)

    def _pictures(self) -> Iterator[LabelledPicture]:
        where = str(self.store.path)
        only = pattern_of(self.layout.only, "source.only")
        names = [name for name in self.store.names() if only is None or only.search(name)]
        if not names:
            raise PatchError(f"{where}: no picture, expected folders of pictures; check `source`")
        words = [self._part_and_class(name) for name in names]
        parts = parts_of([part for part, _ in words], self.layout.parts, where) if self.layout.parts else None
        labels = labels_of([word for _, word in words], self.task, self.layout.mapping, where)
        group = pattern_of(self.layout.group_pattern, "source.group_pattern")
        for index, (name, label) in enumerate(zip(names, labels, strict=True)):
            part = parts[index] if parts else ""
            if label is not None and part is not None:
                yield LabelledPicture(name, label, found_by(group, name, where) if group else name, part)

    def _part_and_class(self, name: str) -> tuple[str, str]:
        part, rest = name.split("/", 1) if self.layout.parts and "/" in name else ("", name)
        pattern = pattern_of(self.layout.class_pattern, "source.class_pattern")
        if pattern is not None:
            return part, found_by(pattern, name, str(self.store.path))
        if "/" not in rest:
            raise PatchError(
                f"{self.store.path}/{name}: the picture lies in no folder of a class, expected "
                f"{'PART/' if self.layout.parts else ''}CLASS/...; check `source.images` and `source.only`"
            )
        return part, rest.split("/", 1)[0]
