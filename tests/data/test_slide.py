"""Laws of every slide, on a drawn one with a pyramid, and the choice of a reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from histopress.core.errors import SlideError, SpacingError, UnreadableSlideError
from histopress.core.geometry import Box, Lattice, Size, Spacing
from histopress.data.slide import Slide, open_slide
from histopress.data.slide_facts import Level, SlideFacts

Pixels = NDArray[np.uint8]


class Drawn(Slide):
    """Pixels in memory, with levels of means of 2 x 2 and 4 x 4 pixels; counts what is read from each."""

    def __init__(
        self,
        pixels: Pixels,
        spacing: Spacing | None,
        given: float | None = None,
        levels: int = 1,
        power: str = "",
    ) -> None:
        super().__init__(given, spacing)
        self.path = Path("drawn.svs")
        self.facts = SlideFacts("numpy", "drawn", "drawn MPP", objective_power=power)
        self.pixels = [pixels]
        for _ in range(levels - 1):
            self.pixels.append(halved(self.pixels[-1]))
        self.size = Size(pixels.shape[1], pixels.shape[0])
        self.levels = tuple(Level.of(Size(p.shape[1], p.shape[0]), self.size) for p in self.pixels)
        self.asked: list[tuple[int, int, int, Size]] = []

    def _read_level(self, level: int, x: int, y: int, size: Size) -> Pixels:
        self.asked.append((level, x, y, size))
        return self.pixels[level][y : y + size.height, x : x + size.width].copy()

    def close(self) -> None:
        self.pixels = []


def halved(pixels: Pixels) -> Pixels:
    """Rounded means of 2 x 2; an odd last row or column is dropped, as scanners do."""
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    blocks = pixels[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).astype(int)
    return ((blocks.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8)


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> Pixels:
    rows, cols = np.mgrid[:height, :width] + 0.5
    waves = [np.sin(cols / 9 + rows / 31), np.cos(rows / 12 - cols / 40), np.sin((cols + rows) / 14)]
    return np.rint(128 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def off(a: Pixels, b: Pixels) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


def test_the_size_of_a_read_follows_from_both_spacings() -> None:
    slide = Drawn(noise(90, 130), Spacing(0.25, 0.3))
    assert slide.read(Box(3.5, 2, 100, 60), Spacing(0.5, 0.45)).shape == (40, 50, 3)


def test_a_read_at_the_spacing_of_level_0_gives_its_pixels() -> None:
    pixels = noise(90, 130)
    slide = Drawn(pixels, Spacing(0.25, 0.3))
    assert np.array_equal(slide.read(Box(11, 7, 50, 40), Spacing(0.25, 0.3)), pixels[7:47, 11:61])


@pytest.mark.parametrize("level", [1, 2])
def test_a_read_at_the_spacing_of_a_stored_level_gives_its_pixels(level: int) -> None:
    slide = Drawn(noise(173, 219), Spacing(0.25, 0.3), levels=3)
    factor = 2**level
    spacing = slide.spacing.scaled(factor, factor)
    got = slide.read(Box(3 * factor, 5 * factor, 40 * factor, 30 * factor), spacing)
    assert np.array_equal(got, slide.pixels[level][5:35, 3:43])
    assert {asked[0] for asked in slide.asked} == {level}


def test_the_coarsest_level_that_is_fine_enough_is_read() -> None:
    slide = Drawn(smooth(400, 520), Spacing(0.25, 0.25), levels=3)
    chosen = []
    for um_per_px in (0.1, 0.25, 0.45, 0.499, 0.5, 0.7, 0.996, 1.0, 8.0):
        slide.asked.clear()
        slide.read(Box(40, 40, 320, 240), Spacing.square(um_per_px))
        chosen.append(slide.asked[0][0])
    assert chosen == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_spacings_that_differ_between_axes_take_a_level_that_is_fine_enough_for_both() -> None:
    slide = Drawn(smooth(400, 520), Spacing(0.25, 0.5), levels=3)
    slide.read(Box(40, 40, 320, 240), Spacing(1.0, 1.0))
    assert {asked[0] for asked in slide.asked} == {1}


@pytest.mark.parametrize("um_per_px", [0.5, 0.77, 1.0, 1.3, 4.0])
def test_all_levels_show_the_same_place(um_per_px: float) -> None:
    pixels = smooth(483, 615)
    plain, pyramid = Drawn(pixels, Spacing(0.25, 0.25)), Drawn(pixels, Spacing(0.25, 0.25), levels=3)
    box = Box(101.3, 57.9, 320, 240)
    spacing = Spacing.square(um_per_px)
    assert off(plain.read(box, spacing), pyramid.read(box, spacing)) <= 6


@pytest.mark.parametrize("um_per_px", [0.25, 0.3, 0.5, 1.1])
def test_tiles_of_a_lattice_join_to_the_joint_read(um_per_px: float) -> None:
    slide = Drawn(noise(300, 420), Spacing(0.25, 0.27), levels=2)
    lattice = Lattice.over(slide.size, slide.spacing, um_per_px, 16)
    spacing = Spacing.square(um_per_px)
    tiles = [[slide.read(lattice.box(row, col), spacing) for col in range(3)] for row in range(2)]
    joint = slide.read(lattice.box(0, 0, rows=2, cols=3), spacing)
    assert off(np.concatenate([np.concatenate(row, axis=1) for row in tiles]), joint) <= 1


def test_a_slide_scaled_evenly_along_both_axes_reads_the_same() -> None:
    pixels = smooth(200, 280)
    tall, square = Drawn(pixels, Spacing(0.5, 0.25)), Drawn(pixels, Spacing(0.5, 0.5))
    box = Box(20, 30, 160, 120)
    assert np.array_equal(tall.read(box, Spacing(1.0, 0.5)), square.read(box, Spacing(1.0, 1.0)))


@pytest.mark.parametrize("um_per_px", [0.25, 0.5, 0.61])
def test_flipping_the_slide_flips_what_is_read(um_per_px: float) -> None:
    pixels = noise(120, 200)
    straight = Drawn(pixels, Spacing(0.25, 0.25)).read(Box(20, 10, 122, 61), Spacing.square(um_per_px))
    turned = Drawn(np.ascontiguousarray(pixels[:, ::-1]), Spacing(0.25, 0.25))
    flipped = turned.read(Box(200 - 20 - 122, 10, 122, 61), Spacing.square(um_per_px))
    assert off(flipped[:, ::-1], straight) <= 1


def test_beyond_the_border_it_is_white_and_only_the_slide_is_asked() -> None:
    slide = Drawn(np.zeros((60, 80, 3), np.uint8), Spacing(0.5, 0.5))
    got = slide.read(Box(-20, -10, 120, 90), Spacing(1.0, 1.0))
    assert (got[5:35, 10:50] == 0).all()
    assert int((got == 255).all(axis=-1).sum()) == got.shape[0] * got.shape[1] - 30 * 40
    assert slide.asked == [(0, 0, 0, Size(80, 60))]
    slide.asked.clear()
    assert (slide.read(Box(500, -300, 30, 20), Spacing(0.7, 0.7)) == 255).all()
    assert not slide.asked


def test_a_thumbnail_covers_the_slide_at_exactly_its_spacing() -> None:
    pixels = smooth(203, 331)
    slide = Drawn(pixels, Spacing(0.5, 0.4))
    spacing = Spacing(2.0, 2.0)
    picture = slide.thumbnail(spacing)
    assert picture.shape == (41, 83, 3)  # 203 * 0.4 / 2 = 40.6 and 331 * 0.5 / 2 = 82.75
    assert off(picture[:40, :82], slide.read(Box(0, 0, 328, 200), spacing)) == 0
    assert (picture[-1, :, 0] > picture[-2, :, 0].astype(int) - 40).all()


def test_a_thumbnail_of_a_large_slide_is_read_in_pieces() -> None:
    class Endless(Drawn):
        def _read_level(self, level: int, x: int, y: int, size: Size) -> Pixels:
            self.asked.append((level, x, y, size))
            return np.full((*size.shape, 3), 77, np.uint8)

    slide = Endless(np.zeros((2, 2, 3), np.uint8), Spacing(0.25, 0.25))
    slide.size = Size(9000, 7000)
    slide.levels = (Level(slide.size, 1.0, 1.0),)
    picture = slide.thumbnail(Spacing.square(16.0))
    assert (picture[:109, :140] == 77).all()
    assert max(size.width * size.height for _, _, _, size in slide.asked) <= 2048 * 2048


def test_an_overview_needs_no_spacing() -> None:
    slide = Drawn(smooth(200, 400), None, levels=2)
    assert slide.overview(100).shape == (50, 100, 3)
    assert slide.overview(4000).shape == (200, 400, 3)


@pytest.mark.parametrize(
    ("full", "size", "expected"),
    [
        (Size(4443, 3567), Size(2221, 1783), (2.0, 2.0)),
        (Size(46000, 32914), Size(11500, 8228), (4.0, 4.0)),
        (Size(1001, 763), Size(251, 191), (4.0, 4.0)),
        (Size(300, 250), Size(37, 31), (8.0, 8.0)),
        (Size(300, 250), Size(300, 250), (1.0, 1.0)),
        (Size(1000, 500), Size(400, 200), (2.5, 2.5)),
        (Size(1000, 600), Size(500, 200), (2.0, 3.0)),
    ],
)
def test_what_is_left_over_at_the_edges_does_not_stretch_a_level(
    full: Size, size: Size, expected: tuple[float, float]
) -> None:
    level = Level.of(size, full)
    assert (level.downsample_x, level.downsample_y) == expected


def test_a_given_spacing_comes_before_the_stated_one() -> None:
    slide = Drawn(noise(20, 30), Spacing(0.25, 0.3), given=0.5)
    assert slide.spacing == Spacing(0.5, 0.5)
    assert slide.stated_spacing == Spacing(0.25, 0.3)


@pytest.mark.parametrize("slide", [Drawn(noise(20, 30), None), Drawn(noise(20, 30), None, power="20")])
def test_a_missing_spacing_is_an_error_that_names_the_remedy(slide: Drawn) -> None:
    with pytest.raises(SpacingError, match=r"drawn\.svs: the file states no spacing.*--spacing"):
        slide.read(Box(0, 0, 10, 8), Spacing(0.5, 0.5))


def test_an_objective_is_told_and_never_taken_for_a_spacing() -> None:
    with pytest.raises(SpacingError, match="objective of 40x does not tell the size of a pixel"):
        _ = Drawn(noise(20, 30), None, power="40").spacing


@pytest.mark.parametrize("spacing", [Spacing(352.8, 352.8), Spacing(0.25, 0.0), Spacing(float("nan"), 0.5)])
def test_an_implausible_spacing_is_an_error_that_names_it(spacing: Spacing) -> None:
    with pytest.raises(SpacingError, match=r"drawn MPP\) is .* expected 0.05 to 5.0 um/px.*--spacing"):
        _ = Drawn(noise(20, 30), spacing).spacing


def test_an_implausible_given_spacing_is_an_error_too() -> None:
    with pytest.raises(SpacingError, match=r"the given spacing is 20 um/px"):
        _ = Drawn(noise(20, 30), Spacing(0.25, 0.25), given=20.0).spacing


def test_what_cannot_be_a_slide_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.svs").touch()
    (tmp_path / "notes.svs").write_text("a note, not a slide")
    (tmp_path / "page.tif").write_text("<html>please log in</html>")
    reasons = {
        "missing.svs": "there is no such file",
        ".": "this is a folder",
        "empty.svs": "the file is empty",
        "notes.svs": "no known format",
        "page.tif": "web page",
    }
    for name, reason in reasons.items():
        with pytest.raises(UnreadableSlideError, match=reason) as caught:
            open_slide(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_every_bad_file_has_its_own_reason(shared_data: Path) -> None:
    reasons = {}
    for path in sorted((shared_data / "wsi" / "bad").iterdir()):
        try:
            with open_slide(path) as slide:
                slide.read(Box.whole(slide.size), Spacing(0.5, 0.5))
        except SlideError as error:
            reasons[path.name] = str(error).removeprefix(f"{path}: ")
    assert sorted(reasons) == [
        "boxes.tiff", "broken.svs", "cmu_truncated_head.svs", "unopenable.tiff", "unreadable.svs"
    ]  # fmt: skip
    assert len(set(reasons.values())) == len(reasons)
    assert "352.8 um/px" in reasons["boxes.tiff"]
    assert "no known format" in reasons["broken.svs"]
    assert "cut off: it has 200,000 bytes" in reasons["cmu_truncated_head.svs"]
    assert "compression" in reasons["unopenable.tiff"]
    assert "cannot be decoded" in reasons["unreadable.svs"]
