"""What a slide file holds, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from histopress.core.geometry import Box, Size


@dataclass(frozen=True, slots=True)
class Level:
    """One stored resolution of a slide; `downsample_x` level-0 px make one of its px.

    Attributes:
        size: px of this level.
        downsample_x: level-0 px along x; those of a pyramid are whole numbers, see `Level.of`.
        downsample_y: likewise along y.
    """

    size: Size
    downsample_x: float
    downsample_y: float

    @classmethod
    def of(cls, size: Size, full: Size) -> Level:
        """The level of this size in a slide whose level 0 has the full size.

        Pyramids are made by merging k x k pixels, and what is left over at the far edges is dropped or
        padded: a level of 2221 px below 4443 px has a downsample of 2, not of 2.0005. Only where no whole k
        explains both sides are the ratios of the sides taken.
        """
        ratio_x, ratio_y = full.width / size.width, full.height / size.height
        k = round(ratio_x if full.width > full.height else ratio_y)
        if abs(full.width / k - size.width) < 1 and abs(full.height / k - size.height) < 1:
            return cls(size, float(k), float(k))
        return cls(size, ratio_x, ratio_y)


@dataclass(frozen=True, slots=True)
class Associated:
    """A picture that comes with a slide: its label, macro photograph or thumbnail."""

    name: str
    size: Size
    icc_profile_bytes: int = 0


@dataclass(frozen=True)
class SlideFacts:
    """What the file says of itself, for `inspect`; nothing here is used in computing.

    Attributes:
        reader: the library that reads it.
        vendor: the format, as the reader calls it.
        spacing_source: which property or tag the spacing comes from; empty if there is none.
        icc_profile_bytes: length of the colour profile, which is reported and not applied.
        bounds: scanned part of the vendor's level 0; the slide's origin is its corner. None if there is none.
        associated: label, macro, thumbnail.
        objective_power: as stated, for example "20"; empty if it is not. Never taken for a spacing.
        extra: anything else worth telling.
    """

    reader: str
    vendor: str
    spacing_source: str = ""
    icc_profile_bytes: int = 0
    bounds: Box | None = None
    associated: tuple[Associated, ...] = ()
    objective_power: str = ""
    extra: dict[str, str] = field(default_factory=dict)
