"""Files of drawn regions -> polygons with names: QuPath's GeoJSON and ASAP's XML."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histopress.core.errors import PatchError
from histopress.data.outlines import Polygon, Ring


@dataclass(frozen=True)
class Region:
    """A drawn region.

    Attributes:
        name: of its class, "" if it has none.
        polygon: in level-0 px.
    """

    name: str
    polygon: Polygon


def read_geojson(path: Path) -> list[Region]:
    """Regions as QuPath's `Export objects as GeoJSON` writes them; points and lines are none.

    Args:
        path: .geojson or .json, or the same with .gz.

    Raises:
        PatchError: it is missing or no such file.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
        return [region for feature in _features(json.loads(raw)) for region in _regions(feature)]
    except (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise PatchError(
            f"{path}: not GeoJSON with features ({type(error).__name__}: {error}); expected what QuPath's "
            "`Export objects as GeoJSON` writes"
        ) from error


def _features(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, list):
        for item in content:
            yield from _features(item)
    elif content["type"] == "FeatureCollection":
        yield from _features(content["features"])
    else:
        yield content


def _regions(feature: dict[str, Any]) -> Iterator[Region]:
    classification = (feature.get("properties") or {}).get("classification") or {}
    name = classification if isinstance(classification, str) else str(classification.get("name", ""))
    geometry = feature["geometry"]
    for part in _parts(geometry["type"], geometry):
        outer, *holes = [_ring(points) for points in part]
        yield Region(name, Polygon(outer, tuple(holes)))


def _parts(kind: str, geometry: dict[str, Any]) -> Iterator[list[Any]]:
    """Lists of rings, one a polygon."""
    if kind == "Polygon":
        yield geometry["coordinates"]
    elif kind == "MultiPolygon":
        yield from geometry["coordinates"]
    elif kind == "GeometryCollection":
        for inner in geometry["geometries"]:
            yield from _parts(inner["type"], inner)


def _ring(points: Sequence[Sequence[float]]) -> Ring:
    ring = np.array([point[:2] for point in points], float)
    if len(ring) < 3 or not np.isfinite(ring).all():
        raise ValueError(f"a ring of {len(ring)} points, expected three or more, and numbers")
    return ring[:-1] if (ring[0] == ring[-1]).all() else ring


def read_asap(path: Path) -> list[Region]:
    """Regions as ASAP writes them, named after the group they are part of.

    Args:
        path: .xml

    Raises:
        PatchError: it is missing or no such file.
    """
    from xml.etree import ElementTree

    try:
        root = ElementTree.parse(path).getroot()
        drawn = [a for a in root.iter("Annotation") if a.get("Type") in ("Polygon", "Spline", "Rectangle")]
        points = [sorted(a.iter("Coordinate"), key=lambda c: float(c.attrib["Order"])) for a in drawn]
        rings = [_ring([(float(c.attrib["X"]), float(c.attrib["Y"])) for c in p]) for p in points]
    except (OSError, ElementTree.ParseError, ValueError, KeyError) as error:
        raise PatchError(
            f"{path}: not ASAP annotations ({type(error).__name__}: {error}); expected XML as ASAP writes it"
        ) from error
    return [Region(a.get("PartOfGroup", ""), Polygon(ring)) for a, ring in zip(drawn, rings, strict=True)]
