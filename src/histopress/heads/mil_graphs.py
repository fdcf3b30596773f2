"""Heads in which neighbouring cells of the grid are joined to a graph, through torchmil."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from histopress.core.errors import HeadError
from histopress.heads.mil_bag import Bag, BagAnswer, BagHead, check_heads, embedding, last_layer
from histopress.heads.mil_modules import PatchGCN, SmABMIL, SmTransformerABMIL

STEPS = {
    4: ((-1, 0), (0, -1), (0, 1), (1, 0)),
    8: ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)),
}


def adjacency(bag: Bag, neighbours: int) -> Tensor:
    """Which cells touch: (1, tiles, tiles) sparse, D^-1/2 A D^-1/2 with degrees D; empty for lone cells.

    Args:
        bag: of cells.
        neighbours: 4 (sides) or 8 (corners too).
    """
    ends = torch.cat([_joined(bag.at, step) for step in STEPS[neighbours]], dim=1)
    count = len(bag.at)
    degree = torch.bincount(ends[0], minlength=count).to(bag.cells.dtype)
    weights = (degree[ends[0]] * degree[ends[1]]).rsqrt()
    where = torch.cat([torch.zeros_like(ends[:1]), ends])
    joined = torch.sparse_coo_tensor(where, weights, (1, count, count), check_invariants=False)
    return joined.coalesce()


def _joined(at: Tensor, step: tuple[int, int]) -> Tensor:
    """(2, pairs): each cell that has another one step away, and that other; `at` (tiles, 2) is row by row."""
    cols = int(at[:, 1].max()) + 3
    keys = at[:, 0] * cols + at[:, 1] + 1
    wanted = keys + step[0] * cols + step[1]
    found = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    has = keys[found] == wanted
    return torch.stack([has.nonzero()[:, 0], found[has]])


class GraphHead(BagHead):
    """What the heads of this file share.

    Attributes:
        model: (1, tiles, width) and a graph -> logits, and scores of the cells.
    """

    model: nn.Module

    def __init__(self, dim: int, width: int, neighbours: int) -> None:
        super().__init__(dim)
        if neighbours not in STEPS:
            raise HeadError(f"neighbours is {neighbours}, expected 4 or 8")
        self.neighbours = neighbours
        self.embed = embedding(dim, width)

    def answer_bag(self, bag: Bag) -> BagAnswer:
        """See `BagHead.answer_bag`."""
        graph = adjacency(bag, self.neighbours)
        logits, scores = self.model(self.embed(bag.cells)[None], graph, return_att=True)
        return BagAnswer(logits.view(-1), scores[0].softmax(dim=0))


class SmoothHead(GraphHead):
    """Attention pooling of cells smoothed along the tissue (Sm, "early": Castro-Macias et al., 2410.03276).

    How much neighbours weigh is set, not learned: learned,
    it may leave the range in which smoothing converges.
    """

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        width: int = 128,
        hidden: int = 64,
        smoothing: float = 0.5,
        steps: int = 10,
        neighbours: int = 8,
        dropout: float = 0.0,
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            width: of an embedded cell.
            hidden: units of the attention.
            smoothing: weight of the neighbours beside the cell itself, between 0 and 1.
            steps: of smoothing; each reaches one cell further.
            neighbours: 4 or 8.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim, width, neighbours)
        alpha = _alpha(smoothing)
        self.model = SmABMIL((width,), att_dim=hidden, sm_alpha=alpha, sm_steps=steps)
        self.model.last_layer = last_layer(width, outputs, dropout)


class SmoothTransformerHead(GraphHead):
    """`abmil:transformer`, with what cells learn from one another smoothed too (arXiv 2410.03276)."""

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        width: int = 128,
        heads: int = 4,
        layers: int = 1,
        hidden: int = 64,
        smoothing: float = 0.5,
        steps: int = 10,
        neighbours: int = 8,
        dropout: float = 0.0,
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            width: of an embedded cell, a multiple of heads.
            heads: of the self-attention.
            layers: of self-attention.
            hidden: units of the attention that pools.
            smoothing: weight of the neighbours beside the cell itself, between 0 and 1.
            steps: of smoothing; each reaches one cell further.
            neighbours: 4 or 8.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim, width, neighbours)
        check_heads(width, heads)
        alpha = _alpha(smoothing)
        self.model = SmTransformerABMIL(
            (width,),
            pool_att_dim=hidden,
            pool_sm_alpha=alpha,
            pool_sm_steps=steps,
            transf_att_dim=width,
            transf_n_layers=layers,
            transf_n_heads=heads,
            transf_sm_alpha=alpha,
            transf_sm_steps=steps,
        )
        self.model.last_layer = last_layer(width, outputs, dropout)


class PatchGCNHead(GraphHead):
    """Graph convolutions between neighbours, all depths pooled (Chen et al., arXiv 2107.13048)."""

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        width: int = 64,
        hidden: int = 64,
        layers: int = 4,
        neighbours: int = 8,
        dropout: float = 0.0,
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            width: of a cell.
            hidden: units of the attention.
            layers: each lets a cell see one cell further.
            neighbours: 4 or 8.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim, width, neighbours)
        self.model = PatchGCN((width,), n_gcn_layers=layers, att_dim=hidden)
        self.model.classifier = last_layer(width, outputs, dropout)


def _alpha(smoothing: float) -> float:
    """As torchmil counts it: the weight of the cell itself."""
    if not 0 < smoothing < 1:
        raise HeadError(f"smoothing is {smoothing}, expected a number between 0 and 1")
    return 1 - smoothing
