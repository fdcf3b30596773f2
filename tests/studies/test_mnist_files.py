"""Digits from IDX files, and those files from a server that misbehaves."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from histopress.core.errors import PatchError, RemoteError
from histopress.studies.mnist_files import OFFICIAL, RemoteFile, fetch_mnist, read_idx, read_mnist

CONTENT = {
    "train-images.gz": np.random.default_rng(0).bytes(300_000),
    "train-labels.gz": b"seven",
}
FILES = [
    RemoteFile(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in CONTENT.items()
]


def idx(array: np.ndarray) -> bytes:
    return (
        struct.pack(f">{array.ndim + 1}I", 2048 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )


def write_pair(folder: Path, prefix: str, count: int = 5, suffix: str = "", form: str = "-") -> None:
    pack = gzip.compress if suffix else bytes
    pictures = np.arange(count * 6).reshape(count, 3, 2) + len(prefix)
    (folder / f"{prefix}-images{form}idx3-ubyte{suffix}").write_bytes(pack(idx(pictures)))
    (folder / f"{prefix}-labels{form}idx1-ubyte{suffix}").write_bytes(pack(idx(np.arange(count) % 10)))


@pytest.mark.parametrize(("suffix", "form"), [("", "-"), (".gz", "-"), ("", ".")])
def test_halves_are_known_by_their_names(tmp_path: Path, suffix: str, form: str) -> None:
    write_pair(tmp_path, "train", 5, suffix, form)
    write_pair(tmp_path, "t10k", 3, suffix, form)
    training, test = read_mnist(tmp_path, "training"), read_mnist(tmp_path, "test")
    assert training.pictures.shape == (5, 3, 2) and training.labels.tolist() == [0, 1, 2, 3, 4]
    assert test.pictures[0].tolist() == [[4, 5], [6, 7], [8, 9]]


def test_a_part_of_the_digits_will_do_and_official_files_go_first(tmp_path: Path) -> None:
    write_pair(tmp_path, "train30k", 4, ".gz")
    assert len(read_mnist(tmp_path, "training").labels) == 4
    write_pair(tmp_path, "train", 6, ".gz")
    assert len(read_mnist(tmp_path, "training").labels) == 6
    write_pair(tmp_path, "train", 7)  # plain before gzip, pictures and labels alike
    assert read_mnist(tmp_path, "training").pictures.shape[0] == 7


def test_no_pair_or_several_are_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(PatchError, match="test files found: none; expected one"):
            read_mnist(folder, "test")
    write_pair(tmp_path, "train1k")
    write_pair(tmp_path, "train2k")
    with pytest.raises(PatchError, match="train1k-images, train2k-images"):
        read_mnist(tmp_path, "training")


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", 5)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(4)))
    with pytest.raises(PatchError, match=r"5 pictures, .* 4 labels"):
        read_mnist(tmp_path, "training")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(5) + 20))
    with pytest.raises(PatchError, match="label 24"):
        read_mnist(tmp_path, "training")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "begins with nothing"),
        (b"<html>", "begins with 3c68746d, expected 00000803"),
        (idx(np.arange(5)), "begins with 00000801"),
        (idx(np.zeros((2, 3, 2)))[:-1], r"holds 11 bytes, expected 12"),
        (idx(np.zeros((2, 3, 2))) + b"x", r"holds 13 bytes, expected 12"),
        (gzip.compress(idx(np.zeros((2, 3, 2))), mtime=0)[:-9], "cannot be read"),
    ],
    ids=["empty", "page", "labels", "short", "long", "broken"],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "pictures").write_bytes(content)
    with pytest.raises(PatchError, match=said):
        read_idx(tmp_path / "pictures", 3)


def test_the_real_files(shared_data: Path) -> None:
    test = read_mnist(shared_data / "mnist", "test")
    assert test.pictures.shape == (10_000, 28, 28) and (test.labels == 3).sum() == 1010
    training = read_mnist(shared_data / "mnist", "training")
    assert training.pictures.shape == (30_000, 28, 28)
    assert (training.labels[:5000] == 3).sum() == 493  # as many as the published tuning part holds


class Server:
    """A mirror on this machine, and how it misbehaves."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.breaks_after = 0
        self.heeds_ranges = True
        self.content = dict(CONTENT)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.http.server_port}/"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name, wanted = request.path[1:], request.headers.get("Range", "")
        self.asked.append((name, wanted))
        content = self.content.get(name)
        if content is None:
            request.send_error(404)
            return
        start = int(wanted[6:-1]) if wanted and self.heeds_ranges else 0
        request.send_response(206 if wanted and self.heeds_ranges else 200)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        end = start + self.breaks_after if self.breaks_after else len(content)
        request.wfile.write(content[start:end])

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Server()
    yield made
    made.close()


def test_fetched_once_and_only_what_is_missing(server: Server, tmp_path: Path) -> None:
    paths = fetch_mnist(tmp_path / "new", [server.address], FILES)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    fetch_mnist(tmp_path / "new", [server.address], FILES)
    assert len(server.asked) == 2
    paths[1].write_bytes(b"other")
    fetch_mnist(tmp_path / "new", [server.address], FILES)
    assert server.asked[2:] == [("train-labels.gz", "")] and paths[1].read_bytes() == b"seven"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(CONTENT)


def test_a_broken_line_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.breaks_after = 70_000
    with pytest.raises(RemoteError, match="ended after 140000 of 300000 bytes"):
        fetch_mnist(tmp_path, [server.address], FILES[:1])
    assert not (tmp_path / FILES[0].name).exists()
    server.breaks_after = 0
    (path,) = fetch_mnist(tmp_path, [server.address], FILES[:1])
    assert [ask for _, ask in server.asked] == ["", "bytes=70000-", "bytes=140000-"]
    assert path.read_bytes() == CONTENT[FILES[0].name]


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / f".{FILES[0].name}.partial").write_bytes(b"begun")
    server.heeds_ranges = False
    (path,) = fetch_mnist(tmp_path, [server.address], FILES[:1])
    assert path.read_bytes() == CONTENT[FILES[0].name]


def test_other_content_is_refused_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.content["train-labels.gz"] = b"eight"
    with pytest.raises(RemoteError, match="not the official file"):
        fetch_mnist(tmp_path, [server.address], FILES[1:])
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_beginning_is_thrown_away_and_fetched_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / f".{FILES[1].name}.partial").write_bytes(b"xxx")
    (path,) = fetch_mnist(tmp_path, [server.address], FILES[1:])
    assert path.read_bytes() == b"seven"
    assert [ask for _, ask in server.asked] == ["bytes=3-", ""]


def test_the_next_mirror_stands_in(server: Server, tmp_path: Path) -> None:
    paths = fetch_mnist(tmp_path, [f"{server.address}lost/", server.address], FILES)
    assert paths[0].read_bytes() == CONTENT[FILES[0].name]


def test_servers_that_lack_it_or_are_gone_are_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"lost/: it answers 404.*run again"):
        fetch_mnist(tmp_path, [f"{server.address}lost/"], FILES)
    with pytest.raises(RemoteError, match=r"127\.0\.0\.1:9/: .*refused"):
        fetch_mnist(tmp_path, ["http://127.0.0.1:9/"], FILES)


def test_checksums_are_those_of_the_official_files(shared_data: Path) -> None:
    for file in OFFICIAL[2:]:
        content = (shared_data / "mnist" / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
