"""Cells as a picture and its mask."""

from __future__ import annotations

import numpy as np

from histopress.grids.cells import Cells


def test_a_picture_shows_the_cells_and_nothing_else() -> None:
    cells = Cells(np.array([[1, 2], [3, 4]], np.float32), np.array([[2, 0], [0, 3]]), (3, 4))
    picture, mask = cells.dense()
    assert len(cells) == 2
    assert picture.shape == (2, 3, 4)
    assert picture[:, 2, 0].tolist() == [1, 2]
    assert picture[:, 0, 3].tolist() == [3, 4]
    assert np.argwhere(mask).tolist() == [[0, 3], [2, 0]]
    assert not picture[:, ~mask].any()
