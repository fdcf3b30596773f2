"""Maps lie where they belong in the picture."""

from __future__ import annotations

import torch

from histopress.studies.patchnet_locations import Locations, over_picture
from histopress.studies.patchnet_recipe import PatchnetRecipe
from histopress.studies.patchnets import make_patchnet


def test_a_map_has_its_values_at_the_middles_of_its_locations() -> None:
    locations, maps = Locations(stride=8, field=9), torch.rand(2, 3, 4, 6)
    laid = over_picture(maps, locations, 37, 50)
    assert laid.shape == (2, 3, 37, 50)
    torch.testing.assert_close(laid[:, :, 4:29:8, 4:45:8], maps)
    torch.testing.assert_close(laid[:, :, 8, 4], maps[:, :, :2, 0].mean(2))
    torch.testing.assert_close(laid[:, :, :4, :4], maps[:, :, :1, :1].expand(-1, -1, 4, 4))


def test_a_single_location_covers_everything() -> None:
    laid = over_picture(torch.full((1, 1, 1, 1), 3.0), Locations(32, 32), 20, 30)
    torch.testing.assert_close(laid, torch.full((1, 1, 20, 30), 3.0))


def test_evidence_lies_where_the_picture_differs() -> None:
    net = make_patchnet(PatchnetRecipe(width=-4, field=17, norm="none"), 1, 2, seed=0)
    empty, spot = torch.zeros(2, 1, 96, 120), torch.zeros(2, 1, 96, 120)
    spot[0, :, 20:24, 80:84] = 1
    spot[1, :, 70:74, 30:34] = 1
    with torch.no_grad():
        change = (net.evidence(spot) - net.evidence(empty)).abs().sum(1, keepdim=True)
    laid = over_picture(change, net.locations, 96, 120)
    for picture, (row, col) in zip(laid[:, 0], ((22, 82), (72, 32)), strict=True):
        found = int(picture.argmax())
        assert abs(found // 120 - row) <= 8
        assert abs(found % 120 - col) <= 8
