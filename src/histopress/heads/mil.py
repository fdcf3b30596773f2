"""Multiple-instance heads that see a grid as a bag of cells, whatever lies where, through torchmil.

They are torchmil's models with a last layer of as many outputs as the objective needs.
"""

from __future__ import annotations

from math import inf, isnan

import torch
from torch import Tensor, nn
from torch.nn import functional

from histopress.core.errors import HeadError
from histopress.heads.head import HeadOutput, Places
from histopress.heads.mil_bag import Bag, BagAnswer, BagHead, embedding, last_layer
from histopress.heads.mil_modules import ABMIL, CLAM_SB, DSMIL, DTFDMIL, AttentionPool


class AttentionHead(BagHead):
    """Gated attention weighs the embedded cells, their sum decides (ABMIL: Ilse et al., arXiv 1802.04712)."""

    def __init__(
        self, dim: int, outputs: int, *, width: int = 128, hidden: int = 64, dropout: float = 0.0
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            width: of an embedded cell.
            hidden: units of the attention.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim)
        self.model = ABMIL((dim,), att_dim=hidden, gated=True, feat_ext=embedding(dim, width))
        self.model.classifier = last_layer(width, outputs, dropout)

    def answer_bag(self, bag: Bag) -> BagAnswer:
        """See `BagHead.answer_bag`."""
        logits, scores = self.model(bag.cells[None], return_att=True)
        return BagAnswer(logits.view(-1), scores[0].softmax(dim=0))


class ClamHead(BagHead):
    """Gated attention whose favourites shall be told from the rest (CLAM-SB: Lu et al., arXiv 2004.09666).

    In training, for each class, a small classifier learns that the cells with most attention are of the
    bag's class and those with least are not, and that the former are of no other class. That takes a class:
    with `classes` 0 (numbers, survival, several targets at once) this loss is left out.
    """

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        width: int = 128,
        hidden: int = 64,
        classes: int = 0,
        chosen: int = 8,
        cell_weight: float = 0.4,
        dropout: float = 0.0,
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            width: of an embedded cell.
            hidden: units of the attention.
            classes: of the target, whose first number is the position of a class; 0 where it is no class.
            chosen: cells with most and with least attention that the loss on cells looks at, at most.
            cell_weight: of the loss on cells beside that on the bag; published are 0.3 and 0.7.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim)
        if classes == 1 or classes < 0:
            raise HeadError(f"clam: classes is {classes}, expected 2 or more, or 0 where there are none")
        self.classes, self.cell_weight = classes, cell_weight
        self.model = CLAM_SB(
            (dim,), att_dim=hidden, k_sample=chosen, gated=True, feat_ext=embedding(dim, width)
        )
        self.model.classifier = last_layer(width, outputs, dropout)
        self.model.inst_classifiers = nn.ModuleList(nn.Linear(width, 2) for _ in range(classes))
        self.model.inst_loss_fn = SmoothTop1()

    def answer_bag(self, bag: Bag) -> BagAnswer:
        """See `BagHead.answer_bag`."""
        logits, scores, seen = self.model(bag.cells[None], return_att=True, return_emb=True)
        return BagAnswer(logits.view(-1), scores[0].softmax(dim=0), seen=seen[0])

    def answer_with(self, cells: Tensor, places: Places, targets: Tensor) -> HeadOutput:
        """See `Head.answer_with`."""
        answers = self.answers(cells, places)
        losses = [
            self._cell_loss(answer, int(target))
            for answer, target, count in zip(answers, targets[:, 0].tolist(), places.counts, strict=True)
            if self.classes and count and not isnan(target)
        ]
        self.extra_loss = self.cell_weight * torch.stack(losses).mean() if losses else None
        return self.joined(answers, places)

    def _cell_loss(self, answer: BagAnswer, own: int) -> Tensor:
        """How badly the small classifiers tell the cells with much attention from those with little."""
        classifiers, model = self.model.inst_classifiers, self.model
        inside: Tensor = model.inst_eval(answer.attention, answer.seen, classifiers[own])[0]
        others = [c for i, c in enumerate(classifiers) if i != own]
        outside = [model.inst_eval_out(answer.attention, answer.seen, other)[0] for other in others]
        return inside + torch.stack(outside).mean()


class SmoothTop1(nn.Module):
    """Smooth top-1 SVM loss with margin and temperature 1 (Berrada et al., ICLR 2018, arXiv 1802.07595).

    That is cross-entropy where every wrong class starts one ahead. torchmil's own adds up over cells
    where it should over classes.
    """

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(cells, classes) and (cells, 1) positions of classes -> mean loss."""
        right = targets[:, 0].long()
        return functional.cross_entropy(logits + 1 - functional.one_hot(right, logits.shape[1]), right)


class DualStreamHead(BagHead):
    """The highest-scoring cell, and all cells by their likeness to it (DSMIL: Li et al., arXiv 2011.08939).

    Each output has its own critical cell. The logits are the mean of both streams; in training the stream of
    the critical cells is learned by itself too.
    """

    def __init__(
        self, dim: int, outputs: int, *, width: int = 128, hidden: int = 64, dropout: float = 0.0
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            width: of an embedded cell.
            hidden: of the query by which cells are compared.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim)
        self.outputs = outputs
        self.model = DSMIL((dim,), att_dim=hidden, nonlinear_q=True, feat_ext=embedding(dim, width))
        self.model.inst_classifier = nn.Linear(width, outputs)
        self.model.bag_classifier = nn.Sequential(
            nn.Flatten(), *last_layer(outputs * width, outputs, dropout)
        )

    def answer_bag(self, bag: Bag) -> BagAnswer:
        """See `BagHead.answer_bag`."""
        logits, alike, scores = self.model(bag.cells[None], return_att=True, return_inst_pred=True)
        critical = scores.view(-1, self.outputs).amax(dim=0)
        return BagAnswer((logits.view(-1) + critical) / 2, alike[0].mean(dim=1), side=critical[None])


class DoubleTierHead(BagHead):
    """Attention within pseudo-bags, then over them (DTFD-MIL, "AFS": Zhang et al., arXiv 2203.12081).

    In training, cells are dealt to the pseudo-bags at random, and each learns the label of its bag too;
    otherwise they are dealt in turn, row by row, so that answers are always the same.
    """

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        width: int = 128,
        hidden: int = 64,
        groups: int = 8,
        dropout: float = 0.0,
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            width: of an embedded cell.
            hidden: units of both attentions.
            groups: pseudo-bags, at most one a cell.
            dropout: before the last layers, 0 to 1.
        """
        super().__init__(dim)
        self.groups = groups
        self.model = DTFDMIL(
            (dim,), att_dim=hidden, n_groups=groups, distill_mode="afs", feat_ext=embedding(dim, width)
        )
        self.model.attention_pool = AttentionPool(width, hidden, gated=True)
        self.model.u_attention_pool = AttentionPool(width, hidden, gated=True)
        self.model.classifier = last_layer(width, outputs, dropout)
        self.model.u_classifier = last_layer(width, outputs, dropout)

    def answer_bag(self, bag: Bag) -> BagAnswer:
        """See `BagHead.answer_bag`."""
        model, seen = self.model, self.model.feat_ext(bag.cells)
        dealt, real = self._dealt(bag)
        pooled, scores = model.attention_pool(seen[dealt], real, return_att=True)
        whole, outer = model.u_attention_pool(pooled[None], return_att=True)
        weights = scores.masked_fill(~real, -inf).softmax(dim=1) * outer[0].softmax(dim=0)[:, None]
        attention = weights.new_zeros(len(seen)).index_add(0, dealt.flatten(), weights.flatten())
        return BagAnswer(model.u_classifier(whole)[0], attention, side=model.classifier(pooled))

    def _dealt(self, bag: Bag) -> tuple[Tensor, Tensor]:
        """(groups, size) which cells are in each pseudo-bag, and whether each is real or fills up a row."""
        count = len(bag.cells)
        groups = min(self.groups, count)
        order = torch.randperm(count) if self.training else torch.arange(count)
        full = torch.cat([order, order[: -count % groups]])
        real = torch.arange(len(full)) < count
        device = bag.cells.device
        return full.view(-1, groups).T.to(device), real.view(-1, groups).T.to(device)
