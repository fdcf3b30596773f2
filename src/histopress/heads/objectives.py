"""What can be learned from labels, by name, and as plain values that a file can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from histopress.core.errors import HeadError
from histopress.core.recipe import build, plain
from histopress.heads.objective import Objective
from histopress.heads.objective_classes import Binary, Multiclass
from histopress.heads.objective_cox import Cox
from histopress.heads.objective_hazards import Hazards
from histopress.heads.objective_joint import Joint
from histopress.heads.objective_ordinal import Ordinal
from histopress.heads.objective_regression import Regression
from histopress.heads.objective_survival import Survival

__all__ = [
    "KINDS",
    "SURVIVAL",
    "Binary",
    "Cox",
    "Hazards",
    "Joint",
    "Multiclass",
    "Objective",
    "Ordinal",
    "Regression",
    "Survival",
    "describe",
    "restore",
]

KINDS: dict[str, type[Objective]] = {
    "binary": Binary,
    "multiclass": Multiclass,
    "ordinal": Ordinal,
    "regression": Regression,
    "survival": Cox,
}
"""The kind of a target, as tables of predictions name it -> what it means. New kinds are added here."""

SURVIVAL: dict[str, type[Survival]] = {"cox": Cox, "hazards": Hazards}
"""The loss of a survival target -> what it means."""


def describe(objective: Objective) -> dict[str, Any]:
    """An objective as plain values."""
    if isinstance(objective, Joint):
        members = [describe(member) for member in objective.members]
        return {"kind": objective.kind, "target": objective.target, "members": members}
    return {"kind": objective.kind, **plain(objective)}


def restore(settings: Mapping[str, Any]) -> Objective:
    """An objective from what `describe` gave.

    Raises:
        HeadError: there is no such kind.
        RecipeError: the values do not fit the kind.
    """
    values = dict(settings)
    kind = str(values.pop("kind", ""))
    if kind == Joint.kind:
        return Joint(str(values["target"]), tuple(restore(member) for member in values["members"]))
    if kind not in KINDS:
        raise HeadError(f"kind of objective is {kind!r}, expected {', '.join([*KINDS, Joint.kind])}")
    own = SURVIVAL.get(str(values.get("loss")), Cox) if kind == Survival.kind else KINDS[kind]
    return build(own, values, where="objective")
