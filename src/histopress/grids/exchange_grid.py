"""TileBag + scale -> FeatureGrid: cells, lattice, and a card for an encoder that is not ours."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import histopress
from histopress.core.errors import GridError
from histopress.core.geometry import Lattice, Point, Size
from histopress.core.recipe import digest
from histopress.grids.exchange_bag import TileBag
from histopress.grids.exchange_lattice import Axis, check_alone, check_moved, find_axis, given_axis
from histopress.grids.exchange_scale import KnownSlide, Scale, find_scale
from histopress.grids.grid import FeatureGrid, SlideIdentity

if TYPE_CHECKING:
    from histopress.grids.exchange import ExchangeRecipe

TINY = 1e-6
FLOAT16_MAX = 65504.0
ROUNDING = 0.5
"""Level-0 px by which tools round corners to whole pixels."""


def to_grid(bag: TileBag, name: str, recipe: ExchangeRecipe, slide: KnownSlide | None) -> FeatureGrid:
    """A grid of what another tool stored.

    Args:
        bag: tiles of one slide.
        name: id of the slide.
        recipe: settings; see `ExchangeRecipe`.
        slide: what the slide itself tells, if it is at hand.

    Raises:
        SpacingError: a spacing is missing or implausible.
        GridError: the tiles do not fit a lattice, or the features do not fit float16.
    """
    if recipe.spacing is not None:
        bag = replace(bag, lattice=None)
    scale = find_scale(bag, recipe, slide)
    shift = Point(slide.bounds.x, slide.bounds.y) if slide and slide.bounds else Point(0.0, 0.0)
    corners = bag.corners * scale.factor - (shift.x, shift.y)
    x, y = _axes(bag, scale, corners, shift)
    moved = check_moved(x, y, recipe.snap, corners)
    cells = _cells(x, y, corners)
    order = np.lexsort((cells[:, 1], cells[:, 0]))
    arrays: dict[str, Any] = {
        "features": as_float16(bag.features[order]),
        "cells": cells[order].astype(np.int32),
        "tissue": (np.ones(len(cells)) if bag.tissue is None else bag.tissue)[order].astype(np.float32),
    }
    size = (slide.size if slide else bag.size) or _extent(x, y)
    identity = SlideIdentity(name, size, scale.level0, slide.hash if slide else "")
    card = foreign_card(bag, recipe, scale)
    lattice = _lattice(x, y, scale, size, bag.lattice)
    settings = {"tool": bag.tool, "level0_from": scale.level0_from, "moved": round(moved, 4)}
    return FeatureGrid(
        lattice=lattice,
        slide=identity,
        encoder=card,
        identity=digest(identity, card["identity"], settings, lattice, _content(arrays)),
        settings=settings,
        version=histopress.__version__,
        **arrays,
    )


def _axes(bag: TileBag, scale: Scale, corners: NDArray[np.float64], shift: Point) -> tuple[Axis, Axis]:
    if bag.lattice is not None:
        origin = bag.lattice.origin
        return (
            given_axis(corners[:, 0], origin.x - shift.x, scale.step[0]),
            given_axis(corners[:, 1], origin.y - shift.y, scale.step[1]),
        )
    return find_axis(corners[:, 0], scale.step[0], ROUNDING), find_axis(
        corners[:, 1], scale.step[1], ROUNDING
    )


def _cells(x: Axis, y: Axis, corners: NDArray[np.float64]) -> NDArray[np.int64]:
    """(tiles, 2) row and col, no two alike."""
    cells = np.stack([y.places, x.places], axis=1)
    if cells.min() < 0:
        raise GridError(
            "tiles lie outside the lattice that the file names, so it was changed; export it again"
        )
    check_alone(cells, corners)
    return cells


def _extent(x: Axis, y: Axis) -> Size:
    """The part of the slide that its tiles cover: as much as is known where neither file nor slide tell."""
    return Size(
        max(1, math.ceil(x.origin + (int(x.places.max()) + 1) * x.step - TINY)),
        max(1, math.ceil(y.origin + (int(y.places.max()) + 1) * y.step - TINY)),
    )


def _lattice(x: Axis, y: Axis, scale: Scale, size: Size, known: Lattice | None) -> Lattice:
    origin = Point(x.origin, y.origin)
    if known is not None:
        return replace(known, origin=origin)
    return Lattice(
        step_x=x.step,
        step_y=y.step,
        rows=max(int(y.places.max()) + 1, math.ceil((size.height - y.origin) / y.step - TINY)),
        cols=max(int(x.places.max()) + 1, math.ceil((size.width - x.origin) / x.step - TINY)),
        spacing=scale.spacing,
        tile=scale.cell,
        origin=origin,
    )


def foreign_card(bag: TileBag, recipe: ExchangeRecipe, scale: Scale) -> dict[str, Any]:
    """Card of an encoder of which only a file is known.

    Its identity names the tool and can never be that of one of our own, which is bare hexadecimal digits.
    """
    from dataclasses import asdict

    from histopress.encoders.encoder import EncoderCard

    name = bag.encoder or recipe.encoder or "unnamed"
    known = digest(name, dict(bag.facts), bag.dim, scale.tile, scale.cell, scale.spacing)
    return asdict(
        EncoderCard(
            name=f"{bag.tool}:{name}",
            identity=f"{bag.tool}-{known}",
            spacing=scale.spacing,
            tile=scale.tile,
            dim=bag.dim,
            normalisation=f"done by {bag.tool}; not known here",
            source=f"a file of {bag.tool}",
        )
    )


def as_float16(features: NDArray[Any]) -> NDArray[np.float16]:
    """Features as they are stored.

    Raises:
        GridError: a value is not finite, or too large.
    """
    with np.errstate(over="ignore"):
        stored = features.astype(np.float16)
    if not np.isfinite(stored).all():
        raise GridError(
            f"features up to {float(np.abs(features).max()):.3g}, expected numbers within {FLOAT16_MAX:g} "
            "(float16); check the tool that made them"
        )
    return stored


def _content(arrays: dict[str, NDArray[Any]]) -> str:
    """Digest of the numbers of a grid."""
    hasher = hashlib.sha256()
    for array in arrays.values():
        hasher.update(np.ascontiguousarray(array).tobytes())
    return hasher.hexdigest()
