"""Transformer heads, in which cells attend to one another, through torchmil."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from histopress.core.errors import HeadError
from histopress.heads.mil_bag import Bag, BagAnswer, BagHead, check_heads, embedding, last_layer
from histopress.heads.mil_modules import SinusoidalPositionalEncodingND, TransformerABMIL, TransMIL


class TransMILHead(BagHead):
    """A class token and all cells through two Nystroem layers, and a pyramid of convolutions between them.

    Shao et al., NeurIPS 2021, arXiv 2106.00908. As published the list of cells is folded into a square, so
    that cells which are neighbours there need not be so in the tissue; here the convolutions see the cells
    where they lie, and what the Nystroem layers fill up with is masked.
    """

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        width: int = 128,
        heads: int = 4,
        landmarks: int = 64,
        positions: str = "grid",
        dropout: float = 0.0,
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            width: of an embedded cell, a multiple of heads.
            heads: of the attention.
            landmarks: by which the attention is approximated.
            positions: grid, or sequence as published.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim)
        check_heads(width, heads)
        if positions not in ("grid", "sequence"):
            raise HeadError(f"transmil: positions is {positions!r}, expected grid or sequence")
        self.positions = positions
        self.model = TransMIL(
            (dim,), att_dim=width, n_heads=heads, n_landmarks=landmarks, feat_ext=embedding(dim, width)
        )
        self.model.classifier = last_layer(width, outputs, dropout)

    def answer_bag(self, bag: Bag) -> BagAnswer:
        """See `BagHead.answer_bag`; its attention is approximated and would take tiles x tiles numbers."""
        if self.positions == "sequence":
            return BagAnswer(self.model(bag.cells[None]).view(-1))
        first, second = self.model.layers
        tokens = torch.cat([self.model.cls_token, self.model.feat_ext(bag.cells)[None]], dim=1)
        real = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        tokens = self._around(first(tokens, mask=real), bag)
        last = self.model.norm(second(tokens, mask=real))[:, 0]
        return BagAnswer(self.model.classifier(last)[0])

    def _around(self, tokens: Tensor, bag: Bag) -> Tensor:
        """(1, 1 + tiles, width) -> the same, each cell with its surroundings."""
        places = bag.places
        _, rows, cols = places.shape
        picture = places.lay(tokens[0, 1:]).flatten(2).transpose(1, 2)
        laid = self.model.pos_layer(torch.cat([tokens[:, :1], picture], dim=1), rows, cols)
        return torch.cat([laid[:, :1], laid[:, 1:].index_select(1, places.at)], dim=1)


class TransformerHead(BagHead):
    """Self-attention among all cells, then gated attention pooling (in arXiv 2410.03276 without smoothing).

    The time it takes grows with the square of the number of cells, its memory does not.
    """

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        width: int = 128,
        heads: int = 4,
        layers: int = 1,
        hidden: int = 64,
        positions: bool = False,
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
            positions: add sines of row and col, counted from the edges of the tissue; else order is nothing.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim)
        check_heads(width, heads)
        self.embed = embedding(dim, width)
        self.sines = SinePositions(width) if positions else None
        self.model = TransformerABMIL(
            (width,),
            pool_att_dim=hidden,
            pool_gated=True,
            transf_att_dim=width,
            transf_n_layers=layers,
            transf_n_heads=heads,
        )
        self.model.last_layer = last_layer(width, outputs, dropout)

    def answer_bag(self, bag: Bag) -> BagAnswer:
        """See `BagHead.answer_bag`."""
        seen = self.embed(bag.cells)
        if self.sines is not None:
            seen = seen + self.sines(bag.at, seen)
        logits, scores = self.model(seen[None], return_att=True)
        return BagAnswer(logits.view(-1), scores[0].softmax(dim=0))


class SinePositions(nn.Module):
    """Sines and cosines of the row in one half of the channels, of the col in the other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.halves = (width // 2, width - width // 2)
        self.encodings = nn.ModuleList(SinusoidalPositionalEncodingND(1, half) for half in self.halves)

    def forward(self, at: Tensor, like: Tensor) -> Tensor:
        """(tiles, 2) rows and cols -> (tiles, width), of the type and device of `like`."""
        length = int(at.max()) + 1
        parts = [
            encoding(like.new_zeros(1, length, half))[0].index_select(0, along)
            for encoding, half, along in zip(self.encodings, self.halves, at.unbind(dim=1), strict=True)
        ]
        return torch.cat(parts, dim=1)
