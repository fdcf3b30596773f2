"""The cohort: one row a slide, with its patient, file and labels; checked before anything is computed."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from histopress.core.errors import CohortError
from histopress.core.location import Url, location
from histopress.data import cohort_checks as checks
from histopress.data.cohort_checks import Problems
from histopress.data.slide_files import SUFFIXES, slide_id
from histopress.data.tables import is_missing, natural, read_text_table

log = logging.getLogger(__name__)

COLUMNS = {
    "patient": ("patient", "patient_id", "patientid", "case", "case_id", "subject", "subject_id"),
    "slide": ("slide", "slide_id", "slide_name", "image", "image_id", "wsi"),
    "path": ("path", "slide_path", "file", "file_name", "filename", "file_path", "image_path", "wsi_path"),
    "site": ("site", "centre", "center", "hospital", "institution"),
    "split": ("split", "part", "subset"),
    "spacing": ("spacing", "mpp", "um_per_px"),
    "mask": ("mask", "mask_path", "tissue_mask"),
}
"""Meaning -> accepted column names, of which the first wins. Case, blanks and hyphens do not matter.

`slide` may hold a file or an id; `path` alone is enough. Every other column is a label or covariate.
"""


COVARIATES = ("site", "sex", "gender", "is_female", "age", "stage")
"""Columns by which scores are told apart where a cohort has them."""


@dataclass(frozen=True)
class Cohort:
    """Slides and what is known of them.

    Attributes:
        table: one row a slide, in the order of the file. Text: `patient`, `slide` (id), `path` ("" where the
            row names no file) and, where the file has them, `site`, `split` (train, tuning, test) and `mask`
            (path or ""); `spacing` in um/px (NaN where not given). All other columns are labels and
            covariates: whole numbers, numbers, or else text.
        source: the file.
        left_out: `patient` and `slide` of the rows without a label, where those were left out.
    """

    table: pd.DataFrame
    source: str
    left_out: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"patient": [], "slide": []}))

    def labels(self, columns: Sequence[str]) -> pd.DataFrame:
        """Some columns, one row a patient, indexed and sorted by patient; see `by_patient`."""
        return pd.DataFrame({column: self.by_patient(column) for column in columns})

    def by_patient(self, column: str) -> pd.Series[Any]:
        """One value for every patient, indexed and sorted by patient.

        Raises:
            CohortError: there is no such column, or a patient has two values.
        """
        if column not in self.table:
            raise CohortError(self.source, [_no_column(column, self.table.columns)])
        values = self.table.groupby("patient")[column]
        counts = values.nunique(dropna=False)
        several = [
            f"patient {p!r} has {n} values of {column}, expected one" for p, n in counts.items() if n > 1
        ]
        if several:
            raise CohortError(self.source, several)
        return self.table.drop_duplicates("patient").set_index("patient")[column].sort_index()


def covariates_of(path: Path) -> tuple[str, ...]:
    """Which of `COVARIATES` a cohort table has, by the names that its columns are known by.

    Raises:
        CohortError: see `read_cohort`.
    """
    columns = read_cohort(path).table.columns
    return tuple(name for name in COVARIATES if name in columns)


def read_cohort(
    path: Path,
    target: str | Sequence[Sequence[str]] | None = None,
    *,
    classes: Sequence[str] | None = None,
    drop_unlabelled: bool = False,
    check_files: bool = False,
) -> Cohort:
    """Read a cohort table and check all of it.

    Ids are text: leading zeros are kept. Paths are relative to the folder of the table. The id of a slide is
    its file name without the extension.

    Args:
        path: CSV (comma, semicolon or tab; UTF-8) or Parquet; column names as in `COLUMNS`.
        target: label column that is to be learned; every patient must have exactly one value of it. Or for
            each of several targets the columns that it is made of; a patient must have a label for at least
            one of them, that is a value in all its columns.
        classes: the labels that may occur, as text.
        drop_unlabelled: leave out slides without a target, instead of complaining.
        check_files: every row must name a slide file that exists, and masks must exist.

    Raises:
        CohortError: with all problems, each with its row as a spreadsheet counts it.
    """
    problems = Problems()
    groups = [[target]] if isinstance(target, str) else list(map(list, target or ()))
    labels = list(dict.fromkeys(column for group in groups for column in group))
    whole = _locate(_rename(read_text_table(path), labels, str(path)), path.parent, problems)
    table = _labelled(whole, groups, drop_unlabelled, problems)
    left_out = whole.loc[~whole.index.isin(table.index), ["patient", "slide"]].reset_index(drop=True)
    checks.check_slides(table, problems)
    if "spacing" in table:
        table["spacing"] = checks.check_spacings(table["spacing"], problems)
    if "split" in table:
        table["split"] = checks.check_parts(table, problems)
    if check_files:
        checks.check_files_exist(table, problems)
    known = [c for c in COLUMNS if c in table]
    others = [c for c in table.columns if c not in known]
    for column in others:
        table[column] = natural(table[column])
    for column in labels:
        checks.check_labels(table, column, classes, problems)
    problems.raise_if_any(str(path))
    return Cohort(table[[*known, *others]].reset_index(drop=True), str(path), left_out)


def _rename(text: pd.DataFrame, labels: Sequence[str], where: str) -> pd.DataFrame:
    """Columns of known meaning under their first name; labels keep the names they are asked for."""
    problems: list[str] = []
    names: dict[str, str] = {}
    for meaning, accepted in COLUMNS.items():
        found = {
            c: accepted.index(_plain(c)) for c in text.columns if _plain(c) in accepted and c not in labels
        }
        if len(found) > 1 and min(found.values()) > 0:
            could = " and ".join(map(repr, found))
            problems.append(f"{could} could each be the {meaning}, expected one; rename one to {meaning!r}")
        if found:
            names[min(found, key=lambda c: found[c])] = meaning
    for meaning, accepted in (
        ("patient", COLUMNS["patient"]),
        ("slide", COLUMNS["slide"] + COLUMNS["path"]),
    ):
        if not any(_plain(c) in accepted for c in text.columns if c not in labels):
            problems.append(
                f"no column tells the {meaning}: found {', '.join(text.columns)}; "
                f"expected one of {', '.join(accepted)}; rename or add it"
            )
    problems += [_no_column(label, text.columns) for label in labels if label not in text]
    if problems:
        raise CohortError(where, problems)
    return text.rename(columns=names)


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _no_column(name: str, columns: pd.Index[Any]) -> str:
    close = get_close_matches(name, columns, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "check the name, it is case-sensitive"
    return f"no column {name!r}: found {', '.join(columns)}; {hint}"


def _labelled(
    table: pd.DataFrame, groups: Sequence[Sequence[str]], drop: bool, problems: Problems
) -> pd.DataFrame:
    """Rows without any label left out, or each a problem."""
    if not groups:
        return table
    given = {column: ~table[column].map(is_missing) for group in groups for column in group}
    labelled = np.logical_or.reduce([np.logical_and.reduce([given[c] for c in g]) for g in groups])
    names = ", ".join("+".join(group) for group in groups)
    if not drop:
        checks.check_labelled(table[~labelled], groups, problems)
        return table
    if not labelled.all():
        log.warning("%d of %d slides have no %s and are left out", (~labelled).sum(), len(table), names)
    if not labelled.any():
        raise CohortError(
            names, [f"none of {len(table)} rows has a label, expected some; fill in the column"]
        )
    return table[labelled].copy()


def _locate(table: pd.DataFrame, folder: Path, problems: Problems) -> pd.DataFrame:
    """Which file and which id every row means; blanks instead of missing patients, sites and masks."""
    blank = pd.Series("", index=table.index, dtype=str)
    text = {c: table.get(c, blank).map(lambda cell: "" if is_missing(cell) else cell) for c in COLUMNS}
    files, ids = [], []
    for row, named, written in zip(table.index, text["slide"], text["path"], strict=True):
        file = written or (named if _is_file(named, folder) else "")
        ids.append(slide_id(_slashed(file)) if file else named)
        files.append(_below(folder, file))
        if (
            written
            and named
            and named != ids[-1]
            and _slashed(named).rpartition("/")[2] != location(files[-1]).name
        ):
            problems.add(
                "slide and path",
                row,
                f"slide {named!r} and path {written!r} are named differently, expected the id {ids[-1]!r}; "
                "correct one of them",
            )
    columns = {"slide": ids, "path": files}
    if "mask" in table:
        columns["mask"] = [_below(folder, mask) for mask in text["mask"]]
    if "site" in table:
        columns["site"] = text["site"].tolist()
    return table.assign(patient=text["patient"], **columns)


def _is_file(text: str, folder: Path) -> bool:
    """Whether a `slide` cell means a file, not just an id: by its folders, its ending, or as it is there."""
    slashed = _slashed(text)
    return text != "" and (
        "/" in slashed or Path(slashed).suffix.lower() in SUFFIXES or (folder / slashed).is_file()
    )


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _below(folder: Path, path: str) -> str:
    found = location(path)
    if not path or isinstance(found, Url):
        return path
    return str(folder / _slashed(str(found)))
