"""Pictures as a patch set on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.studies.test_press import Grey

from histopress.data.patches import load_patches
from histopress.studies.crops import SPACING, coloured, write_task
from histopress.studies.pictures import Part, Pictures, drawn


def test_colours_are_equal_and_px_become_squares() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 1), np.uint8)
    rgb = coloured(grey, 2)
    assert rgb.shape == (2, 6, 10, 3)
    for row in range(2):
        for col in range(2):
            assert np.array_equal(rgb[:, row::2, col::2], np.repeat(grey, 3, axis=3))


def test_what_is_written_is_read_as_a_patch_set(tmp_path: Path) -> None:
    parts: dict[Part, Pictures] = {
        "train": Grey(24, 24, 6),
        "tuning": Grey(24, 24, 4, "b"),
        "test": Grey(24, 24, 2, "c"),
    }
    task = write_task("grey", parts, tmp_path, magnify=2)
    found = load_patches(task, None, 48, SPACING)
    for part, pictures in parts.items():
        rows = found.rows(part)
        assert np.array_equal(found.tiles[rows], coloured(drawn(pictures, range(len(pictures))), 2))
        assert np.array_equal(found.targets[rows].ravel(), pictures.labels)
