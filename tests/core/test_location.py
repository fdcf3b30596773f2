"""Addresses: kept as they are written, opened by fsspec, and its faults told in our words."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from histopress.core import location as module
from histopress.core.errors import MissingExtraError, RemoteError
from histopress.core.files import quick_hash, write_whole
from histopress.core.location import Url, location, state_of

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")


@pytest.fixture
def folder() -> Iterator[Url]:
    """A folder in fsspec's store in memory."""
    yield Url("memory://test-location/a")
    store = fsspec.filesystem("memory")
    if store.exists("/test-location"):
        store.rm("/test-location", recursive=True)


@pytest.mark.parametrize("text", ["s3://bucket/a b/c.svs", "gs://b/x.ome.tif", "https://host:8/y/z.svs"])
def test_addresses_are_kept_as_they_are_written(text: str) -> None:
    url = location(text)
    assert isinstance(url, Url)
    assert str(url) == text
    assert url.name == text.rpartition("/")[2]
    assert pickle.loads(pickle.dumps(url)) == url
    assert location(url) is url


@pytest.mark.parametrize("text", ["a/b.svs", "C:\\slides\\a.svs", "C:/slides/a.svs", "/a/b", "s3:/a"])
def test_paths_stay_paths(text: str) -> None:
    assert location(text) == Path(text)


def test_file_addresses_are_paths(tmp_path: Path) -> None:
    assert location((tmp_path / "a b.svs").as_uri()) == tmp_path / "a b.svs"


def test_names_do_without_slashes_at_the_end_and_queries() -> None:
    assert Url("s3://b/slides/").name == "slides"
    assert (Url("s3://b/slides/") / "a.svs") == Url("s3://b/slides/a.svs")
    signed = Url("https://host/a.ome.tif?key=1/2")
    assert (signed.name, signed.stem, signed.suffix) == ("a.ome.tif", "a.ome", ".tif")


def test_files_are_written_listed_and_read(folder: Url, tmp_path: Path) -> None:
    write_whole(folder / "b.txt", "grün")
    write_whole(folder / "deep" / "c.txt", b"")
    (tmp_path / "local").write_bytes(bytes(range(200)))
    (folder / "a.bin").upload(tmp_path / "local")
    assert folder.files() == [folder / "a.bin", folder / "b.txt"]
    assert (folder / "b.txt").read_text() == "grün"
    assert (folder / "a.bin").size() == 200
    assert (folder / "a.bin").read([(190, 20), (3, 2)]) == [bytes(range(190, 200)), b"\3\4"]
    assert folder.is_dir()
    assert not (folder / "a.bin").is_dir()
    assert not (folder / "gone").exists()


@pytest.mark.parametrize("size", [0, 5, 3000, 4096, 100_000])
def test_fingerprints_are_those_of_the_same_file_on_a_disk(folder: Url, tmp_path: Path, size: int) -> None:
    data = bytes(i * i % 251 for i in range(size))
    write_whole(folder / "a", data)
    write_whole(tmp_path / "a", data)
    assert quick_hash(folder / "a", 1024) == quick_hash(tmp_path / "a", 1024)


def test_a_change_changes_the_state(folder: Url) -> None:
    assert state_of(folder / "a") == ()
    write_whole(folder / "a", b"12")
    before = state_of(folder / "a")
    assert state_of(folder / "a") == before
    write_whole(folder / "a", b"123")
    assert state_of(folder / "a") not in ((), before)


def test_faults_are_told_with_their_remedy(folder: Url, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RemoteError, match="no such file in the store; check the address"):
        (folder / "gone").read_text()
    with pytest.raises(RemoteError, match="Protocol not known: nonsense"):
        Url("nonsense://a/b").exists()
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'histopress\[cluster\]' s3fs"):
        Url("s3://bucket/a").exists()


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(MissingExtraError, match=r"driver of s3:// is not installed .*; pip install s3fs"):
        Url("s3://bucket/a").exists()
