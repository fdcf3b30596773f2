"""Tissue masks as files: PNG pictures, and GeoJSON as QuPath writes and reads it."""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import MaskError
from histopress.core.files import write_whole
from histopress.core.geometry import Size, Spacing, size_um
from histopress.data.outlines import Polygon, Ring, fill, trace
from histopress.data.tissue import TissueMask, TissueRecipe

SPACING_KEY = "spacing in um per px"
"""Text of a PNG that tells its spacing along x and y; without it the picture covers the slide exactly."""
COLOUR = (64, 160, 64)
"""RGB of the class Tissue in QuPath."""
DIGITS = 2
"""Decimals of coordinates in level-0 px."""
GEOJSON = (".geojson", ".json", ".geojson.gz", ".json.gz")


def read_mask(path: Path, size: Size, spacing: Spacing) -> TissueMask:
    """Read the tissue mask of a slide.

    Args:
        path: a PNG of any resolution that covers the slide, where whatever is not black is tissue; or GeoJSON
            (.geojson, .json, .geojson.gz) with polygons in level-0 px.
        size: of the slide's level 0.
        spacing: um/px of the slide's level 0.

    Raises:
        MaskError: the file is missing, of another format, damaged, or made for another slide.
    """
    if not path.is_file():
        raise MaskError(f"{path}: no such mask; expected a PNG or GeoJSON file. `histopress mask` makes both")
    if path.name.lower().endswith(GEOJSON):
        return _read_geojson(path, size, spacing)
    if path.suffix.lower() == ".png":
        return _read_png(path, size, spacing)
    raise MaskError(
        f"{path}: a mask ending in {path.suffix!r}, expected .png, .geojson, .json or .geojson.gz"
    )


def write_png(mask: TissueMask, path: Path) -> None:
    """Write a mask as a PNG of 0 and 255, whole or not at all; its spacing goes along as text."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(SPACING_KEY, f"{mask.spacing.x!r} {mask.spacing.y!r}")
    file = io.BytesIO()
    picture = Image.fromarray(mask.mask.astype(np.uint8) * np.uint8(255))
    picture.save(file, format="PNG", pnginfo=info, dpi=(25_400 / mask.spacing.x, 25_400 / mask.spacing.y))
    write_whole(path, file.getvalue())


def write_geojson(mask: TissueMask, path: Path, stored: Spacing, within: Size | None = None) -> None:
    """Write a mask as annotations that QuPath opens, whole or not at all; one for each connected part.

    Args:
        mask: of a slide.
        path: ends in .geojson, or in .geojson.gz for a compressed file.
        stored: um/px of the slide's level 0, in whose px the polygons are.
        within: size of level 0, if polygons shall end where the slide ends.
    """
    scale = np.array([mask.spacing.x / stored.x, mask.spacing.y / stored.y])
    limit = np.inf if within is None else np.array([within.width, within.height])

    def points(ring: Ring) -> list[list[float]]:
        px = np.round(np.minimum(ring * scale, limit), DIGITS).tolist()
        return [*px, px[0]]

    features = [_feature([points(ring) for ring in (p.outer, *p.holes)]) for p in trace(mask.mask)]
    text = json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")).encode()
    write_whole(path, gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _feature(coordinates: list[list[list[float]]]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": coordinates},
        "properties": {
            "objectType": "annotation",
            "name": "Tissue",
            "classification": {"name": "Tissue", "color": COLOUR},
        },
    }


def _read_png(path: Path, size: Size, stored: Spacing) -> TissueMask:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            mask = _painted(picture)
            told = _told(picture.info.get(SPACING_KEY))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MaskError(f"{path}: not a readable PNG ({error}); 8 um/px is fine enough for a mask") from error
    found = Size(mask.shape[1], mask.shape[0])
    if told and _fits(found, told, size, stored):
        return TissueMask(mask, told)
    covering = _covering(found, size, stored)
    if not _fits(found, covering, size, stored):
        raise MaskError(
            f"{path}: {found} do not cover the slide of {size} with the same aspect ratio; "
            "expected a picture of the whole slide. Is it the mask of another slide?"
        )
    return TissueMask(mask, covering)


def _painted(picture: Any) -> NDArray[np.bool_]:
    """Which pixels are neither black nor transparent."""
    if picture.mode == "P":
        picture = picture.convert("RGBA")
    pixels = np.atleast_3d(np.asarray(picture)) != 0
    if picture.mode in ("LA", "RGBA"):
        return np.asarray(pixels[..., :-1].any(axis=-1) & pixels[..., -1])
    return np.asarray(pixels.any(axis=-1))


def _told(text: str | None) -> Spacing | None:
    return Spacing(*map(float, text.split())) if text else None


def _covering(mask: Size, size: Size, stored: Spacing) -> Spacing:
    height, width = size_um(size, stored)
    return Spacing(width / mask.width, height / mask.height)


def _fits(mask: Size, spacing: Spacing, size: Size, stored: Spacing) -> bool:
    """Whether mask and slide are equally large, and the mask's pixels shaped as those of a thumbnail.

    An edge may be off by one px, as thumbnails are whole px. Pixels are square, or stretched as level 0 is.
    """
    (height, width), (slide_height, slide_width) = size_um(mask, spacing), size_um(size, stored)
    if abs(width - slide_width) > 1.01 * spacing.x or abs(height - slide_height) > 1.01 * spacing.y:
        return False
    tolerance = 0.01 + 1 / mask.width + 1 / mask.height
    ratio = spacing.x / spacing.y
    return any(abs(ratio / usual - 1) <= tolerance for usual in (1.0, stored.x / stored.y))


def _read_geojson(path: Path, size: Size, stored: Spacing) -> TissueMask:
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
        geometries = list(_geometries(json.loads(raw)))
        um = TissueRecipe().spacing
        scale = np.array([stored.x / um, stored.y / um])
        polygons = [polygon for g in geometries for polygon in _polygons(g, scale)]
    except (OSError, EOFError, ValueError, TypeError, KeyError, IndexError) as error:
        raise MaskError(
            f"{path}: not GeoJSON with polygons ({type(error).__name__}: {error}); "
            "expected what QuPath's `Export objects as GeoJSON` writes"
        ) from error
    if geometries and not polygons:
        kinds = ", ".join(sorted({g["type"] for g in geometries}))
        raise MaskError(f"{path}: holds {kinds}, expected at least one Polygon or MultiPolygon")
    height, width = size_um(size, stored)
    shape = (max(1, math.ceil(height / um - 1e-6)), max(1, math.ceil(width / um - 1e-6)))
    _check_place(path, polygons, shape)
    return TissueMask(fill(polygons, shape), Spacing.square(um))


def _geometries(content: Any) -> Iterator[dict[str, Any]]:
    """All geometries in a FeatureCollection, a list of Features, a Feature or a geometry."""
    if isinstance(content, list):
        for item in content:
            yield from _geometries(item)
    elif content["type"] == "FeatureCollection":
        yield from _geometries(content["features"])
    elif content["type"] == "Feature":
        yield from _geometries(content["geometry"])
    elif content["type"] == "GeometryCollection":
        yield from _geometries(content["geometries"])
    else:
        yield content


def _polygons(geometry: dict[str, Any], scale: NDArray[np.float64]) -> list[Polygon]:
    """The polygons of a geometry; points and lines have none."""
    if geometry["type"] not in ("Polygon", "MultiPolygon"):
        return []
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    rings = [[_ring(points) * scale for points in part] for part in parts]
    return [Polygon(outer, tuple(holes)) for outer, *holes in rings]


def _ring(points: list[list[float]]) -> Ring:
    ring = np.array([point[:2] for point in points], float)
    return ring[:-1] if (ring[0] == ring[-1]).all() else ring


def _check_place(path: Path, polygons: list[Polygon], shape: tuple[int, int]) -> None:
    """Polygons of another slide, or in um or px of another level, mostly show by where they lie."""
    if not polygons:
        return
    points = np.concatenate([p.outer for p in polygons])
    if not np.isfinite(points).all():
        raise MaskError(f"{path}: holds coordinates that are no numbers")
    inside = ((points >= -1) & (points <= np.array(shape[::-1]) + 1)).all(axis=1).mean()
    if inside < 0.5:
        raise MaskError(
            f"{path}: {1 - inside:.0%} of its points lie outside of the slide, expected its level-0 px; "
            "is it the mask of another slide?"
        )
