"""Pictures of the rectangles task in pixels, of handwritten digits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histopress.studies.rectangles import Scene
from histopress.studies.rectangles_digits import CELL, Stamps, chosen


def scene_picture(scene: Scene, stamps: Stamps) -> NDArray[np.uint8]:
    """A scene in ink: (height, width) uint8, 255 at ink, 9 px a cell."""
    picture = np.zeros((scene.side, CELL, scene.side, CELL), np.uint8)
    picture[scene.cells[:, 0], :, scene.cells[:, 1]] = stamps.pictures[chosen(scene, stamps.counts)]
    return picture.reshape(scene.side * CELL, scene.side * CELL)
