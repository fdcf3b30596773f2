"""The laws of clusters: the same grids as without, whatever dies; all failures at the driver."""

from __future__ import annotations

import csv
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from histopress.core.errors import ClusterError, GridError, MissingExtraError, RecipeError
from histopress.core.geometry import Size, Spacing
from histopress.core.location import Url
from histopress.data.write_slide import write_slide
from histopress.encoders.catalogue import load_encoder
from histopress.grids import cluster, store
from histopress.grids.compress import CompressRecipe, Resources, compress

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # has Ray listen on 127.0.0.1 only
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
ray = pytest.importorskip("ray", reason="ray is not installed")
pytest.importorskip("fsspec", reason="fsspec is not installed")

MakeSlide = Callable[..., Path]
NETWORK = CompressRecipe(encoder="random:dim=6,tile=32,depth=2,width=8")
MEAN = CompressRecipe(encoder="mean-rgb")
PLAIN = {"backend": "torch", "threads": 1}
SECONDS, LIMIT = 140.0, 300


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.find_grids(folder)}


def failures_in(text: str) -> dict[str, dict[str, str]]:
    return {row["slide"].rpartition("/")[2]: row for row in csv.DictReader(text.splitlines())}


def slide_of_noise(path: Path, rows: int, cols: int) -> Path:
    """Tissue up to the edges, in cells of 32 px."""
    random = np.random.default_rng(rows)
    colour = np.array([200, 130, 180])
    pixels = np.clip(colour + random.normal(0, 30, (rows * 32, cols * 32, 3)), 0, 255).astype(np.uint8)
    pixels[:, -64:] = 244
    write_slide(path, Size(cols * 32, rows * 32), Spacing.square(0.5), pixels)
    return path


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An S3 server on loopback, for this process and for all that it starts."""
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(scope="module")
def nodes(s3: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Ray cluster of three nodes on this machine, whose head does no work."""
    from ray.cluster_utils import Cluster

    quick = {
        "health_check_initial_delay_ms": 0,
        "health_check_period_ms": 500,
        "health_check_timeout_ms": 2000,
    }
    head = {"num_cpus": 0, "_system_config": quick, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", tempfile.gettempdir())  # paths of its sockets must be short
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("nodes")))
        machines = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=True)
        try:
            for _ in range(2):
                machines.add_node(num_cpus=1, num_gpus=0)
            yield machines
        finally:
            ray.shutdown()
            machines.shutdown()


@pytest.fixture(autouse=True)
def no_endless_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever hangs ends with an error."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"no end after {LIMIT} s")

    monkeypatch.setattr("histopress.grids.cluster_crew.PATIENCE", SECONDS)
    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def bucket(s3: str) -> Url:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("bucket", acl="private") if not Url("s3://bucket").exists() else None
    return Url("s3://bucket")


def test_grids_are_the_same_from_and_to_an_object_store_and_in_strips(
    tmp_path: Path, nodes: Any, bucket: Url, monkeypatch: pytest.MonkeyPatch
) -> None:
    slides = tmp_path / "slides"
    slides.mkdir()
    slide_of_noise(slides / "small.tiff", 9, 14)
    slide_of_noise(slides / "large.tiff", 60, 45)
    (slides / "broken.svs").write_bytes(b"no slide")
    for path in slides.iterdir():
        (bucket / "slides" / path.name).upload(path)
    without = compress([slides], tmp_path / "without", NETWORK, Resources(**PLAIN))
    truth = files_of(tmp_path / "without")
    assert sorted(truth) == ["large.grid.zarr.zip", "small.grid.zarr.zip"]
    assert store.count_tiles(tmp_path / "without" / "large.grid.zarr.zip") > 2 * store.CHUNK

    monkeypatch.setattr(cluster, "STRIP", store.CHUNK)
    many = Resources(**PLAIN, cluster=nodes.address)
    told = compress([f"{bucket}/slides", f"{bucket}/gone.svs"], f"{bucket}/grids", NETWORK, many)
    for name, data in truth.items():
        found = bucket / "grids" / name
        assert found.read([(0, found.size())]) == [data]
    assert (told.compressed, told.skipped, len(told.failures), told.tiles) == (2, 0, 2, without.tiles)
    failed = failures_in((bucket / "grids" / "failures.csv").read_text())
    assert set(failed) == {"broken.svs", "gone.svs"}
    assert failed["broken.svs"]["stage"] == "open"
    assert "copy it to a disk, or mount the store" in failed["broken.svs"]["remedy"]
    assert json.loads((bucket / "grids" / "summary.json").read_text())["failed"] == 2
    assert store.read_header(bucket / "grids" / "large.grid.zarr.zip").shape == (60, 45)
    assert not ray.is_initialized()

    again = compress([f"{bucket}/slides/small.tiff"], f"{bucket}/grids", NETWORK, Resources(**PLAIN))
    assert (again.compressed, again.skipped) == (0, 1)


def hesitate(_: object, inputs: tuple[Any, ...]) -> None:
    """An encoder that takes its time, and dies of dark slides."""
    time.sleep(0.4)
    if inputs[0].float().mean() < 120:
        os._exit(1)


@pytest.fixture
def slow_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Any:
        encoder = load_encoder(name)
        encoder.register_forward_pre_hook(hesitate)
        return encoder

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr("histopress.encoders.catalogue.load_encoder", load)


def kill_a_node_when(condition: Callable[[], bool], machines: Any) -> threading.Thread:
    def watch() -> None:
        end = time.monotonic() + SECONDS
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)
        machines.remove_node(next(iter(machines.worker_nodes)), allow_graceful=False)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_a_killed_node_changes_nothing_but_the_time(
    tmp_path: Path, nodes: Any, make_slide: MakeSlide, slow_encoder: None, caplog: pytest.LogCaptureFixture
) -> None:
    slides = [make_slide(f"s{n}", n) for n in range(8)]
    compress(slides, tmp_path / "without", MEAN)
    output = tmp_path / "with"
    killer = kill_a_node_when(lambda: output.is_dir() and len(store.find_grids(output)) > 0, nodes)
    with caplog.at_level(logging.WARNING, "histopress"):
        told = compress(slides, output, MEAN, Resources(cluster=nodes.address))
    killer.join(SECONDS)
    nodes.add_node(num_cpus=1, num_gpus=0)
    assert "an actor died" in caplog.text
    assert (told.compressed, len(told.failures)) == (8, 0)
    assert files_of(output) == files_of(tmp_path / "without")


def test_a_slide_that_kills_its_actors_is_given_up_and_stops_nobody(
    tmp_path: Path, nodes: Any, make_slide: MakeSlide, slow_encoder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here after two deaths, to save time; see `test_cluster_actor` for the third."""

    def dark(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.where(picture == 244, picture, picture // 2).astype(np.uint8)

    monkeypatch.setattr("histopress.grids.cluster_board.DEATHS", 2)
    slides = [make_slide("a", 1), make_slide("deadly", 2, turn=dark), make_slide("z", 3)]
    told = compress(slides, tmp_path / "out", MEAN, Resources(cluster=nodes.address, workers=1))
    assert sorted(files_of(tmp_path / "out")) == ["a.grid.zarr.zip", "z.grid.zarr.zip"]
    assert [Path(f.item).name for f in told.failures] == ["deadly.tiff"]
    assert "2 times the actor that compressed it died" in next(iter(told.failures)).reason


def test_a_cluster_of_this_machine_listens_to_nobody_else_and_ends() -> None:
    before = set(psutil.Process().children(recursive=True))
    with cluster.connected("local"):
        started = set(psutil.Process().children(recursive=True)) - before
        assert {node["NodeManagerAddress"] for node in ray.nodes()} == {"127.0.0.1"}
        heard = {c.laddr.ip for p in started for c in p.net_connections() if c.status == psutil.CONN_LISTEN}
        assert heard <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
        assert heard
    assert not ray.is_initialized()
    assert psutil.wait_procs(list(started), timeout=SECONDS)[1] == []


def test_what_is_missing_is_told_before_anything_is_done(
    tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    slide = make_slide("a")
    with pytest.raises(RecipeError, match="leave out --folders"):
        compress([slide], "memory://test-cluster/grids", MEAN, Resources(folders=True))
    with pytest.raises(ClusterError, match=r"no Ray cluster can be used at '127\.0\.0\.1:1'"):
        compress([slide], tmp_path / "out", MEAN, Resources(cluster="127.0.0.1:1"))
    with pytest.raises(ClusterError, match=r"expected local, auto, HOST:6379"):
        compress([slide], tmp_path / "out", MEAN, Resources(cluster="somewhere"))
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'histopress\[cluster\]'"):
        compress([slide], tmp_path / "out", MEAN, Resources(cluster="local"))


def test_stores_take_grids_of_a_single_machine(
    tmp_path: Path, make_slide: MakeSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files as on a disk; other settings and other encoders never mix with what is there."""
    monkeypatch.setenv("HISTOPRESS_CACHE", str(tmp_path / "cache"))
    slide, grids = make_slide("a"), Url("memory://test-cluster/grids")
    compress([slide], tmp_path / "out", MEAN)
    compress([slide], str(grids), MEAN)
    found = grids / "a.grid.zarr.zip"
    assert found.read([(0, found.size())]) == list(files_of(tmp_path / "out").values())
    assert np.array_equal(
        store.read_grid(found).features, store.read_grid(tmp_path / "out" / found.name).features
    )
    assert compress([slide], grids, MEAN).skipped == 1
    changed = compress([slide], grids, CompressRecipe(encoder="mean-rgb", tissue_share=0.9))
    assert "tissue_share: 0.25 there, 0.9 asked" in next(iter(changed.failures)).reason
    with pytest.raises(GridError, match="holds grids of encoder mean-rgb"):
        compress([slide], grids, NETWORK)
    found.write(b"cut short")
    assert "not a stored grid" in next(iter(compress([slide], grids, MEAN).failures)).reason
    assert compress([slide], grids, MEAN, Resources(overwrite=True)).compressed == 1
    assert (grids / "encoder" / "weights.safetensors").size() > 0
