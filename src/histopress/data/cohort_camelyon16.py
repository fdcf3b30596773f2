"""CAMELYON16: names of training slides, the reference of test slides -> rows with the official split."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from histopress.core.errors import CohortError
from histopress.data.cohort_draft import Draft, LeftOut, Row, placed
from histopress.data.cohort_sources import Layout, Sources
from histopress.data.slide_files import slide_id

LAYOUT = Layout(("reference.csv",), r"(?:normal|tumor|test)_\d{3}")
CLASSES = ("normal", "tumor")
LESIONS = {"none", "negative", "micro", "macro", "itc"}
REMOVED = {
    "normal_086": "misclassified, since renamed to tumor_111",
    "test_049": "duplicate of another slide",
}
"""Slides that the makers have taken back, as the notes that come with the data say."""

_TRAIN = re.compile(r"(normal|tumor)_\d{3}")
_TEST = re.compile(r"test_\d{3}")


def official_training() -> list[str]:
    """Ids of the 270 training slides."""
    normal = [f"normal_{number:03d}" for number in range(1, 161)]
    tumor = [f"tumor_{number:03d}" for number in range(1, 112)]
    return [name for name in [*normal, *tumor] if name not in REMOVED]


def read_camelyon16(sources: Sources) -> Draft:
    """Training slides are labelled by their name, test slides by reference.csv; each slide is a patient.

    Columns made: `tumor` (normal or tumor), `split`, `lesion` where the reference tells it.
    Without files of slides, rows are the official ones.

    Raises:
        CohortError: the reference is another file, names a test slide twice, or says otherwise than a name.
    """
    path = sources.one_table()
    tested = _reference(path)
    files = {slide_id(file) for file in sources.slides or ()}
    found = sorted(name for name in files if _TRAIN.fullmatch(name) and name not in REMOVED)
    training = official_training() if sources.slides is None else found
    rows = [_row(name, name.partition("_")[0], "train", "") for name in training]
    rows += [_row(name, *known) for name, known in tested.items() if name not in REMOVED]
    named = {*tested, *files}
    removed = [LeftOut(name, name, why) for name, why in REMOVED.items() if name in named]
    if not any(row.get("lesion") for row in rows):
        rows = [{k: v for k, v in row.items() if k != "lesion"} for row in rows]
    notes = [] if len(training) == 270 else [f"{len(training)} training slides, of 270 official ones"]
    return placed(Draft(rows, removed, notes), sources.slides, str(path))


def _row(name: str, label: str, split: str, lesion: str) -> Row:
    return {"patient": name, "slide": name, "split": split, "tumor": label, "lesion": lesion}


def _reference(path: Path) -> dict[str, tuple[str, str, str]]:
    """Test slide -> (class, split, kind of metastasis or ""); with or without a header, as both are about."""
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except UnicodeDecodeError as error:
        raise CohortError(str(path), ["not a text file; name reference.csv of the test part"]) from error
    found: dict[str, tuple[str, str, str]] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip().lower() for cell in line]
        name = slide_id(cells[0]) if cells else ""
        label = next((cell for cell in cells[1:] if cell in CLASSES), "")
        if _TEST.fullmatch(name) and label:
            lesion = next((cell for cell in cells[1:] if cell in LESIONS), "")
            if name in found:
                problems.append(f"row {number}: {name} stands there twice, expected once; remove one")
            found[name] = (label, "test", lesion)
        elif _TRAIN.fullmatch(name) and label and label != name.partition("_")[0] and name not in REMOVED:
            problems.append(f"row {number}: {name} is {label!r}, expected what its name says; correct it")
        elif _TEST.fullmatch(name):
            problems.append(f"row {number}: no class for {name}, expected Normal or Tumor; correct it")
    if not found and not problems:
        problems.append("no row names a test slide (test_001, ...) with Normal or Tumor; name reference.csv")
    if problems:
        raise CohortError(str(path), problems[:10])
    return found
