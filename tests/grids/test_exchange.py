"""The laws of exchange: the same tiles are the same grid, whichever tool stored them and however.

The layouts below are written as the tools write them; those of LazySlide 0.13 (wsidata 0.12), slide2vec 7.1
(hs2p 6.1) and TIAToolbox 2.1 were compared with files that these versions had made.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from numpy.typing import NDArray

from histopress.cli import run
from histopress.core.errors import GridError, RecipeError
from histopress.core.failures import Failure
from histopress.core.geometry import Box, Point, Size, Spacing
from histopress.data.write_slide import write_slide
from histopress.grids import exchange_scale, store
from histopress.grids.exchange import ExchangeRecipe, ExchangeSummary, exchange
from histopress.grids.exchange_lattice import ON_LATTICE
from histopress.grids.grid import FeatureGrid
from histopress.heads.train import TrainRecipe, train

MakeGrid = Callable[..., FeatureGrid]
LEVEL0 = 0.25
AT_LEVEL0 = ExchangeRecipe(spacing=LEVEL0)
ROWS, COLS, DIM = 5, 8, 6


@dataclass(frozen=True)
class Scene:
    """Tiles of a slide at 0.25 um/px, cut at 0.5 um/px with 128 px, in an order of no meaning."""

    cells: NDArray[np.int64]
    features: NDArray[np.float32]
    step: int = 256

    @property
    def xy(self) -> NDArray[np.int64]:
        return self.cells[:, ::-1] * self.step

    @property
    def dense(self) -> NDArray[np.float16]:
        picture = np.zeros((DIM, ROWS, COLS), np.float16)
        picture[:, self.cells[:, 0], self.cells[:, 1]] = self.features.T
        return picture

    def shuffled(self, seed: int) -> Scene:
        order = np.random.default_rng(seed).permutation(len(self.cells))
        return replace(self, cells=self.cells[order], features=self.features[order])


def make_scene(seed: int = 0, shift: float = 0.0, step: int = 256) -> Scene:
    random = np.random.default_rng(seed)
    kept = random.random((ROWS, COLS)) < 0.6
    kept[0, 0] = kept[-1, -1] = kept[1, 2] = kept[1, 3] = True
    cells = np.argwhere(kept)
    codes = random.normal(shift, 1, (len(cells), DIM)).astype(np.float32)
    return Scene(cells, codes, step).shuffled(seed)


def trident(scene: Scene, job: Path, slide: str, encoder: str = "uni", **changes: Any) -> Path:
    known = {
        "patch_size": 128,
        "patch_size_level0": 256.0,
        "level0_magnification": 40,
        "target_magnification": 20.0,
        "overlap": 0,
        "name": slide,
        "savetodir": str(job),
        "level0_width": COLS * 256,
        "level0_height": ROWS * 256,
    } | changes
    for path in (job / "patches" / f"{slide}_patches.h5", job / f"features_{encoder}" / f"{slide}.h5"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset("coords", data=scene.xy, chunks=(1, 2), maxshape=(None, 2))
            file["coords"].attrs.update(known)
            if path.parent.name != "patches":
                file["features"] = scene.features
                file["features"].attrs.update(encoder=encoder, name=slide, savetodir=str(job))
    return path


def clam(scene: Scene, folder: Path, slide: str, level: int = 1) -> Path:
    down = 2.0**level
    for path in (folder / "patches" / f"{slide}.h5", folder / "feats" / "h5_files" / f"{slide}.h5"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file["coords"] = scene.xy.astype(np.int32)
            if path.parent.name == "patches":
                size = np.array([COLS * 256 / down, ROWS * 256 / down], dtype=int)
                file["coords"].attrs.update(
                    patch_size=int(256 / down), patch_level=level, downsample=(down, down), level_dim=size
                )
            else:
                file["features"] = scene.features
    tensors = folder / "feats" / "pt_files" / f"{slide}.pt"
    tensors.parent.mkdir(exist_ok=True)
    torch.save(torch.from_numpy(scene.features), tensors)
    return path


def stamp(scene: Scene, folder: Path, slide: str, **changes: Any) -> Path:
    path = folder / "uni-1a2b3c4d" / f"{slide}.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {"stamp_version": "2.3.0", "extractor": "uni-f00", "unit": "um", "tile_size_um": 64.0}
    with h5py.File(path, "w") as file:
        file["feats"] = scene.features.astype(np.float16)
        file["coords"] = (scene.xy * LEVEL0).astype(np.float32)
        file.attrs.update(
            known | {"tile_size_px": 128, "code_hash": "1a2b3c4d", "feat_type": "tile"} | changes
        )
    return path


def slide2vec(scene: Scene, run_folder: Path, slide: str) -> Path:
    by_x = np.lexsort((scene.xy[:, 1], scene.xy[:, 0]))
    x, y = scene.xy[by_x].T
    path = run_folder / "tile_embeddings" / f"{slide}.pt"
    tiles = run_folder / "tiles" / f"{slide}.coordinates.npz"
    for file in (path, tiles):
        file.parent.mkdir(parents=True, exist_ok=True)
    share = np.linspace(0.2, 1, len(x), dtype=np.float32)
    np.savez(tiles, tile_index=np.arange(len(x), dtype=np.int32), x=x, y=y, tissue_fractions=share)
    torch.save(torch.from_numpy(scene.features[by_x]), path)
    plan = {
        "artifact": {"coordinate_space": "level0_px", "tile_order": "x_then_y"},
        "slide": {"base_spacing_um": LEVEL0, "dimensions": [COLS * 256, ROWS * 256]},
        "tiling": {
            "requested_spacing_um": 0.5,
            "requested_tile_size_px": 128,
            "step_px_lv0": 256,
            "tile_size_lv0": 256,
            "overlap": 0.0,
        },
    }
    about = {
        "artifact_type": "tile_embeddings",
        "encoder_name": "uni",
        "coordinates_npz_path": "/somewhere/else/tiles/a.coordinates.npz",
        "compatibility": {"encoder_code": {"fingerprint": "c4"}, "output_variant": "default"},
    }
    tiles.with_name(f"{slide}.coordinates.meta.json").write_text(json.dumps(plan))
    path.with_name(f"{slide}.meta.json").write_text(json.dumps(about))
    return path


def tiatoolbox(scene: Scene, folder: Path, slide: str) -> Path:
    group = zarr.create_group(folder / f"{slide}.zarr", zarr_format=3)
    corners = scene.xy // 2
    group.create_array("features", data=scene.features)
    group.create_array("coordinates", data=np.concatenate([corners, corners + 128], axis=1))
    return folder / f"{slide}.zarr"


def nic(scene: Scene, folder: Path, slide: str) -> Path:
    folder.mkdir(exist_ok=True)
    np.save(folder / f"{slide}_features.npy", scene.dense)
    return folder / f"{slide}_features.npy"


def read_all(folder: Path) -> dict[str, FeatureGrid]:
    return {p.name.removesuffix(store.SUFFIX): store.read_grid(p) for p in store.find_grids(folder)}


def reasons(folder: Path) -> dict[str, str]:
    """What failures.csv says of each file, in one line."""
    _, *rows = csv.reader((folder / "failures.csv").read_text().splitlines())
    return {Path(item).name: "; ".join(filter(None, words)) for item, *words in rows}


def told(failure: Failure) -> str:
    return "; ".join(filter(None, list(vars(failure).values())[1:]))


def take(path: Path, out: Path, recipe: ExchangeRecipe = AT_LEVEL0, **how: Any) -> ExchangeSummary:
    return exchange([path], out, "grid", recipe, **how)


def one(path: Path, out: Path, recipe: ExchangeRecipe = AT_LEVEL0, **how: Any) -> FeatureGrid:
    summary = take(path, out, recipe, **how)
    assert list(map(told, summary.failures)) == []
    (grid,) = read_all(out).values()
    return grid


def why(path: Path, out: Path, recipe: ExchangeRecipe = AT_LEVEL0, **how: Any) -> str:
    (failure,) = take(path, out, recipe, **how).failures
    assert not store.find_grids(out)
    return told(failure)


def check(grid: FeatureGrid, scene: Scene) -> None:
    """The cells, features and sizes of the scene."""
    picture, mask = grid.dense()
    assert np.array_equal(picture[:, :ROWS, :COLS], scene.dense.astype(np.float32))
    assert np.array_equal(mask[:ROWS, :COLS], scene.dense.any(axis=0))
    assert (grid.lattice.origin, grid.shape) == (Point(0, 0), (ROWS, COLS))
    assert (grid.lattice.spacing, grid.lattice.tile, grid.encoder["tile"]) == (0.5, 128, 128)
    assert grid.encoder["dim"] == DIM


MAKERS = [trident, clam, stamp, slide2vec, tiatoolbox, nic]
SIZES = ExchangeRecipe(spacing=LEVEL0, tile_spacing=0.5, tile=128)


@pytest.mark.parametrize("make", MAKERS, ids=lambda m: m.__name__)
def test_the_same_tiles_are_the_same_grid_whoever_stored_them(tmp_path: Path, make: Any) -> None:
    scene = make_scene(3)
    grid = one(make(scene, tmp_path / "in", "a"), tmp_path / "out", SIZES)
    check(grid, scene)
    assert grid.slide.spacing == Spacing.square(LEVEL0)
    assert (grid.lattice.step_x, grid.lattice.step_y) == (256, 256)
    assert grid.settings["tool"] == make.__name__
    assert grid.encoder["identity"].startswith(f"{make.__name__}-")


@pytest.mark.parametrize("make", MAKERS, ids=lambda m: m.__name__)
def test_a_folder_in_a_tools_own_layout_is_read_whole(tmp_path: Path, make: Any) -> None:
    scenes = {name: make_scene(seed) for seed, name in enumerate(["a", "b", "c"])}
    for name, scene in scenes.items():
        make(scene, tmp_path / "in", name)
    summary = take(tmp_path / "in", tmp_path / "out", SIZES)
    grids = read_all(tmp_path / "out")
    assert (summary.written, len(summary.failures)) == (3, 0)
    for name, scene in scenes.items():
        check(grids[name], scene)
    assert len({g.encoder["identity"] for g in grids.values()}) == 1
    assert len({g.identity for g in grids.values()}) == 3


# The traps between tools, one test each


def test_trap_1_data_sets_have_other_names(tmp_path: Path) -> None:
    scene = make_scene()
    for make, name in ((trident, "features"), (stamp, "feats")):
        path = make(scene, tmp_path / "in", "a")
        with h5py.File(path) as file:
            assert name in file
        check(one(path, tmp_path / make.__name__), scene)
    wrong = why(tmp_path / "in" / "features_uni" / "a.h5", tmp_path / "out", source="stamp")
    assert "a file of trident, not of stamp" in wrong


def test_trap_2_coordinates_count_in_other_units(tmp_path: Path) -> None:
    scene = make_scene()
    first = {
        "trident": trident(scene, tmp_path / "t", "a"),
        "stamp": stamp(scene, tmp_path / "s", "a"),
    }
    with h5py.File(first["trident"]) as px, h5py.File(first["stamp"]) as um:
        assert np.allclose(px["coords"][:] * LEVEL0, um["coords"][:])
    boxes = zarr.open_group(tiatoolbox(scene, tmp_path / "z", "a"), mode="r")["coordinates"]
    assert np.array_equal(np.asarray(boxes)[:, :2] * 2, scene.xy)
    for number, path in enumerate(
        [*first.values(), tmp_path / "z" / "a.zarr", nic(scene, tmp_path / "n", "a")]
    ):
        grid = one(path, tmp_path / f"out{number}", SIZES)
        check(grid, scene)
        assert grid.lattice.box(1, 2) == Box(512, 256, 256, 256)


def test_trap_3_patch_size_means_three_things(tmp_path: Path) -> None:
    scene = make_scene()
    at_level = clam(scene, tmp_path / "level", "a", level=2)
    at_target = trident(scene, tmp_path / "target", "a")
    native = clam(scene, tmp_path / "native", "a", level=0)
    mussel = {
        "patch_size": 256, "step_size": 256, "native_mpp": LEVEL0, "mpp": 0.5, "patch_level": 0,
        "patch_size_to_resize_to_for_desired_mpp": 128, "level_dim": (COLS * 256, ROWS * 256),
    }  # fmt: skip
    with h5py.File(native, "a") as file:
        file["coords"].attrs.update(mussel)
    sizes = []
    for number, path in enumerate([at_level, at_target, native]):
        grid = one(path, tmp_path / f"out{number}", ExchangeRecipe() if path == native else AT_LEVEL0)
        assert (grid.lattice.step_x, grid.shape) == (256, (ROWS, COLS))
        sizes.append((grid.encoder["tile"], grid.lattice.spacing))
    assert sizes == [(64, 1.0), (128, 0.5), (128, 0.5)]


def test_trap_4_neighbours_on_glass_are_neighbours_in_the_grid(tmp_path: Path) -> None:
    """Level-0 corners over the patch size at the target magnification would leave every other cell out."""
    cells = np.argwhere(np.ones((4, 6), bool))
    scene = Scene(cells, np.arange(len(cells) * DIM, dtype=np.float32).reshape(-1, DIM))
    grid = one(trident(scene, tmp_path / "in", "a"), tmp_path / "out")
    distances = np.abs(grid.cells[:, None] - grid.cells[None]).sum(axis=2)
    assert (distances == 1).sum() == 2 * (3 * 6 + 4 * 5)


def test_trap_5_sizes_may_be_stored_as_floats(tmp_path: Path) -> None:
    scene = make_scene()
    path = trident(scene, tmp_path / "in", "a", patch_size=128.0, patch_size_level0=256.0, overlap=0.0)
    grid = one(path, tmp_path / "out")
    check(grid, scene)
    assert isinstance(grid.encoder["tile"], int)
    assert isinstance(grid.lattice.tile, int)


def test_trap_6_the_step_follows_from_overlap_and_magnification(tmp_path: Path) -> None:
    scene = make_scene(step=192)
    path = trident(scene, tmp_path / "in", "a", overlap=32)
    grid = one(path, tmp_path / "out")
    assert np.array_equal(grid.dense()[0][:, :ROWS, :COLS], scene.dense.astype(np.float32))
    assert (grid.lattice.step_x, grid.lattice.tile, grid.encoder["tile"]) == (192, 96, 128)
    assert grid.lattice.spacing == 0.5


def test_trap_7_a_missing_scale_is_asked_for_or_taken_from_the_slide(tmp_path: Path) -> None:
    scene = make_scene()
    (tmp_path / "slides" / "deep").mkdir(parents=True)
    pixels = np.full((ROWS * 256, COLS * 256, 3), 200, np.uint8)
    write_slide(
        tmp_path / "slides" / "deep" / "a.tiff", Size(COLS * 256, ROWS * 256), Spacing.square(0.3), pixels
    )
    recipes = {"trident": ExchangeRecipe(), "clam": ExchangeRecipe(), "nic": ExchangeRecipe(tile=256)}
    for make in (trident, clam, nic):
        recipe = recipes[make.__name__]
        path = make(scene, tmp_path / make.__name__, "a")
        reason = why(path, tmp_path / f"none-{make.__name__}", recipe)
        assert "level 0" in reason
        assert "--spacing" in reason
        assert "--slides" in reason
        grid = one(path, tmp_path / f"out-{make.__name__}", replace(recipe, slides=tmp_path / "slides"))
        assert grid.slide.spacing.mean == pytest.approx(0.3, rel=1e-4)
        assert grid.slide.hash
        assert grid.settings["level0_from"] == "slide"
        assert np.array_equal(grid.dense()[0], scene.dense.astype(np.float32))
    missing = why(path, tmp_path / "absent", replace(recipe, slides=tmp_path / "nic"))
    assert "expected one slide 'a'" in missing


def test_trap_8_lattices_of_several_contours_are_snapped_or_refused(tmp_path: Path) -> None:
    """Two pieces of tissue, the lower one tiled from its own corner."""

    def shifted(by: int, name: str) -> Path:
        scene = make_scene()
        path = clam(scene, tmp_path / name, "a")
        lower = scene.cells[:, 0] >= 3
        for file in (path, tmp_path / name / "patches" / "a.h5"):
            with h5py.File(file, "a") as opened:
                corners = opened["coords"][:]
                corners[lower, 0] += by
                opened["coords"][...] = corners
        return path

    near = one(shifted(60, "near"), tmp_path / "o1")
    assert np.array_equal(near.dense()[0][:, :ROWS, :COLS], make_scene().dense.astype(np.float32))
    assert near.settings["moved"] == pytest.approx(30 / 256, abs=1e-4)
    assert near.settings["moved"] > ON_LATTICE
    reason = why(shifted(120, "far"), tmp_path / "o2")
    assert "60 px off, 23.4% of a step, allowed are 20%" in reason
    assert "--snap" in reason
    far = one(tmp_path / "far" / "feats", tmp_path / "o3", replace(AT_LEVEL0, snap=0.5))
    assert np.array_equal(far.dense()[0][:, :ROWS, :COLS], make_scene().dense.astype(np.float32))
    assert one(shifted(0, "exact"), tmp_path / "o4", replace(AT_LEVEL0, snap=0)).settings["moved"] == 0


@pytest.mark.parametrize("make", MAKERS[:-1], ids=lambda m: m.__name__)
def test_trap_9_the_order_of_rows_means_nothing(tmp_path: Path, make: Any) -> None:
    scene = make_scene(5)
    for seed in (1, 2):
        make(scene.shuffled(seed), tmp_path / str(seed), "a")
        take(tmp_path / str(seed), tmp_path / f"out{seed}", SIZES)
    one_file, other = (tmp_path / f"out{seed}" / f"a{store.SUFFIX}" for seed in (1, 2))
    assert one_file.read_bytes() == other.read_bytes()


def test_trap_10_empty_bags_have_three_shapes(tmp_path: Path) -> None:
    job = tmp_path / "job"
    nothing = Scene(np.zeros((0, 2), np.int64), np.zeros((0, DIM), np.float32))
    trident(make_scene(), job, "full")
    trident(nothing, job, "flat")
    with h5py.File(job / "features_uni" / "flat.h5", "a") as file:
        del file["features"]
        file["features"] = np.zeros(0, np.float32)
    trident(nothing, job, "table")
    trident(nothing, job, "absent").unlink()
    trident(make_scene(), job, "unfinished").unlink()
    summary = take(job, tmp_path / "out")
    found = reasons(tmp_path / "out")
    assert (summary.written, len(summary.failures)) == (1, 4)
    for name in ("flat.h5", "table.h5", "absent_patches.h5"):
        assert "kept no tile" in found[name]
    assert "no features; run TRIDENT" in found["unfinished_patches.h5"]


def test_trap_11_names_with_dots_and_equal_names_in_nested_folders(tmp_path: Path) -> None:
    scene, folder = make_scene(), tmp_path / "in"
    for name in ("TCGA-01.2b3c.4d", "b.ome", "deep/er/c"):
        stamp(scene, folder, name) if "/" not in name else stamp(scene, folder / "deep", "er.c")
    trident(scene, folder / "one", "same")
    trident(scene, folder / "two", "same")
    summary = take(folder, tmp_path / "out")
    assert set(read_all(tmp_path / "out")) == {"TCGA-01.2b3c.4d", "b", "er.c"}
    assert {f.item for f in summary.failures} == {
        str(folder / part / "features_uni" / "same.h5") for part in ("one", "two")
    }
    assert all("would both be named 'same'" in told(f) for f in summary.failures)
    exchange([tmp_path / "out"], tmp_path / "back", "trident")
    files = {p.name for p in (tmp_path / "back").rglob("*.h5")}
    assert {"TCGA-01.2b3c.4d.h5", "TCGA-01.2b3c.4d_patches.h5"} <= files


def test_trap_12_a_feature_of_zeros_is_no_background(tmp_path: Path, make_grid: MakeGrid) -> None:
    grid = make_grid()
    grid.features[[2, 5]] = 0
    store.write_grid(tmp_path / "in" / "a.grid.zarr.zip", grid)
    exchange([tmp_path / "in"], tmp_path / "nic", "nic")
    array = np.load(tmp_path / "nic" / "a_features.npy")
    mask = np.load(tmp_path / "nic" / "a_features_mask.npy")
    assert (array.shape, array.dtype) == ((grid.dim, *grid.shape), np.float16)
    assert mask.sum() == len(grid) == (array != 0).any(axis=0).sum() + 2
    assert (array[:, ~mask] == 0).all()
    back = one(tmp_path / "nic", tmp_path / "back", ExchangeRecipe())
    assert np.array_equal(back.cells, grid.cells)
    (tmp_path / "nic" / "a_features_mask.npy").unlink()
    assert len(one(tmp_path / "nic", tmp_path / "bare", ExchangeRecipe())) == len(grid) - 2


# There and back


def square(grid: FeatureGrid) -> FeatureGrid:
    """The same cells over a slide with square pixels, whose steps are no whole number of them."""
    lattice = replace(grid.lattice, step_x=253.2647, step_y=253.2647, origin=Point(12.25, 3.5))
    return replace(grid, lattice=lattice, slide=replace(grid.slide, spacing=Spacing.square(0.2527)))


@pytest.mark.parametrize("to", ["trident", "clam", "stamp", "nic"])
def test_a_grid_comes_back_with_features_cells_and_sizes(
    tmp_path: Path, make_grid: MakeGrid, to: Any
) -> None:
    grids = {name: square(make_grid(seed, name=name)) for seed, name in enumerate(["a", "b.1"])}
    for name, grid in grids.items():
        store.write_grid(tmp_path / "in" / f"{name}{store.SUFFIX}", grid)
    assert exchange([tmp_path / "in"], tmp_path / to, to).written == 2
    summary = take(tmp_path / to, tmp_path / "back", ExchangeRecipe())
    assert (summary.written, list(map(told, summary.failures))) == (2, [])
    assert len({g.encoder["identity"] for g in read_all(tmp_path / "back").values()}) == 1
    for name, found in read_all(tmp_path / "back").items():
        grid = grids[name]
        assert np.array_equal(found.features, grid.features)
        assert np.array_equal(found.cells, grid.cells)
        assert found.lattice == grid.lattice
        assert (found.slide.spacing, found.slide.size) == (grid.slide.spacing, grid.slide.size)
        assert found.encoder["identity"] != grid.encoder["identity"]
        assert found.encoder["tile"] == grid.encoder["tile"]


@pytest.mark.parametrize("to", ["stamp", "nic"])
def test_pixels_that_are_not_square_come_back_too(tmp_path: Path, make_grid: MakeGrid, to: Any) -> None:
    grid = make_grid()
    store.write_grid(tmp_path / "in" / f"a{store.SUFFIX}", grid)
    exchange([tmp_path / "in"], tmp_path / to, to)
    back = one(tmp_path / to, tmp_path / "back", ExchangeRecipe())
    assert back.lattice == grid.lattice
    assert np.array_equal(back.cells, grid.cells)


@pytest.mark.parametrize("to", ["trident", "clam"])
def test_formats_with_one_number_for_both_axes_refuse_them(
    tmp_path: Path, make_grid: MakeGrid, to: Any
) -> None:
    store.write_grid(tmp_path / "in" / f"a{store.SUFFIX}", make_grid())
    (failure,) = exchange([tmp_path / "in"], tmp_path / to, to).failures
    assert "one number for both" in told(failure)


@pytest.mark.parametrize("to", ["trident", "clam", "stamp", "nic"])
def test_without_our_notes_the_tools_own_fields_lead_to_the_same_cells(
    tmp_path: Path, make_grid: MakeGrid, to: Any
) -> None:
    """Other readers see no notes; their fields alone have to say it all."""
    grid = square(make_grid())
    grid = replace(grid, lattice=replace(grid.lattice, origin=Point(0, 0)))
    store.write_grid(tmp_path / "in" / f"a{store.SUFFIX}", grid)
    exchange([tmp_path / "in"], tmp_path / to, to)
    for path in (tmp_path / to).rglob("*.h5"):
        with h5py.File(path, "a") as file:
            for item in (file, file["coords"]):
                item.attrs.pop("histopress", None)
    for path in (tmp_path / to).glob("*_features.json"):
        path.unlink()
    recipe = ExchangeRecipe(spacing=0.2527, tile_spacing=0.5, tile=128)
    back = one(tmp_path / to, tmp_path / "back", recipe)
    assert np.array_equal(back.features, grid.features)
    assert np.array_equal(back.cells, grid.cells)
    assert back.lattice.step_x == pytest.approx(253.2647, rel=2e-3)
    assert (back.lattice.spacing, back.lattice.tile) == (0.5, 128)


def test_what_trident_readers_look_for_is_all_there(tmp_path: Path, make_grid: MakeGrid) -> None:
    grid = square(make_grid())
    store.write_grid(tmp_path / "in" / f"a{store.SUFFIX}", grid)
    exchange([tmp_path / "in"], tmp_path / "out", "trident")
    job = tmp_path / "out" / "20x_128px_0px_overlap"
    names = {
        "patch_size", "patch_size_level0", "level0_magnification", "target_magnification", "overlap", "name",
        "savetodir", "level0_width", "level0_height",
    }  # fmt: skip
    for path in (job / "patches" / "a_patches.h5", job / "features_random" / "a.h5"):
        with h5py.File(path) as file:
            known = dict(file["coords"].attrs)
            assert names <= known.keys()
            assert (file["coords"].dtype, file["coords"].chunks) == (np.int64, (1, 2))
            assert isinstance(known["patch_size_level0"], np.float64)
            ratio = known["level0_magnification"] / known["target_magnification"]
            assert known["patch_size"] * ratio == pytest.approx(known["patch_size_level0"])
            assert known["level0_magnification"] == 40
    with h5py.File(path) as file:
        assert file["features"].dtype == np.float32
        assert set(file["features"].attrs) == {"encoder", "name", "savetodir"}
        assert not file.attrs


def test_clam_export_has_tensors_and_stamp_export_the_attributes(tmp_path: Path, make_grid: MakeGrid) -> None:
    grid = square(make_grid())
    store.write_grid(tmp_path / "in" / f"a{store.SUFFIX}", grid)
    exchange([tmp_path / "in"], tmp_path / "clam", "clam")
    exchange([tmp_path / "in"], tmp_path / "stamp", "stamp")
    tensor = torch.load(tmp_path / "clam" / "features_random" / "pt_files" / "a.pt", weights_only=True)
    with h5py.File(tmp_path / "clam" / "features_random" / "h5_files" / "a.h5") as file:
        assert np.array_equal(file["features"][:], tensor.numpy())
        assert (file["features"].dtype, file["coords"].dtype) == (np.float32, np.int32)
    with h5py.File(tmp_path / "clam" / "patches" / "a.h5") as file:
        assert {"patch_size", "patch_level", "downsample", "level_dim"} <= set(file["coords"].attrs)
    with h5py.File(tmp_path / "stamp" / "random-e1" / "a.h5") as file:
        assert (file["feats"].dtype, file["coords"].dtype) == (np.float16, np.float32)
        assert (file.attrs["unit"], file.attrs["feat_type"], file.attrs["tile_size_px"]) == (
            "um",
            "tile",
            128,
        )
        assert file.attrs["tile_size_um"] == pytest.approx(64, rel=1e-4)
        assert {"stamp_version", "extractor", "code_hash"} <= set(file.attrs)


def test_the_distance_map_is_a_density_of_depth(tmp_path: Path, make_grid: MakeGrid) -> None:
    grid = make_grid(share=0.9)
    store.write_grid(tmp_path / "in" / f"a{store.SUFFIX}", grid)
    exchange([tmp_path / "in"], tmp_path / "out", "nic")
    density = np.load(tmp_path / "out" / "a_features_distance_map.npy")
    _, mask = grid.dense()
    assert density.shape == grid.shape
    assert density.sum() == pytest.approx(1)
    assert (density[~mask] == 0).all()
    assert (density[mask] > 0).all()
    rows, cols = np.nonzero(~mask)
    nearest = [
        min((r - rows) ** 2 + (c - cols) ** 2) for r, c in np.argwhere(mask) if 0 < r < 20 and 0 < c < 30
    ]
    assert max(nearest) > 1


def test_one_tool_to_another(tmp_path: Path) -> None:
    """STAMP refuses TRIDENT files as they are."""
    scene = make_scene()
    trident(scene, tmp_path / "in", "a")
    exchange([tmp_path / "in"], tmp_path / "stamp", "stamp", AT_LEVEL0)
    check(one(tmp_path / "stamp", tmp_path / "out", ExchangeRecipe()), scene)


# What is refused, and how


def test_two_tiles_in_one_cell_are_an_error(tmp_path: Path) -> None:
    scene = make_scene()
    doubled = replace(scene, cells=np.concatenate([scene.cells, scene.cells[:1]]),
                      features=np.concatenate([scene.features, scene.features[:1]]))  # fmt: skip
    reason = why(trident(doubled, tmp_path / "in", "a"), tmp_path / "out")
    row, col = scene.cells[0]
    assert f"row {row}, col {col}" in reason
    assert "1 tiles share a cell" in reason


def test_overlap_that_a_file_does_not_tell_is_noticed_and_asked_for(tmp_path: Path) -> None:
    scene = make_scene(step=192)
    path = tiatoolbox(scene, tmp_path / "in", "a")
    recipe = ExchangeRecipe(tile_spacing=0.5, spacing=LEVEL0)
    assert "--overlap" in why(path, tmp_path / "o1", recipe)
    grid = one(path, tmp_path / "o2", replace(recipe, overlap=32))
    assert np.array_equal(grid.dense()[0][:, :ROWS, :COLS], scene.dense.astype(np.float32))
    assert "expected 0 to less than a tile" in why(path, tmp_path / "o3", replace(recipe, overlap=128))


def test_clam_features_without_patches_need_the_size_of_a_tile(tmp_path: Path) -> None:
    scene = make_scene()
    path = clam(scene, tmp_path / "in", "a")
    (tmp_path / "in" / "patches" / "a.h5").unlink()
    reason = why(path, tmp_path / "o1")
    assert "--tile" in reason
    assert "patches" in reason
    assert one(path, tmp_path / "o2", replace(AT_LEVEL0, tile=256)).lattice.step_x == 256
    check(one(path, tmp_path / "o3", SIZES), scene)


def test_clam_patches_of_another_run_are_refused(tmp_path: Path) -> None:
    path = clam(make_scene(), tmp_path / "in", "a")
    with h5py.File(tmp_path / "in" / "patches" / "a.h5", "a") as file:
        file["coords"][0] = (7, 7)
    assert "come from different runs" in why(path, tmp_path / "out")


def test_attributes_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    reason = why(trident(make_scene(), tmp_path / "in", "a", patch_size=256), tmp_path / "out")
    assert "patch_size_level0 says 256" in reason
    reason = why(stamp(make_scene(), tmp_path / "s", "a"), tmp_path / "o2", ExchangeRecipe(tile_spacing=1.0))
    assert "0.5 um/px, but 1 um/px is stated" in reason


def test_historic_files_of_stamp_and_marugoto(tmp_path: Path) -> None:
    """256 um a tile, coordinates in the 224 px that the tile is seen as; augmented copies are left out."""
    scene = make_scene(step=224)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["feats"] = np.concatenate([scene.features, scene.features + 1])
        file["coords"] = np.concatenate([scene.xy, scene.xy])
        file["augmented"] = np.repeat([False, True], len(scene.cells))
        file.attrs["extractor"] = "xiyue-wang"
    grid = one(path, tmp_path / "out", ExchangeRecipe())
    assert np.array_equal(grid.dense()[0], scene.dense.astype(np.float32))
    assert grid.lattice.spacing * grid.lattice.tile == pytest.approx(256)
    assert grid.encoder["name"] == "marugoto:xiyue-wang"
    assert grid.settings["level0_from"] == "tiles"
    scaled = one(path, tmp_path / "scaled", AT_LEVEL0)
    assert scaled.lattice.step_x == pytest.approx(1024)
    assert np.array_equal(scaled.cells, grid.cells)
    (failure,) = exchange([tmp_path / "out"], tmp_path / "t", "trident").failures
    assert "only positions in um are known" in told(failure)
    with h5py.File(path, "a") as file:
        file["coords"][...] = file["coords"][:] * 2
    assert "what coordinates count is not known" in why(path, tmp_path / "o2", ExchangeRecipe())


def test_legacy_names_of_the_tile_size(tmp_path: Path) -> None:
    path = stamp(make_scene(), tmp_path / "in", "a")
    with h5py.File(path, "a") as file:
        file.attrs["tile_size"] = 64.0
        del file.attrs["tile_size_um"]
    check(one(path, tmp_path / "out"), make_scene())


def test_vectors_of_whole_slides_are_no_grids(tmp_path: Path) -> None:
    path = stamp(make_scene(), tmp_path / "in", "a", feat_type="slide")
    assert "one vector for a whole slide" in why(path, tmp_path / "o1")
    path = trident(make_scene(), tmp_path / "job", "a")
    with h5py.File(path, "a") as file:
        del file["features"]
        file["features"] = np.zeros(DIM, np.float32)
    assert "one vector of a whole slide" in why(path, tmp_path / "o2")


class Trap:
    """Something that would run code when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_pickles_are_never_run(tmp_path: Path) -> None:
    path = slide2vec(make_scene(), tmp_path / "in", "a")
    torch.save(Trap(tmp_path / "sprung"), path)
    assert "not a file of one plain tensor" in why(path, tmp_path / "out")
    np.save(
        tmp_path / "b_features.npy", np.array([Trap(tmp_path / "sprung")], dtype=object), allow_pickle=True
    )
    assert "not readable as an array" in why(tmp_path / "b_features.npy", tmp_path / "o2")
    assert not (tmp_path / "sprung").exists()


def test_unknown_files_say_what_was_found(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["pixels"] = np.zeros((3, 4))
    torch.save(torch.zeros(4, DIM), tmp_path / "b.pt")
    (tmp_path / "c.h5").write_text("not HDF5 at all")
    group = zarr.create_group(tmp_path / "d.zarr", zarr_format=3)
    group.create_array("pixels", data=np.zeros(3))
    exchange([tmp_path, tmp_path / "absent.h5"], tmp_path / "out", "grid")
    found = reasons(tmp_path / "out")
    assert "pixels (3, 4)" in found["a.h5"]
    assert "tensor without coordinates" in found["b.pt"]
    assert "begin with b'not HDF5" in found["c.h5"]
    assert "pixels" in found["d.zarr"]
    assert "no such file" in found["absent.h5"]
    with pytest.raises(GridError, match=r"nothing to exchange.*files end in \.csv"):
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "x.csv").touch()
        take(tmp_path / "empty", tmp_path / "out")


def test_features_that_float16_cannot_hold_are_refused(tmp_path: Path) -> None:
    scene = make_scene()
    scene.features[3, 1] = 1e6
    assert "features up to 1e+06" in why(trident(scene, tmp_path / "in", "a"), tmp_path / "out")


# Manners


def test_failures_are_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    job = tmp_path / "job"
    trident(make_scene(), job, "good")
    trident(make_scene(), job, "bad").write_bytes(b"\x89HDF cut short")
    out = tmp_path / "out"
    arguments = [
        "exchange",
        str(job),
        "--to",
        "grid",
        "-o",
        str(out),
        "--spacing",
        "0.25",
        "--from",
        "trident",
    ]
    assert run(arguments) == 1
    assert list(read_all(out)) == ["good"]
    assert "not readable as HDF5" in reasons(out)["bad.h5"]
    told = json.loads((out / "summary.json").read_text())
    assert (told["written"], told["failed"], told["tools"]) == (1, 1, {"trident": 1})
    (job / "features_uni" / "bad.h5").unlink()
    (job / "patches" / "bad_patches.h5").unlink()
    assert run(arguments) == 0
    assert run([*arguments[:-4], "--spacing", "9"]) == 2


@pytest.mark.parametrize("to", ["grid", "trident", "clam", "stamp", "nic"])
def test_twice_is_harmless_and_nothing_foreign_is_overwritten(
    tmp_path: Path, make_grid: MakeGrid, to: Any
) -> None:
    grid = square(make_grid())
    store.write_grid(tmp_path / "in" / f"a{store.SUFFIX}", grid)
    out = tmp_path / "out"
    exchange([tmp_path / "in"], out, to)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file() and p.parent != out}
    again = exchange([tmp_path / "in"], out, to)
    assert (again.written, again.skipped, len(again.failures)) == (0, 1, 0)
    assert before == {p: p.stat().st_mtime_ns for p in before}
    other = replace(grid, features=grid.features + np.float16(1), identity="another")
    store.write_grid(tmp_path / "other" / f"a{store.SUFFIX}", other)
    (failure,) = exchange([tmp_path / "other"], out, to).failures
    assert "--overwrite" in told(failure)
    assert exchange([tmp_path / "other"], out, to, overwrite=True).written == 1
    assert not [p for p in tmp_path.rglob("*") if ".partial" in p.name]


def test_somebody_elses_files_are_not_overwritten(tmp_path: Path, make_grid: MakeGrid) -> None:
    scene, job = make_scene(), tmp_path / "out" / "20x_128px_0px_overlap"
    path = trident(scene, job, "a", encoder="random")
    before = path.read_bytes()
    store.write_grid(tmp_path / "in" / f"a{store.SUFFIX}", square(make_grid()))
    (failure,) = exchange([tmp_path / "in"], tmp_path / "out", "trident").failures
    assert "made from something else" in told(failure)
    assert path.read_bytes() == before


def test_features_of_several_encoders_are_chosen_by_name(tmp_path: Path) -> None:
    for encoder in ("uni", "conch"):
        trident(make_scene(), tmp_path / "job", "a", encoder=encoder)
    assert "--encoder" in told(take(tmp_path / "job", tmp_path / "o1").failures.items[0])
    summary = take(tmp_path / "job", tmp_path / "o2", replace(AT_LEVEL0, encoder="conch"))
    assert (summary.written, summary.left_out, len(summary.failures)) == (1, 1, 0)
    assert read_all(tmp_path / "o2")["a"].encoder["name"] == "trident:conch"


def test_encoders_that_differ_have_other_identities(tmp_path: Path) -> None:
    scene = make_scene()
    paths = [
        trident(scene, tmp_path / "a", "a", encoder="uni"),
        trident(scene, tmp_path / "b", "a", encoder="conch"),
        stamp(scene, tmp_path / "c", "a"),
        stamp(scene, tmp_path / "d", "a", code_hash="00000000"),
    ]
    grids = [one(path, tmp_path / f"out{i}") for i, path in enumerate(paths)]
    assert len({g.encoder["identity"] for g in grids}) == 4
    assert all(not set(g.encoder["identity"]) <= set("0123456789abcdef") for g in grids)


def test_slides_of_several_scanners_count_as_alike_with_a_nominal_spacing(tmp_path: Path) -> None:
    path = trident(make_scene(), tmp_path / "in", "a")
    exact = [one(path, tmp_path / f"e{s}", ExchangeRecipe(spacing=s)) for s in (0.25, 0.2527)]
    assert [g.lattice.spacing for g in exact] == [0.5, 0.5054]
    nominal = ExchangeRecipe(spacing=0.2527, tile_spacing=0.5)
    alike = one(path, tmp_path / "n", nominal)
    assert alike.lattice.spacing == 0.5
    assert alike.encoder["identity"] == exact[0].encoder["identity"] != exact[1].encoder["identity"]
    assert "is stated" in why(path, tmp_path / "x", replace(nominal, spacing=0.3))


def test_positions_are_counted_from_the_scanned_part(
    tmp_path: Path, make_grid: MakeGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other tools count from the corner of the whole file, we from that of what was scanned."""
    bounds = Box(1000.0, 2000.0, 5000.0, 3000.0)
    known = exchange_scale.KnownSlide(Spacing.square(LEVEL0), Size(5000, 3000), "h", bounds)
    monkeypatch.setattr(exchange_scale, "_know", lambda path, spacing: known)
    (tmp_path / "slides").mkdir()
    (tmp_path / "slides" / "a.svs").touch()
    recipe = ExchangeRecipe(slides=tmp_path / "slides")
    scene = make_scene()
    grid = one(trident(scene, tmp_path / "in", "a"), tmp_path / "out", recipe)
    row, col = grid.cells[0]
    place = grid.lattice.box(int(row), int(col))
    first = min(map(tuple, scene.xy[:, ::-1]))
    assert (place.y + 2000, place.x + 1000) == first
    exchange([tmp_path / "out"], tmp_path / "again", "trident", recipe)
    with h5py.File(next((tmp_path / "again").rglob("*_patches.h5"))) as file:
        assert set(map(tuple, file["coords"][:])) == set(map(tuple, scene.xy))
    back = one(tmp_path / "again", tmp_path / "back", recipe)
    assert np.array_equal(back.cells, grid.cells)
    assert back.lattice == grid.lattice


def test_settings_that_cannot_be_are_refused_at_once(tmp_path: Path) -> None:
    for wrong in ({"snap": 0.7}, {"tile": 0}, {"spacing": 40.0}, {"tile_spacing": 0.01}):
        with pytest.raises(RecipeError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
            take(tmp_path, tmp_path / "out", ExchangeRecipe(**wrong))  # type: ignore[arg-type]
    trident(make_scene(), tmp_path / "in", "a")
    with pytest.raises(GridError, match="no such folder of slides"):
        take(tmp_path / "in", tmp_path / "out", ExchangeRecipe(slides=tmp_path / "absent"))


def test_heads_learn_from_imported_grids(tmp_path: Path) -> None:
    rows = []
    for number in range(16):
        label = "tumour" if number % 2 else "normal"
        trident(make_scene(number, shift=2.0 * (number % 2)), tmp_path / "job", f"s{number:02d}")
        rows.append((f"p{number:02d}", f"s{number:02d}", label))
    cohort = tmp_path / "cohort.csv"
    pd.DataFrame(rows, columns=["patient", "slide", "label"]).to_csv(cohort, index=False)
    assert take(tmp_path / "job", tmp_path / "grids").written == 16
    recipe = TrainRecipe(head="mean", folds=2, epochs=4, patience=4, lr=0.05)
    summary = train(cohort, tmp_path / "grids", "label", tmp_path / "run", recipe)
    table = pd.read_csv(summary.predictions).query("part == 'test' and level == 'slide'")
    assert (summary.slides, len(summary.failures), len(table)) == (16, 0, 16)
    tumour = table["truth"] == "tumour"
    assert table.loc[tumour, "score"].mean() > table.loc[~tumour, "score"].mean()
    other = trident(make_scene(1), tmp_path / "other", "s01", encoder="conch")
    take(other, tmp_path / "grids", overwrite=True)
    with pytest.raises(GridError, match="2 encoders"):
        train(cohort, tmp_path / "grids", "label", tmp_path / "run2", recipe)
