from __future__ import annotations
import torch
from torch import Tensor, nn
from histopress.heads.head import Head, HeadOutput, Places
from histopress.heads.pooling import *


class Block(nn.Module):
    def __init__(self, width, kernel=3, dropout=0.0, expand=2):
        super().__init__()
        self.spatial = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.mix = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, expand * width), nn.GELU(), nn.Linear(expand * width, width)
        )

    def forward(self, x, places):
        return x + self.mix(places.take(self.spatial(places.lay(x))))


class GridCNN(Head):
    def __init__(
        self,
        dim,
        outputs,
        width=32,
        blocks=2,
        kernel=3,
        dropout=0.2,
        pool="mean+attention",
        hidden=16,
        indrop=0.0,
        expand=2,
        norm0=True,
    ):
        super().__init__(dim)
        self.indrop = nn.Dropout(indrop)
        self.project = nn.Linear(dim, width)
        self.norm0 = nn.LayerNorm(width) if norm0 else nn.Identity()
        self.blocks = nn.ModuleList(Block(width, kernel, 0.0, expand) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.parts = pool.split("+")
        w = 0
        for p in self.parts:
            w += dim if p == "raw" else width
        if "attention" in self.parts:
            self.v = nn.Linear(width, hidden)
            self.u = nn.Linear(width, hidden)
            self.w = nn.Linear(hidden, 1)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(w, outputs)

    def answer(self, cells, places):
        x = self.norm0(self.project(self.indrop(cells)))
        for b in self.blocks:
            x = b(x, places)
        x = self.norm(x)
        out = []
        att = None
        for p in self.parts:
            if p == "mean":
                out.append(mean_over_cells(x, places))
            elif p == "raw":
                out.append(mean_over_cells(cells, places))
            elif p == "attention":
                s = self.w(self.v(x).tanh() * self.u(x).sigmoid())
                att = softmax_over_cells(s, places)
                out.append(weighted_sum(x, att, places))
            else:
                ins = places.lay(torch.ones_like(x[:, :1])) > 0
                y = places.lay(x)
                if p == "max":
                    out.append(y.masked_fill(~ins, -1e9).amax((2, 3)))
                elif p == "lse":
                    n = ins.sum((1, 2, 3)).clamp(min=1).log()
                    out.append(torch.logsumexp(y.masked_fill(~ins, -1e9).flatten(2), 2) - n[:, None])
                elif p.startswith("top"):
                    k = max(1, int(float(p[3:]) * y.shape[2] * y.shape[3] * 0.55))
                    out.append(y.masked_fill(~ins, -10.0).flatten(2).topk(k, 2).values.mean(2))
        return HeadOutput(self.linear(self.dropout(torch.cat(out, 1))), att)
