"""What we add to files of other tools, so that nothing is lost on the way back; others pass it over.

The note tells where the cells lie and how large they are. It does not vouch for the features: a tool that
computes new ones may copy it, so the encoder is told by the file's own means alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from histopress.core import recipe
from histopress.core.errors import GridError, RecipeError
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.grids.grid import FeatureGrid

NAME = "histopress"
"""Of the attribute that holds the note as JSON."""


@dataclass(frozen=True)
class Note:
    """The frame of a grid.

    Attributes:
        identity: of the grid that was written.
        lattice: of its cells.
        tile: width and height of a tile in px of the lattice's spacing; more than a cell where they overlap.
        level0: um/px of the slide's level 0.
        size: of level 0.
    """

    identity: str
    lattice: Lattice
    tile: int
    level0: Spacing
    size: Size

    def facts(self, px: float) -> dict[str, Any]:
        """What a bag takes from the note.

        Args:
            px: a level-0 px in the unit of the bag.
        """
        step = (self.lattice.step_x + self.lattice.step_y) / 2 * px
        return {
            "lattice": self.lattice,
            "step": step,
            "extent": step * self.tile / self.lattice.tile,
            "tile": self.tile,
            "tile_spacing": self.lattice.spacing,
            "level0": self.level0,
            "size": self.size,
        }


def note_of(grid: FeatureGrid) -> str:
    """The note to write beside a grid's features, as JSON."""
    tile = tile_px(grid)
    note = Note(grid.identity, grid.lattice, tile, grid.slide.spacing, grid.slide.size)
    return json.dumps(recipe.plain(note), sort_keys=True)


def tile_px(grid: FeatureGrid) -> int:
    """Width and height of a grid's tiles in px of its spacing; more than those of a cell if they overlap."""
    return max(int(grid.encoder.get("tile") or 0), grid.lattice.tile)


def read_note(attributes: Mapping[str, Any]) -> Note | None:
    """The note among a file's attributes, if there is one.

    Raises:
        GridError: there is one, but it is damaged.
    """
    text = attributes.get(NAME)
    if text is None:
        return None
    try:
        return recipe.build(Note, json.loads(str(text)), where="the note of histopress")
    except (ValueError, RecipeError) as error:
        raise GridError(f"the attribute {NAME!r} is damaged ({error}); export the grid again") from error
