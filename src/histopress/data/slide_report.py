"""What a slide file is, and everything that is wrong with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from histopress.core.errors import HistopressError, SpacingError, UnreadableSlideError
from histopress.core.geometry import Box, Size, Spacing, size_um
from histopress.core.location import Location
from histopress.core.recipe import plain
from histopress.data.slide import Slide, open_slide
from histopress.data.slide_facts import Associated, Level

log = logging.getLogger(__name__)

SMALLEST_UM = 64.0
"""um; the side of a tile of 128 px at 0.5 um/px. No slide of tissue is smaller."""

SAMPLE = 256
"""px; the side of the boxes that are decoded to see whether pixels are sound."""

OVERVIEW = 1024
"""px; the longer side of the overview that is decoded."""

SLOW = 1 << 26
"""px; a slide whose coarsest level is larger is sampled only, as its overview would take minutes."""


@dataclass(frozen=True)
class SlideReport:
    """A slide file as `inspect` shows it.

    Attributes:
        path: the file.
        reader: the library that reads it; empty if none does.
        vendor: the format, as the reader calls it.
        size: px of level 0; None if the file cannot be opened.
        spacing: um/px of level 0; None if it is missing or implausible.
        spacing_source: where the spacing comes from.
        size_mm: (height, width) in mm; None without a spacing.
        levels: stored resolutions, finest first.
        bounds: the scanned part of the vendor's level 0, where the file gives it.
        icc_profile_bytes: length of the colour profile, which is not applied; 0 if there is none.
        objective_power: as stated; never used.
        associated: label, macro and thumbnail, each with the length of its own colour profile.
        notes: what one should know, though nothing is wrong with it.
        problems: what is wrong, each with what was found, what was expected, and what to do.
    """

    path: str
    reader: str = ""
    vendor: str = ""
    size: Size | None = None
    spacing: Spacing | None = None
    spacing_source: str = ""
    size_mm: tuple[float, float] | None = None
    levels: tuple[Level, ...] = ()
    bounds: Box | None = None
    icc_profile_bytes: int = 0
    objective_power: str = ""
    associated: tuple[Associated, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        values: dict[str, Any] = plain(self)
        return values

    def as_text(self) -> str:
        """Lines for people, without a line break at the end."""
        lines = [f"  {name:<10} {value}" for name, value in self._rows() if value]
        lines += [f"  {'note':<10} {note}" for note in self.notes]
        lines += [f"  {'PROBLEM':<10} {problem}" for problem in self.problems]
        if self.sound:
            lines.append(f"  {'sound':<10} nothing wrong was found; a sample of its pixels was decoded")
        return "\n".join([self.path, *lines])

    def _rows(self) -> Iterator[tuple[str, str]]:
        if self.size is None:
            return
        yield "format", f"{self.vendor}, read by {self.reader}"
        yield "size", f"{self.size}" + (_millimetres(self.size_mm) if self.size_mm else "")
        yield "spacing", f"{self.spacing}, {self.spacing_source}" if self.spacing else "unknown"
        for number, level in enumerate(self.levels):
            spacing = self.spacing.scaled(level.downsample_x, level.downsample_y) if self.spacing else None
            yield f"level {number}", f"{level.size}" + (f", {spacing}" if spacing else "")
        if self.bounds:
            b = self.bounds
            yield "bounds", f"{b.width:.0f} x {b.height:.0f} px from x {b.x:.0f}, y {b.y:.0f} of the scan"
        yield "objective", f"{self.objective_power}x as stated, not used" if self.objective_power else ""
        yield "colours", f"{_profile(self.icc_profile_bytes) or 'no ICC profile'}"
        for picture in self.associated:
            profile = _profile(picture.icc_profile_bytes)
            yield picture.name[:10], f"{picture.size}" + (f", {profile}" if profile else "")


def _millimetres(size_mm: tuple[float, float]) -> str:
    return f" = {size_mm[1]:.4g} x {size_mm[0]:.4g} mm"


def _profile(length: int) -> str:
    return f"ICC profile of {length:,} bytes, not applied" if length else ""


def describe(path: str | Path, spacing: float | None = None) -> SlideReport:
    """Look at a slide file, decode a sample of its pixels, and tell what is wrong; a bad file raises nothing.

    Args:
        path: a file, or anything else.
        spacing: um/px of level 0, instead of what the file states.
    """
    report = SlideReport(str(path))
    try:
        with open_slide(path, spacing) as slide:
            report = _facts(report, slide)
            report = _with_spacing(report, slide, spacing)
            return replace(report, notes=tuple(_notes(slide, spacing)), problems=tuple(_problems(slide)))
    except (HistopressError, OSError) as error:
        problem = _without_path(error, path)
    except Exception as error:
        log.exception("%s: unexpected %s", path, type(error).__name__)
        problem = f"an unexpected {type(error).__name__}: {error}; please report it, with the file if you can"
    return replace(report, problems=(problem,))


def _facts(report: SlideReport, slide: Slide) -> SlideReport:
    facts = slide.facts
    return replace(
        report,
        reader=facts.reader,
        vendor=facts.vendor,
        size=slide.size,
        levels=slide.levels,
        bounds=facts.bounds,
        icc_profile_bytes=facts.icc_profile_bytes,
        objective_power=facts.objective_power,
        associated=facts.associated,
    )


def _with_spacing(report: SlideReport, slide: Slide, given: float | None) -> SlideReport:
    try:
        spacing = slide.spacing
    except SpacingError:
        return report
    height, width = size_um(slide.size, spacing)
    source = slide.facts.spacing_source if given is None else "as given"
    return replace(report, spacing=spacing, spacing_source=source, size_mm=(height / 1000, width / 1000))


def _notes(slide: Slide, given: float | None) -> Iterator[str]:
    stated = slide.stated_spacing
    if given is not None and stated is not None and stated != Spacing.square(given):
        yield f"the file states {stated} ({slide.facts.spacing_source}), which the given spacing overrides"
    if _coarsest(slide) > SLOW:
        yield (
            f"its coarsest level has {_coarsest(slide):,} px, so that a thumbnail takes minutes; "
            "convert it to a pyramid if it is read often"
        )
    yield from (f"{name}: {value}" for name, value in slide.facts.extra.items())


def _problems(slide: Slide) -> Iterator[str]:
    if missing := _missing_end(slide.path):
        yield missing
    yield from _damage(slide)
    try:
        height, width = size_um(slide.size, slide.spacing)
    except SpacingError as error:
        yield _without_path(error, slide.path)
        return
    if min(height, width) < SMALLEST_UM:
        yield (
            f"the slide is {slide.size} = {width:.3g} x {height:.3g} um, smaller than one tile, expected at "
            f"least {SMALLEST_UM:g} um a side; {_how_to_complete(slide.facts.vendor)}"
        )


def _missing_end(path: Location) -> str | None:
    from histopress.data.damaged_slide import missing_end

    return missing_end(path) if isinstance(path, Path) else None


def _how_to_complete(vendor: str) -> str:
    if vendor == "dicom":
        return (
            "perhaps this is one instance of an incomplete series: put all .dcm files of it into one folder"
        )
    return "check that the file is the whole slide and that its spacing is right"


def _damage(slide: Slide) -> Iterator[str]:
    """Levels with pixels that cannot be decoded, going by nine boxes of each and by an overview."""
    failed = False
    for number, level in enumerate(slide.levels):
        sample = set(_sample(level))
        errors = [error for place in sorted(sample) if (error := _try(slide, number, *place))]
        if errors:
            failed = True
            yield f"{len(errors)} of {len(sample)} places tried on level {number} are damaged: {errors[0]}"
    if not failed and _coarsest(slide) <= SLOW:
        try:
            slide.overview(OVERVIEW)
        except UnreadableSlideError as error:
            yield _without_path(error, slide.path)


def _sample(level: Level) -> Iterator[tuple[int, int]]:
    """(x, y) of three by three boxes spread over a level; a small level has fewer different ones."""
    free_x, free_y = max(0, level.size.width - SAMPLE), max(0, level.size.height - SAMPLE)
    for row in range(3):
        for col in range(3):
            yield (free_x * col // 2, free_y * row // 2)


def _try(slide: Slide, level: int, x: int, y: int) -> str:
    try:
        slide.stored(level, x, y, Size(SAMPLE, SAMPLE))
    except UnreadableSlideError as error:
        return _without_path(error, slide.path)
    return ""


def _coarsest(slide: Slide) -> int:
    size = slide.levels[-1].size
    return size.width * size.height


def _without_path(error: Exception, path: str | Location) -> str:
    return str(error).removeprefix(f"{path}: ")
