"""Words in a source -> labels, groups and parts of a task; what is unknown is listed all at once."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import get_args

from histopress.core.errors import PatchError
from histopress.data.patch_source import Label
from histopress.data.patch_task import Part, PatchTask
from histopress.data.tables import is_missing

YES = {"1", "1.0", "true", "yes", "y"}
NO = {"0", "0.0", "false", "no", "n"}

LEFT_OUT = ""
"""What a label is mapped to whose rows are no part of the task."""


def labels_of(
    words: Sequence[str], task: PatchTask, mapping: Mapping[str, str], where: str
) -> list[Label | None]:
    """One label a word; None where it is to be left out, NaN where it is missing.

    Args:
        words: names of classes, or numbers for regression.
        task: states the classes.
        mapping: word -> class; "" leaves it out; words that it lacks stand for themselves.
        where: names the source in errors.

    Raises:
        PatchError: words that are no classes.
    """
    if task.kind == "regression":
        return [_number(word, where) for word in words]
    numbers: dict[str, Label | None] = {name: float(index) for index, name in enumerate(task.classes)}
    numbers[LEFT_OUT] = None
    meant = {word: mapping.get(word, math.nan if is_missing(word) else word) for word in set(words)}
    unknown = Counter(w for w in words if isinstance(meant[w], str) and meant[w] not in numbers)
    if unknown:
        raise PatchError(
            f"{where}: {_counted(unknown)} are no classes of task {task.name!r}, expected "
            f"{', '.join(task.classes)}; name them in `source.mapping` ('' leaves out), or mend `classes`"
        )
    return [math.nan if isinstance(name := meant[w], float) else numbers[name] for w in words]


def flags_of(columns: Sequence[Sequence[str]], where: str) -> list[Label | None]:
    """One tuple of 0 or 1 a row from one column of yes and no a class; NaN where a cell is empty.

    Raises:
        PatchError: a cell says neither yes nor no.
    """
    odd = Counter(w for column in columns for w in column if not is_missing(w) and w.lower() not in YES | NO)
    if odd:
        raise PatchError(f"{where}: {_counted(odd)}, expected 1, 0 or nothing; mend the columns of labels")
    known = [[math.nan if is_missing(w) else float(w.lower() in YES) for w in column] for column in columns]
    return list(zip(*known, strict=True))


def _number(word: str, where: str) -> float:
    if is_missing(word):
        return math.nan
    try:
        return float(word)
    except ValueError as error:
        raise PatchError(f"{where}: label {word!r}, expected a number for regression; mend it") from error


def _counted(words: Counter[str]) -> str:
    shown = ", ".join(f"{word!r} ({count} times)" for word, count in words.most_common(10))
    return f"labels {shown}" + (f" and {len(words) - 10} more" if len(words) > 10 else "")


def parts_of(words: Sequence[str], mapping: Mapping[str, str], where: str) -> list[str | None]:
    """train, tuning or test for each word; None where it is mapped to "" and so left out.

    Raises:
        PatchError: words that mean no part.
    """
    parts = {*get_args(Part), LEFT_OUT}
    unknown = sorted({w for w in words if mapping.get(w, w or "?") not in parts})
    if unknown:
        raise PatchError(
            f"{where}: {', '.join(map(repr, unknown[:10]))} are no parts, expected train, tuning or test; "
            "name them in `source.parts`"
        )
    return [mapping.get(w, w) or None for w in words]


def pattern_of(text: str, setting: str) -> re.Pattern[str] | None:
    """A compiled pattern; None for no text.

    Raises:
        PatchError: the text is no regular expression.
    """
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise PatchError(f"`{setting}` = {text!r} is no regular expression ({error}); mend it") from error


def found_by(pattern: re.Pattern[str], text: str, where: str) -> str:
    """The brackets of a pattern as found in a text, joined by "/"; the whole find if there are none.

    Raises:
        PatchError: the pattern is not found.
    """
    match = pattern.search(text)
    if match is None:
        raise PatchError(
            f"{where}: the pattern {pattern.pattern!r} is not found in {text!r}, expected a class or group; "
            "mend it"
        )
    return "/".join(part or "" for part in match.groups()) or match.group()
