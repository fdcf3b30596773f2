"""Heads by name."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Literal

from histopress.core.errors import HeadError
from histopress.heads.head import Head


@dataclass(frozen=True)
class HeadEntry:
    """One line of the catalogue; the class is imported when it is needed.

    Attributes:
        home: "module:Class", the module below `histopress.heads`.
        what: it does, in a few words.
        takes: a grid, where it matters what lies beside what, or a bag of cells.
        positions: whether it takes where cells lie: always, never, or as a setting.
        attention: whether it tells how much each cell counted.
        source: the paper, or where it comes from.
        library: whose code does the work.
    """

    home: str
    what: str
    takes: Literal["grid", "bag"]
    positions: Literal["yes", "no", "setting"] = "no"
    attention: bool = True
    source: str = "-"
    library: str = "histopress"

    def load(self) -> type[Head]:
        """The class."""
        module, name = self.home.split(":")
        loaded: type[Head] = getattr(import_module(f"histopress.heads.{module}"), name)
        return loaded


HEADS: dict[str, HeadEntry] = {
    "mean": HeadEntry("pooling:MeanHead", "mean code, then linear: the baseline", "bag", attention=False),
    "max": HeadEntry("pooling:MaxHead", "highest score of a cell", "bag"),
    "max:channels": HeadEntry("pooling:ChannelMaxHead", "largest value of each channel, then linear", "bag"),
    "topk": HeadEntry("pooling:TopKHead", "mean of the k highest scores", "bag"),
    "lse": HeadEntry(
        "pooling:LogSumExpHead", "log-sum-exp of scores, sharpness learned", "bag", source="arXiv 1411.6228"
    ),
    "cnn": HeadEntry("cnn:GridCNN", "convolutions among tissue cells, pooled in three ways", "grid", "yes"),
    "cnn:published": HeadEntry(
        "published_cnn:PublishedCNN",
        "eight layers over 400 x 400 cells",
        "grid",
        "yes",
        attention=False,
        source="arXiv 1811.02840",
    ),
    "abmil": HeadEntry(
        "mil:AttentionHead", "gated attention", "bag", source="arXiv 1802.04712", library="torchmil"
    ),
    "abmil:smooth": HeadEntry(
        "mil_graphs:SmoothHead",
        "attention, smoothed along the tissue",
        "grid",
        "yes",
        source="arXiv 2410.03276",
        library="torchmil",
    ),
    "abmil:transformer": HeadEntry(
        "mil_transformers:TransformerHead",
        "self-attention, then gated attention",
        "bag",
        "setting",
        source="arXiv 2410.03276",
        library="torchmil",
    ),
    "abmil:smooth-transformer": HeadEntry(
        "mil_graphs:SmoothTransformerHead",
        "self-attention and attention, smoothed",
        "grid",
        "yes",
        source="arXiv 2410.03276",
        library="torchmil",
    ),
    "clam": HeadEntry(
        "mil:ClamHead",
        "gated attention, with a loss on cells where the target is a class",
        "bag",
        source="arXiv 2004.09666",
        library="torchmil",
    ),
    "dsmil": HeadEntry(
        "mil:DualStreamHead",
        "highest cell, and all by likeness to it",
        "bag",
        source="arXiv 2011.08939",
        library="torchmil",
    ),
    "dtfd": HeadEntry(
        "mil:DoubleTierHead",
        "attention in pseudo-bags, then over them",
        "bag",
        source="arXiv 2203.12081",
        library="torchmil",
    ),
    "transmil": HeadEntry(
        "mil_transformers:TransMILHead",
        "Nystroem attention with a class token, and convolutions",
        "grid",
        "yes",
        attention=False,
        source="arXiv 2106.00908",
        library="torchmil",
    ),
    "patchgcn": HeadEntry(
        "mil_graphs:PatchGCNHead",
        "graph convolutions, then attention",
        "grid",
        "yes",
        source="arXiv 2107.13048",
        library="torchmil",
    ),
}
"""Name or family:variant -> head. `mean` is the baseline that every other head has to beat."""


def head_class(name: str) -> type[Head]:
    """The class of a head.

    Raises:
        HeadError: there is none of this name.
    """
    if name not in HEADS:
        near = get_close_matches(name, HEADS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise HeadError(f"no head {name!r}; {hint}known: {', '.join(HEADS)}")
    return HEADS[name].load()


def settings_of(name: str) -> dict[str, Any]:
    """What can be set of a head, with defaults.

    Raises:
        HeadError: there is none of this name.
    """
    parameters = inspect.signature(head_class(name)).parameters
    return {n: p.default for n, p in parameters.items() if p.default is not inspect.Parameter.empty}


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
    known = settings_of(name)
    unknown = [s for s in settings if s not in known]
    if unknown:
        raise HeadError(
            f"head {name} has no setting {', '.join(unknown)}; known: {', '.join(known) or 'none'}"
        )
    return head_class(name)(dim, outputs, **settings)  # type: ignore[call-arg]
