"""nMNIST: the published figures, and that nothing but the object tells the label."""

from __future__ import annotations

import gzip
import multiprocessing
import pickle
import shutil
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histopress.core.errors import PatchError, RecipeError
from histopress.metrics.scores import auroc
from histopress.studies.nmnist import CANVASES, Nmnist, NmnistRecipe, nmnist, sets
from histopress.studies.nmnist_scene import distractors, paint
from histopress.studies.pictures import PARTS, Pictures, balanced

PUBLISHED = (2, 6, 25, 100, 400, 1600, 6400, 14400)
TRAINING, TEST = 600, 200
KNOWN_PLACE = [75, 86]
KNOWN_PIXELS = {28: 2187545276, 20: 277580351}


def write_set(folder: Path, prefix: str, pictures: np.ndarray, labels: np.ndarray) -> None:
    for kind, array in (("images-idx3", pictures), ("labels-idx1", labels)):
        header = struct.pack(f">{array.ndim + 1}I", 2048 + array.ndim, *array.shape)
        packed = gzip.compress(header + array.astype(np.uint8).tobytes(), compresslevel=1)
        (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(packed)


def stand_in(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits whose first pixel tells the class; the ink of all weighs the same, and no two are alike."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    pictures = np.zeros((count, 28, 28), np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        picture.ravel()[1 + random.choice(783, 100, replace=False)] = 90
        picture[0, 0], picture[27, 27] = 1 + label, 10 - label
    return pictures, labels


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mnist")
    write_set(folder, "train", *stand_in(TRAINING, 0))
    write_set(folder, "t10k", *stand_in(TEST, 1))
    return folder


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """180 pictures, no two alike: bright points on black."""
    folder = tmp_path_factory.mktemp("letters")
    random = np.random.default_rng(5)
    for number in range(180):
        picture = np.where(random.random((20, 20)) < 0.2, 255, 0).astype(np.uint8)
        picture[[0, -1]] = picture[:, [0, -1]] = 0
        (folder / f"letter{number % 3}").mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / f"letter{number % 3}" / f"{number}.png")
    return folder


def rows_of(pictures: np.ndarray) -> set[bytes]:
    return {picture.tobytes() for picture in pictures}


@pytest.mark.parametrize(("canvas", "count"), [*zip(CANVASES, PUBLISHED, strict=True)])
def test_distractors_and_ratios_are_the_published_ones(canvas: int, count: int) -> None:
    recipe = NmnistRecipe(Path(), canvas)
    assert recipe.layout.distractors == count and recipe.o2i == pytest.approx(28**2 / canvas**2)
    half = NmnistRecipe(Path(), canvas // 2, digit=14)
    assert half.layout.distractors == count and half.o2i == pytest.approx(recipe.o2i)


def test_between_the_published_canvases_clutter_is_as_dense() -> None:
    for canvas in (300, 700, 1500, 5000):
        assert distractors(canvas) / canvas**2 == pytest.approx(25 / 256**2, rel=0.02)
    assert distractors(512, density=0.5) == 50 and distractors(512, density=0) == 0
    counts = [distractors(canvas) for canvas in range(28, 1000, 7)]
    assert counts == sorted(counts)


def test_as_many_pictures_as_published(tmp_path: Path) -> None:
    """A stand-in of 60,000 digits whose threes lie as those of MNIST do: 493 among the first 5,000."""
    for prefix, count, threes in (
        ("train", 60_000, [(0, 493), (5_000, 5_638)]),
        ("t10k", 10_000, [(9, 1_010)]),
    ):
        labels = np.zeros(count)
        for start, number in threes:
            labels[start : start + number] = 3
        write_set(tmp_path, prefix, np.zeros((count, 4, 4)), labels)
    sizes = {}
    for part in PARTS:
        pictures = nmnist(NmnistRecipe(tmp_path, 10, digit=4, part=part))
        sizes[part] = len(pictures)
        assert np.bincount(pictures.labels).tolist() == [len(pictures) // 2] * 2
    assert sizes == {"train": 2 * 11_276, "tuning": 1_972, "test": 4_040}
    full = nmnist(NmnistRecipe(tmp_path, 10, digit=4))
    assert np.bincount(balanced(full, 11_276, seed=42).labels).tolist() == [5_638] * 2


def test_fewer_digits_are_divided_in_proportion(mnist: Path) -> None:
    sizes = [len(nmnist(NmnistRecipe(mnist, part=part))) for part in PARTS]
    assert sizes == [4 * TRAINING // 10 * 11 // 12, 4 * TRAINING // 10 // 12, 4 * TEST // 10]


def test_parts_share_no_digit_and_use_all(mnist: Path) -> None:
    held = [
        rows_of(chosen.objects) | rows_of(chosen.clutter)
        for part in PARTS
        for chosen in [sets(NmnistRecipe(mnist, part=part))]
    ]
    assert [len(part) for part in held] == [550, 50, 200]
    assert len(set.union(*held)) == TRAINING + TEST


@pytest.mark.parametrize("target", [3, 0])
def test_no_distractor_is_of_the_target_class(mnist: Path, target: int) -> None:
    chosen = sets(NmnistRecipe(mnist, target=target))
    assert (chosen.objects[:, 0, 0] == 1 + target).all()
    assert set(chosen.clutter[:, 0, 0]) == set(range(1, 11)) - {1 + target}


def test_labels_are_known_without_drawing(mnist: Path) -> None:
    pictures = nmnist(NmnistRecipe(mnist, 128))
    assert isinstance(pictures, Pictures)
    samples = [pictures.draw(row) for row in range(24)]
    assert [s.label for s in samples] == pictures.labels[:24].tolist() == [0, 1] * 12
    assert {s.picture.shape for s in samples} == {pictures.shape} == {(128, 128, 1)}
    assert [len(s.boxes) for s in samples] == [0, 1] * 12


def test_every_object_gives_two_of_each_label(mnist: Path) -> None:
    pictures = Nmnist(NmnistRecipe(mnist))
    shown = [pictures.scene(row).thing for row in range(len(pictures)) if row % 2]
    assert shown == [thing for thing in range(len(sets(pictures.recipe).objects)) for _ in range(2)]
    first, second = pictures.draw(1), pictures.draw(3)
    assert not np.array_equal(first.picture, second.picture)


@pytest.mark.parametrize(("canvas", "digit"), [(64, 28), (200, 28), (96, 21), (40, 28), (150, 14)])
def test_the_object_lies_in_its_box_within_a_cell(mnist: Path, canvas: int, digit: int) -> None:
    pictures = Nmnist(NmnistRecipe(mnist, canvas, digit=digit))
    chosen = sets(pictures.recipe)
    cells = max(1, int(canvas * 28 / 64 / digit))
    for row in range(1, 60, 2):
        scene = pictures.scene(row)
        without = paint(scene, np.zeros_like(chosen.objects), chosen.clutter)
        picture, ((top, left, height, width),) = pictures.draw(row).picture, pictures.draw(row).boxes
        assert (height, width) == (digit, digit) and height * width == round(pictures.o2i * canvas**2)
        inside = np.zeros(picture.shape, np.bool_)
        inside[top : top + height, left : left + width] = True
        assert inside.sum() == height * width  # all of it on the canvas
        assert (picture[~inside] == without[~inside]).all() and (picture[inside] > without[inside]).any()
        for start in (top, left):
            assert start * cells // canvas == (start + digit - 1) * cells // canvas


def test_objects_lie_in_all_cells_and_anywhere_in_them(mnist: Path) -> None:
    pictures = Nmnist(NmnistRecipe(mnist, 128))
    for label in (0, 1):
        places = np.array([pictures.scene(row).place for row in range(label, len(pictures), 2)][:400])
        counts = np.bincount(places[:, 0] // 64 * 2 + places[:, 1] // 64, minlength=4)
        assert counts.sum() == len(places) and counts.min() > 0.15 * len(places)
        within = places % 64
        assert within.min() <= 1 and 35 <= within.max() <= 36 and abs(within.mean() - 18) < 2.5
    spread = np.concatenate([pictures.scene(row).places for row in range(100)])
    assert spread.min() <= 1 and 98 < spread.max() <= 100 and abs(spread.mean() - 50) < 4


def test_both_labels_hold_as_many_things(tmp_path: Path) -> None:
    """Digits of one grey level each: their sum counts them."""
    pictures = np.zeros((120, 28, 28))
    pictures[np.arange(120), np.arange(120) % 28, 5] = 1
    write_set(tmp_path, "train", pictures, np.arange(120) % 10)
    for canvas in (64, 128, 256):
        drawn = nmnist(NmnistRecipe(tmp_path, canvas))
        assert {int(drawn.draw(row).picture.sum()) for row in range(20)} == {1 + distractors(canvas)}


@pytest.mark.parametrize("canvas", [64, 128])
def test_ink_alone_does_not_tell_the_label(mnist: Path, canvas: int) -> None:
    pictures = nmnist(NmnistRecipe(mnist, canvas))
    rows = range(0, len(pictures))
    ink = [float(pictures.draw(row).picture.sum()) for row in rows]
    assert abs(auroc(pictures.labels == 1, ink)[0] - 0.5) < 0.1  # 220 pictures: 2.6 standard errors
    bright = [float((pictures.draw(row).picture > 100).sum()) for row in rows]
    assert abs(auroc(pictures.labels == 1, bright)[0] - 0.5) < 0.1


def test_the_ink_of_real_digits_hardly_tells_the_label(shared_data: Path) -> None:
    """A three of MNIST has a tenth more ink than other digits: seen among 2 distractors, lost among 25."""
    found = {}
    for canvas, count in ((64, 3000), (256, 1000)):
        pictures = nmnist(NmnistRecipe(shared_data / "mnist", canvas))
        ink = [float(pictures.draw(row).picture.sum()) for row in range(count)]
        found[canvas] = auroc(pictures.labels[:count] == 1, ink)[0]
    assert 0.5 < found[64] < 0.6 and 0.45 < found[256] < 0.56


def test_sums_are_clipped(mnist: Path) -> None:
    pictures = Nmnist(NmnistRecipe(mnist, 64, density=10))
    chosen, scene = sets(pictures.recipe), pictures.scene(5)
    total = np.zeros((64, 64), np.int64)
    things = [chosen.objects[scene.thing], *chosen.clutter[scene.distractors]]
    for (top, left), thing in zip([scene.place, *scene.places], things, strict=True):
        total[top : top + 28, left : left + 28] += thing
    assert total.max() > 255 and len(things) == 17
    assert np.array_equal(pictures.draw(5).picture[:, :, 0], np.minimum(total, 255))


def test_the_same_picture_in_any_order_and_after_travelling(mnist: Path) -> None:
    pictures = nmnist(NmnistRecipe(mnist, 128))
    forwards = [pictures.draw(row).picture for row in range(12)]
    packed = pickle.dumps(pictures)
    assert len(packed) < 1000
    there = pickle.loads(packed)
    assert all(np.array_equal(there.draw(row).picture, forwards[row]) for row in reversed(range(12)))


def test_the_same_picture_in_any_process(mnist: Path) -> None:
    pictures = nmnist(NmnistRecipe(mnist, 128, part="tuning"))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.map(pictures.draw, range(6))
    for row, sample in enumerate(there):
        assert np.array_equal(sample.picture, pictures.draw(row).picture)
        assert np.array_equal(sample.boxes, pictures.draw(row).boxes)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_same_pictures_from_any_number_of_workers(mnist: Path, workers: int) -> None:
    from torch.utils.data import DataLoader, Dataset

    class Drawn(Dataset[int]):
        def __len__(self) -> int:
            return 9

        def __getitem__(self, row: int) -> int:
            return zlib.crc32(pictures.draw(row).picture)

    pictures = nmnist(NmnistRecipe(mnist, 64, part="test"))
    found = [int(n) for batch in DataLoader(Drawn(), 2, num_workers=workers) for n in batch]
    assert found == [zlib.crc32(pictures.draw(row).picture) for row in range(9)]


def test_known_values(mnist: Path) -> None:
    """Other machines and versions must draw the same."""
    pictures = Nmnist(NmnistRecipe(mnist, 128))
    assert pictures.scene(7).place.tolist() == KNOWN_PLACE
    for digit, known in KNOWN_PIXELS.items():
        scaled = nmnist(replace(pictures.recipe, digit=digit))
        assert zlib.crc32(scaled.draw(7).picture) == known


def test_what_changes_pictures_changes_their_identity(mnist: Path, tmp_path: Path) -> None:
    recipe = NmnistRecipe(mnist, 128)
    other = [
        replace(recipe, **{name: value})
        for name, value in [
            ("canvas", 64),
            ("digit", 14),
            ("part", "test"),
            ("target", 4),
            ("seed", 1),
            ("density", 2.0),
        ]
    ]
    assert len({nmnist(r).identity for r in [recipe, *other]}) == 7
    first = nmnist(recipe).draw(1).picture
    assert not any(np.array_equal(nmnist(r).draw(1).picture, first) for r in other)
    for path in mnist.iterdir():
        shutil.copy(path, tmp_path)
    assert nmnist(replace(recipe, mnist=tmp_path)).identity == nmnist(recipe).identity


def test_smaller_digits_are_means_over_areas(mnist: Path) -> None:
    full, half = sets(NmnistRecipe(mnist)).objects, sets(NmnistRecipe(mnist, digit=14)).objects
    means = full.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    assert half.dtype == np.uint8 and np.abs(half - means).max() <= 0.5


def test_other_objects_and_other_clutter(mnist: Path, letters: Path) -> None:
    digits = sets(NmnistRecipe(mnist))
    among = sets(NmnistRecipe(mnist, clutter=letters))
    assert rows_of(among.objects) == rows_of(digits.objects) and len(among.clutter) > 110
    sought = sets(NmnistRecipe(mnist, objects=letters, object_pattern="letter1/"))
    assert rows_of(sought.clutter) == rows_of(digits.clutter) | rows_of(digits.objects)
    assert 30 < len(sought.objects) <= 60
    pictures = nmnist(NmnistRecipe(mnist, 128, clutter=letters))
    assert pictures.identity != nmnist(NmnistRecipe(mnist, 128)).identity
    assert pictures.draw(1).picture.max() == 255


def test_objects_are_not_clutter_even_of_the_same_folder(mnist: Path, letters: Path) -> None:
    held = []
    for part in PARTS:
        recipe = NmnistRecipe(mnist, part=part, objects=letters, object_pattern="letter0/", clutter=letters)
        chosen = sets(recipe)
        assert not rows_of(chosen.objects) & rows_of(chosen.clutter)
        held.append(rows_of(chosen.objects) | rows_of(chosen.clutter))
    assert sum(map(len, held)) == len(set.union(*held)) == 180


def test_a_picture_beyond_the_last_is_none(mnist: Path) -> None:
    pictures = nmnist(NmnistRecipe(mnist, part="tuning"))
    for row in (-1, len(pictures)):
        with pytest.raises(IndexError, match=f"of {len(pictures)}"):
            pictures.draw(row)


def test_without_objects_or_files_it_says_so(mnist: Path, tmp_path: Path) -> None:
    with pytest.raises(PatchError, match="give the folder of the MNIST files"):
        len(nmnist(NmnistRecipe(tmp_path)))
    write_set(tmp_path, "train", np.zeros((24, 28, 28)), np.ones(24))
    with pytest.raises(PatchError, match="0 objects and 22 distractors"):
        len(nmnist(NmnistRecipe(tmp_path)))


@pytest.mark.parametrize(
    "settings",
    [{"canvas": 27}, {"digit": 3}, {"part": "all"}, {"target": 10}, {"seed": -1}, {"density": -1.0}],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match="expected"):
        NmnistRecipe(Path(), **settings)
