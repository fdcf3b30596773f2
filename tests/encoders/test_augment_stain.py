from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from histopress.encoders.augment_draws import Draws, draw
from histopress.encoders.augment_recipe import LADDER
from histopress.encoders.augment_stain import GLASS, TISSUE, stain, stained

VECTORS = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105], [0.268, 0.570, 0.776]])
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def changed(batch: int, scale: float = 0.2, bias: float = 0.2, seed: int = 0) -> Draws:
    draws = draw(LADDER["none"], batch, torch.Generator())
    random = torch.Generator().manual_seed(seed)
    amounts = torch.rand(2, batch, 3, generator=random) * 2 - 1
    return replace(draws, stain=scale * amounts[0], stain_bias=bias * amounts[1])


def by_numpy(pixels: NDArray[np.float64], draws: Draws, row: int) -> NDArray[np.float64]:
    """(height, width, 3) by unmixing, changing and mixing one after the other."""
    density = -np.log(np.maximum(pixels, 1 / 256))
    stains = density @ np.linalg.inv(VECTORS)
    tissue = np.clip((density.mean(-1, keepdims=True) - GLASS) / (TISSUE - GLASS), 0, 1)
    stains = stains * (1 + draws.stain[row].double().numpy())
    stains = stains + tissue * draws.stain_bias[row].double().numpy()
    return np.exp(-np.maximum(stains @ VECTORS, 0))


@pytest.fixture(scope="module")
def tissue(shared_data: Path) -> Tensor:
    """Real H&E pictures with glass, cells and fibres, (batch, 3, 120, 136), 0 to 1."""
    with zipfile.ZipFile(shared_data / "crc_tissue7" / "images.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".jpg"))[::8]
        tiles = [np.asarray(Image.open(io.BytesIO(archive.read(n))))[40:160, 40:176] for n in names]
    return torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float() / 255


def test_real_tissue_is_restained_as_by_hand(tissue: Tensor) -> None:
    draws = changed(len(tissue))
    assert stained(draws).all()
    ours = stain(tissue, draws).permute(0, 2, 3, 1).numpy()
    for row, pixels in enumerate(tissue.permute(0, 2, 3, 1).double().numpy()):
        np.testing.assert_allclose(ours[row], by_numpy(pixels, draws, row), atol=3e-6)
    assert np.abs(ours - tissue.permute(0, 2, 3, 1).numpy()).mean() > 0.01


def test_each_stain_changes_by_what_was_drawn(tissue: Tensor) -> None:
    draws = changed(len(tissue), bias=0)
    before, after = (-np.log(t.double().numpy()) for t in (tissue, stain(tissue, draws)))
    inside = (tissue.numpy() > 0.05).all(1) & (after > 1e-3).all(1)
    assert inside.mean() > 0.8
    unmixed = [np.moveaxis(d, 1, -1) @ np.linalg.inv(VECTORS) for d in (before, after)]
    for row, factor in enumerate(1 + draws.stain.double().numpy()):
        here = inside[row]
        np.testing.assert_allclose(unmixed[1][row][here], unmixed[0][row][here] * factor, atol=2e-4)


def test_glass_stays_white() -> None:
    white = torch.ones(5, 3, 8, 12)
    assert torch.equal(stain(white, changed(5)), white)
    glass = torch.full((5, 3, 8, 12), 0.96)
    moved = stain(glass, changed(5, scale=0.05)) - glass
    assert moved.abs().max() < 0.004


def test_black_and_saturated_pixels_stay_numbers() -> None:
    corners = torch.tensor([[r, g, b] for r in (0.0, 1) for g in (0.0, 1) for b in (0.0, 1)])
    images = corners.T.reshape(1, 3, 2, 4).repeat(40, 1, 1, 1)
    after = stain(images, changed(40, scale=1.0, bias=1.0))
    assert after.isfinite().all()
    assert after.min() >= 0 and after.max() <= 1


def test_no_change_gives_the_pixels_back() -> None:
    images = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    draws = changed(2, scale=0, bias=0)
    assert not stained(draws).any()
    torch.testing.assert_close(stain(images, draws), images.clamp_min(1 / 256), atol=2e-6, rtol=0)
