"""The rectangles task: shapes and counts, and why a bag of digits cannot tell the label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from histopress.core.errors import RecipeError
from histopress.studies.rectangles import (
    PUBLISHED,
    SMALL,
    STRAIGHT,
    TILTED,
    Rectangle,
    RectanglesRecipe,
    Scene,
    draw_scene,
)

KNOWN_TILTED = (12.574, 39.973, 16, 135)
KNOWN_CELLS = [[0, 0], [28, 46], [59, 58]]
KNOWN_CLASSES = [7, 9, 8, 6, 1, 6, 8, 5]

MIDDLE = RectanglesRecipe(side=60, digits=900, shortest=8, longest=28)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(MIDDLE, 0, index) for index in range(300)]


def inside(scene: Scene, rectangle: Rectangle) -> np.ndarray:
    flat = scene.cells[:, 0].astype(np.int64) * scene.side + scene.cells[:, 1]
    return np.isin(flat, rectangle.inside(scene.side))


def test_the_published_picture() -> None:
    scene = draw_scene(PUBLISHED, 0, 7)
    assert PUBLISHED.side == 400 and len(scene.cells) == 25_920
    assert PUBLISHED.share == pytest.approx(0.162)
    assert 4 <= min(scene.tilted.long, scene.straight.long) <= 200
    assert scene.label == 7


def test_digits_have_a_cell_each_in_order(scenes: list[Scene]) -> None:
    for scene in scenes[:20]:
        flat = scene.cells[:, 0].astype(np.int64) * scene.side + scene.cells[:, 1]
        assert len(flat) == MIDDLE.digits and (np.diff(flat) > 0).all()
        assert scene.cells.min() >= 0 and scene.cells.max() < MIDDLE.side


def test_digits_inside_share_a_class_and_others_are_random(scenes: list[Scene]) -> None:
    around = []
    for scene in scenes:
        in_tilted, in_straight = inside(scene, scene.tilted), inside(scene, scene.straight)
        assert (scene.classes[in_tilted] == scene.label).all()
        assert (scene.classes[in_straight] == scene.straight.number).all()
        assert not (in_tilted & in_straight).any()
        around.append(scene.classes[~in_tilted & ~in_straight])
    shares = np.bincount(np.concatenate(around), minlength=10) / sum(map(len, around))
    assert np.abs(shares - 0.1).max() < 0.004


def test_rectangles_lie_on_the_canvas_at_their_angles(scenes: list[Scene]) -> None:
    for scene in scenes:
        for rectangle in (scene.tilted, scene.straight):
            down, right = rectangle.reach
            assert down <= rectangle.row <= MIDDLE.side - down
            assert right <= rectangle.col <= MIDDLE.side - right
    assert {s.tilted.angle for s in scenes} == set(TILTED)
    assert {s.straight.angle for s in scenes} == set(STRAIGHT)
    turned = np.mean([s.tilted.angle == TILTED[0] for s in scenes])
    assert 0.4 < turned < 0.6


@pytest.mark.parametrize("angle", [0, 90, 45, 135])
def test_cells_of_a_rectangle_have_its_area_aspect_and_tilt(angle: int) -> None:
    rectangle = Rectangle(30.2, 29.7, 40, angle, 0)
    rows, cols = np.divmod(rectangle.inside(60), 60)
    assert len(rows) == pytest.approx(40 * 20, rel=0.02)
    spread = np.cov(np.stack([cols, rows]))
    values, vectors = np.linalg.eigh(spread)
    assert np.sqrt(values[1] / values[0]) == pytest.approx(2, rel=0.05)
    seen = np.rad2deg(np.arctan2(vectors[1, 1], vectors[0, 1])) % 180
    assert min(abs(seen - angle), 180 - abs(seen - angle)) < 2


def test_straight_rectangles_hold_exactly_their_area() -> None:
    random = np.random.default_rng(0)
    for angle in STRAIGHT:
        for _ in range(20):
            row, col = random.uniform(15, 45, 2)
            assert len(Rectangle(row, col, 12, angle, 0).inside(60)) == 72


def test_every_class_takes_its_turn_and_any_other_distracts(scenes: list[Scene]) -> None:
    assert [scene.label for scene in scenes[:20]] == [*range(10)] * 2
    steps = {(scene.straight.number - scene.label) % 10 for scene in scenes}
    assert steps == set(range(1, 10))


def test_no_count_tells_which_rectangle_is_tilted(scenes: list[Scene]) -> None:
    """The number of digits follows from the size alone, and sizes have the same law for both."""
    held: dict[int, set[int]] = {}
    for scene in scenes:
        for rectangle in (scene.tilted, scene.straight):
            held.setdefault(rectangle.long, set()).add(int(inside(scene, rectangle).sum()))
    assert set(held) == set(range(8, 29, 2))
    assert all(len(counts) == 1 for counts in held.values())
    longs = np.array([[s.tilted.long, s.straight.long] for s in scenes])
    wins, losses = (longs[:, 0] > longs[:, 1]).sum(), (longs[:, 0] < longs[:, 1]).sum()
    assert abs(int(wins) - int(losses)) < 4 * np.sqrt(wins + losses)


def test_histograms_of_classes_do_not_tell_the_label() -> None:
    """With rectangles of one size, the label is as frequent as the distractor, one time with another."""
    recipe = replace(MIDDLE, shortest=20, longest=20)
    ahead = []
    for index in range(400):
        scene = draw_scene(recipe, 1, index)
        counts = np.bincount(scene.classes, minlength=10)
        assert {scene.label, scene.straight.number} == set(np.argsort(counts)[-2:].tolist())
        ahead.append(counts[scene.label] - counts[scene.straight.number])
    signs = np.sign(ahead)
    assert abs(signs.sum()) < 4 * np.sqrt(np.abs(signs).sum())
    assert abs(np.mean(ahead)) < 4 * np.std(ahead) / np.sqrt(len(ahead))


def test_two_labels_are_each_others_distractor() -> None:
    pairs = {(s.label, s.straight.number) for s in (draw_scene(SMALL, 0, i) for i in range(8))}
    assert pairs == {(0, 1), (1, 0)}
    assert set(np.unique(draw_scene(SMALL, 0, 0).classes)) == set(range(10))


def test_the_same_number_gives_the_same_picture_in_any_order() -> None:
    first = draw_scene(MIDDLE, 3, 11)
    for index in (4, 12):
        draw_scene(MIDDLE, 3, index)
    again = draw_scene(MIDDLE, 3, 11)
    assert first.tilted == again.tilted and first.straight == again.straight
    assert np.array_equal(first.cells, again.cells)
    assert np.array_equal(first.classes, again.classes)
    assert np.array_equal(first.variants, again.variants)
    assert draw_scene(MIDDLE, 4, 11).tilted != first.tilted


def test_known_values() -> None:
    """Other machines and versions must draw the same."""
    scene = draw_scene(MIDDLE, 0, 5)
    tilted = scene.tilted
    assert (round(tilted.row, 3), round(tilted.col, 3), tilted.long, tilted.angle) == KNOWN_TILTED
    assert scene.cells[[0, 450, 899]].tolist() == KNOWN_CELLS
    assert scene.classes[:8].tolist() == KNOWN_CLASSES


@pytest.mark.parametrize(
    "settings",
    [
        {"shortest": 5},
        {"longest": 32},
        {"shortest": 12, "longest": 8},
        {"digits": 3500},
        {"digits": 0},
        {"labels": 1},
        {"classes": 2},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match="expected"):
        RectanglesRecipe(**{"side": 60, "digits": 900, "shortest": 8, "longest": 28, **settings})


def test_the_fullest_canvas_can_be_drawn() -> None:
    recipe = RectanglesRecipe(side=24, digits=518, shortest=4, longest=12)
    for index in range(20):
        assert len(draw_scene(recipe, 0, index).cells) == 518
