"""Convolutions over the grid, through masks: takes grids of any size and shape."""

from __future__ import annotations

import torch
from torch import Tensor, nn
import math
from histopress.heads.head import Head, HeadOutput, keep
from histopress.heads.pooling import masked_mean, masked_softmax


class CellNorm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, width, kernel=3, dropout=0.0):
        super().__init__()
        self.spatial = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = CellNorm(width)
        self.mix = nn.Sequential(nn.Conv2d(width, 2*width, 1), nn.GELU(), nn.Conv2d(2*width, width, 1), nn.Dropout2d(dropout))

    def forward(self, x, mask):
        return keep(x + self.mix(self.norm(self.spatial(x))), mask)


class GridCNN(Head):
    def __init__(self, dim, outputs, width=32, blocks=2, kernel=3, dropout=0.2, pool="mean+attention", hidden=16, indrop=0.0):
        super().__init__(dim)
        self.indrop = nn.Dropout2d(indrop)
        self.project = nn.Conv2d(dim, width, 1)
        self.norm0 = CellNorm(width)
        self.blocks = nn.ModuleList(Block(width, kernel, 0.0) for _ in range(blocks))
        self.norm = CellNorm(width)
        self.pool = pool
        parts = pool.split("+")
        self.parts = parts
        if "attention" in parts:
            self.v = nn.Conv2d(width, hidden, 1); self.u = nn.Conv2d(width, hidden, 1); self.w = nn.Conv2d(hidden, 1, 1)
        if "lse" in parts: self.r = nn.Parameter(torch.tensor(1.0))
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width*len(parts), outputs)
        if "cells" in parts:
            self.linear = None
            self.cell = nn.Conv2d(width, outputs, 1)

    def answer(self, codes, mask):
        x = keep(self.norm0(self.project(self.indrop(codes))), mask)
        for b in self.blocks: x = b(x, mask)
        x = keep(self.norm(x), mask)
        out = []; att = None
        for p in self.parts:
            if p == "mean": out.append(masked_mean(x, mask))
            elif p == "attention":
                s = self.w(self.v(x).tanh() * self.u(x).sigmoid())[:, 0]
                att = masked_softmax(s, mask)
                out.append((x * att[:, None]).sum((2, 3)))
            elif p == "max":
                m = x.masked_fill(~mask[:, None], -1e9).amax((2, 3)); out.append(m)
            elif p == "lse":
                n = mask.sum((1, 2)).clamp(min=1).log()
                m = torch.logsumexp((self.r*x).masked_fill(~mask[:, None], -1e9).flatten(2), 2); out.append((m - n[:, None])/self.r)
            elif p.startswith("top"):
                k = max(1, int(float(p[3:]) * x.shape[2]*x.shape[3]))
                out.append(x.masked_fill(~mask[:, None], -10.).flatten(2).topk(k, 2).values.mean(2))
        return HeadOutput(self.linear(self.dropout(torch.cat(out, 1))), att)
