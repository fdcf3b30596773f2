"""Heads by name."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import Any

from histopress.core.errors import HeadError
from histopress.heads.cnn import GridCNN
from histopress.heads.head import Head
from histopress.heads.pooling import MeanHead
from histopress.heads.published_cnn import PublishedCNN

HEADS: dict[str, type[Head]] = {
    "mean": MeanHead,
    "cnn": GridCNN,
    "cnn:published": PublishedCNN,
}
"""Name -> class. `mean` is the baseline that every other head has to beat."""


def head_class(name: str) -> type[Head]:
    """The class of a head.

    Raises:
        HeadError: there is none of this name.
    """
    if name not in HEADS:
        near = get_close_matches(name, HEADS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise HeadError(f"no head {name!r}; {hint}known: {', '.join(HEADS)}")
    return HEADS[name]


def make_head(name: str, dim: int, outputs: int, **settings: Any) -> Head:
    """A new head with random weights.

    Args:
        name: in the catalogue.
        dim: length of the codes.
        outputs: how many logits.
        settings: of the head's class, beyond the first two; plain values.

    Raises:
        HeadError: unknown name or setting.
    """
    kind = head_class(name)
    known = [p for p in inspect.signature(kind).parameters if p not in ("dim", "outputs")]
    unknown = [s for s in settings if s not in known]
    if unknown:
        raise HeadError(
            f"head {name} has no setting {', '.join(unknown)}; known: {', '.join(known) or 'none'}"
        )
    return kind(dim, outputs, **settings)  # type: ignore[call-arg]
