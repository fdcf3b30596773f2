"""How targets are written: COLUMN, COLUMN:KIND or COLUMN:KIND(options), several of them with commas.

er
er:binary(neg<pos)                                    the positive class last
grade:ordinal(1<2<3)                                  or ordinal(1<2<3,corn)
score:regression(mse)
os:survival(time=os_months,event=dead)                or censored=censorship; at=12|36|60; hazards, bins=8
findings:multilabel                                   a column such as "necrosis;mitoses"
findings:multilabel(columns=necrosis|mitoses)         columns of 1 and 0
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from histopress.core.errors import HeadError
from histopress.heads.objective_labels import closest

MULTILABEL = "multilabel"
OPTIONS: dict[str, tuple[str, ...]] = {
    "binary": ("order",),
    "multiclass": (),
    "ordinal": ("order", "loss"),
    "regression": ("loss",),
    "survival": ("time", "event", "censored", "at", "loss", "bins", "ties"),
    MULTILABEL: ("labels", "columns"),
}
"""Kind -> options it takes. An order is written without its name: neg<pos."""

CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("ordinal", "loss"): ("cumulative", "corn"),
    ("regression", "loss"): ("huber", "mse"),
    ("survival", "loss"): ("cox", "hazards"),
    ("survival", "ties"): ("efron", "breslow"),
}
"""Kind and option -> what it may be. These may be written without the name of the option."""


@dataclass(frozen=True)
class Target:
    """What is to be learned, as it was asked for.

    Attributes:
        column: that holds the label; for survival with a `time` column just a name.
        kind: if it was stated.
        options: of the kind; several values of one are separated by |, an order by <.
    """

    column: str
    kind: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    def several(self, option: str, separator: str = "|") -> tuple[str, ...]:
        """The values of an option; empty where it was not given."""
        values = self.options.get(option, "").split(separator)
        return tuple(value.strip() for value in values if value.strip())

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the cohort that it is read from."""
        if self.several("columns"):
            return self.several("columns")
        told = self.options.get("event") or self.options.get("censored")
        return (self.options.get("time", self.column), *([told] if told else []))

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The same by target: a label needs a value in all columns of its group."""
        apart = self.kind == MULTILABEL
        return tuple((column,) for column in self.columns) if apart else (self.columns,)


def parse_target(text: str) -> tuple[Target, ...]:
    """One target or several.

    Raises:
        HeadError: no column, an unknown kind or option, or a name twice.
    """
    targets = tuple(_one(piece) for piece in _pieces(text, ","))
    names = [target.column for target in targets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise HeadError(f"target {twice[0]!r} stands twice in {text!r}, expected each once; leave one out")
    return targets


def target_columns(targets: Sequence[Target]) -> tuple[str, ...]:
    """The columns of the cohort that some targets are read from, each once."""
    return tuple(dict.fromkeys(column for target in targets for column in target.columns))


def target_groups(targets: Sequence[Target]) -> tuple[tuple[str, ...], ...]:
    """The same by target; a patient has a label where all columns of a group have a value."""
    return tuple(group for target in targets for group in target.groups)


def check_kind(kind: str) -> None:
    """Complain of an unknown kind.

    Raises:
        HeadError: there is none of this name.
    """
    if kind not in OPTIONS:
        raise HeadError(
            f"kind of target is {kind!r}, expected {', '.join(OPTIONS)}; write COLUMN:KIND"
            f"{closest(kind, OPTIONS)}"
        )


def _pieces(text: str, separator: str) -> list[str]:
    """Text between separators that stand outside of all parentheses."""
    pieces, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            break
        if sign == separator and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += sign
    if depth:
        raise HeadError(f"target {text!r} has unequal parentheses, expected COLUMN:KIND(options); close each")
    return [piece.strip() for piece in pieces]


def _one(text: str) -> Target:
    *front, last = _pieces(text, ":")
    column = ":".join(front) if front else last
    if not column:
        raise HeadError(f"target is {text!r}, expected COLUMN, COLUMN:KIND or COLUMN:KIND(options)")
    if not front:
        return Target(column)
    found = re.fullmatch(r"([^()]*)(?:\((.*)\))?", last)
    kind = found[1].strip() if found else last
    check_kind(kind)
    options: dict[str, str] = {}
    for piece in filter(None, _pieces((found and found[2]) or "", ",")):
        name, value = _option(kind, piece, text)
        if name in options:
            raise HeadError(f"target {text!r} gives {name} twice, expected it once; leave one out")
        options[name] = value
    return Target(column, kind, options)


def _option(kind: str, piece: str, text: str) -> tuple[str, str]:
    """An option as name and value."""
    allowed = OPTIONS[kind]
    if "<" in piece:
        name, value = "order", piece
    elif "=" in piece:
        name, _, value = (part.strip() for part in piece.partition("="))
    else:
        name = next((n for (k, n), choices in CHOICES.items() if k == kind and piece in choices), piece)
        value = piece if name != piece else ""
    if name not in allowed or not value or (name == "order" and "<" not in piece):
        words = [*allowed, *(c for (k, _), choices in CHOICES.items() if k == kind for c in choices)]
        shown = ", ".join(_shown(kind, option) for option in allowed) or "no options"
        raise HeadError(f"{piece!r} in target {text!r}, expected {shown}{closest(name, words)}")
    choices = CHOICES.get((kind, name), (value,))
    if value not in choices:
        raise HeadError(
            f"{name} is {value!r} in target {text!r}, expected {' or '.join(choices)}"
            f"{closest(value, choices)}"
        )
    return name, value


def _shown(kind: str, option: str) -> str:
    """How an option is written."""
    if option == "order":
        return "LOW<HIGH"
    return f"{option}={'|'.join(CHOICES.get((kind, option), (option.upper(),)))}"
