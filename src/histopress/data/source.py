"""What pictures are resampled from: a stored level as it is, or decoded at a half, a quarter or an eighth."""

from __future__ import annotations

from dataclasses import dataclass

from histopress.core.geometry import Box, Size
from histopress.data.slide_facts import Level


@dataclass(frozen=True, slots=True)
class Source:
    """Pixels that a reader can give directly.

    Attributes:
        level: number of the stored level.
        scale: px of the level, along each side, that make one of the source; 1 is the level as it is stored.
        size: px of the source; its last row and column may reach beyond the level.
        downsample_x: level-0 px that make one px of the source.
        downsample_y: likewise along y.
        ahead: px of the source by which its samples lie up and left of the middle of their px. 0 for DCT
            scaling, which averages; wavelets keep the first sample of every block (JPEG 2000).
    """

    level: int
    scale: int
    size: Size
    downsample_x: float
    downsample_y: float
    ahead: float = 0.0

    @classmethod
    def of(cls, number: int, level: Level, scale: int = 1, ahead: float = 0.0) -> Source:
        """A level, decoded at one in `scale`."""
        size = Size(-(-level.size.width // scale), -(-level.size.height // scale))
        return cls(number, scale, size, level.downsample_x * scale, level.downsample_y * scale, ahead)

    def shown(self, x: int, y: int, size: Size) -> Box:
        """What some of its px show, in level-0 px."""
        return Box(
            x * self.downsample_x,
            y * self.downsample_y,
            size.width * self.downsample_x,
            size.height * self.downsample_y,
        )

    def box(self, box: Box) -> Box:
        """A box in level-0 px, in px of this source."""
        return Box(
            box.x / self.downsample_x + self.ahead,
            box.y / self.downsample_y + self.ahead,
            box.width / self.downsample_x,
            box.height / self.downsample_y,
        )
