"""Which files are found, and what their slides are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import GridError
from histopress.grids.exchange_sources import find_sources, recognise, slide_name


@pytest.mark.parametrize(
    ("path", "slide"),
    [
        ("features_uni/a.h5", "a"),
        ("features_uni/TCGA-01.2b3c-4d.5e.h5", "TCGA-01.2b3c-4d.5e"),
        ("features_uni/a.ome.h5", "a"),
        ("patches/a_patches.h5", "a"),
        ("patches/a.b.h5", "a.b"),
        ("features_uni/a_patches.h5", "a_patches"),
        ("tiles/a.b.coordinates.npz", "a.b"),
        ("tile_embeddings/a.b.pt", "a.b"),
        ("a.b_features.npy", "a.b"),
        ("a.svs.zarr", "a.svs"),
        ("a.ome.zarr", "a"),
        ("x.grid.zarr.zip", "x"),
        ("x.grid.zarr", "x"),
        ("h5_files/.ome.h5", ".ome"),
    ],
)
def test_names(path: str, slide: str) -> None:
    assert slide_name(Path(path)) == slide


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder: Path) -> set[str]:
    return {f.path.relative_to(folder).as_posix() for f in find_sources([folder]).files}


def test_a_trident_job_gives_its_tile_features(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "20x_256px_0px_overlap/patches/a_patches.h5",
        "20x_256px_0px_overlap/patches/b_patches.h5",
        "20x_256px_0px_overlap/features_uni/a.h5",
        "20x_256px_0px_overlap/slide_features_titan/a.h5",
        "20x_256px_0px_overlap/visualization/a.jpg",
        "contours/a.jpg",
        "wsi_states/a__1.json",
    )
    job = "20x_256px_0px_overlap"
    assert found(tmp_path) == {f"{job}/features_uni/a.h5", f"{job}/patches/b_patches.h5"}


def test_a_clam_folder_gives_what_has_coordinates(tmp_path: Path) -> None:
    touch(tmp_path, "patches/a.h5", "feats/h5_files/a.h5", "feats/pt_files/a.pt", "masks/a.jpg", "auto.csv")
    assert found(tmp_path) == {"feats/h5_files/a.h5"}
    touch(tmp_path / "bare", "pt_files/a.pt")
    assert found(tmp_path / "bare") == {"pt_files/a.pt"}


def test_a_slide2vec_run_gives_its_embeddings(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "tiles/a.coordinates.npz",
        "tiles/b.coordinates.npz",
        "tile_embeddings/a.npz",
        "tile_embeddings/a.meta.json",
        "slide_embeddings/a.pt",
        "hierarchical_embeddings/a.pt",
        "preview/mask/a.npz",
        "process_list.csv",
    )
    assert found(tmp_path) == {"tile_embeddings/a.npz", "tiles/b.coordinates.npz"}


def test_zarr_stores_are_one_item_each(tmp_path: Path) -> None:
    touch(
        tmp_path, "a.zarr/zarr.json", "a.zarr/tables/x.h5", "b/.zgroup", "c.grid.zarr/zarr.json", ".hidden.h5"
    )
    assert found(tmp_path) == {"a.zarr", "b", "c.grid.zarr"}


def test_turned_copies_are_left_out_where_the_slide_itself_is_there(tmp_path: Path) -> None:
    touch(
        tmp_path, "a_features.npy", "a_90_none_features.npy", "b_90_none_features.npy", "a_features_mask.npy"
    )
    sources = find_sources([tmp_path])
    assert {f.slide for f in sources.files} == {"a", "b_90_none"}
    assert sources.left_out == 1


def test_equal_names_clash_unless_an_encoder_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "features_uni/a.h5", "features_conch/a.h5", "features_uni/b.h5", "uni-1a2b3c4d/c.h5")
    sources = find_sources([tmp_path])
    assert {f.slide for f in sources.files} == {"b", "c"}
    assert len(sources.clashes) == 2
    chosen = find_sources([tmp_path], "uni")
    assert {f.path.parent.name for f in chosen.files if f.slide == "a"} == {"features_uni"}
    assert (chosen.clashes, chosen.left_out) == ((), 1)


def test_a_folder_of_something_else_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.csv")
    with pytest.raises(GridError, match=r"files end in \.csv \.jpg, expected .*\.h5"):
        find_sources([tmp_path])


def test_one_file_named_twice_is_one(tmp_path: Path) -> None:
    touch(tmp_path, "features_uni/a.h5")
    assert len(find_sources([tmp_path, tmp_path / "features_uni" / "a.h5"]).files) == 1


def test_an_expectation_is_held_against_the_content(tmp_path: Path) -> None:
    np.save(tmp_path / "a_features.npy", np.zeros((2, 3, 4), np.float16))
    assert recognise(tmp_path / "a_features.npy") == recognise(tmp_path / "a_features.npy", "nic") == "nic"
    with pytest.raises(GridError, match="a file of nic, not of clam"):
        recognise(tmp_path / "a_features.npy", "clam")


def test_nothing_is_recognised_by_its_name_alone(tmp_path: Path) -> None:
    for name in ("a.h5", "b_features.npy", "c.grid.zarr.zip", "d.npz"):
        (tmp_path / name).write_bytes(b"something else")
        with pytest.raises(GridError, match="14 bytes that begin with b'somethin'"):
            recognise(tmp_path / name)
