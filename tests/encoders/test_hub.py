"""Where weights are found, and how they are fetched: from a stand-in for the hub on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from histopress.core.errors import EncoderError, MissingExtraError, RemoteError
from histopress.encoders import hub as module
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.foundation import find_model
from histopress.encoders.hub import cached_weights, fetch

constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed")

CONTENT = bytes(range(256)) * 40
COMMIT = "0" * 39 + "1"


@dataclass
class Hub:
    """What the stand-in holds and what it was asked.

    Attributes:
        files: repository/file -> content.
        status: 200, or what every question is answered with.
        error: code of that answer, as the hub gives it.
        stated: digest stated for every file; its own if empty.
        cut: bytes after which each line breaks; 0 for none.
        end: bytes of a file beyond which nothing is ever sent; 0 for none.
        ranges: the ranges that were asked for.
        tokens: the tokens that came along.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    error: str = ""
    stated: str = ""
    cut: int = 0
    end: int = 0
    ranges: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    stand_in = Hub()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            stand_in.tokens.append(self.headers.get("authorization", ""))
            name = self.path.strip("/").replace("/resolve/main", "").replace(f"/resolve/{COMMIT}", "")
            content = stand_in.files.get(name)
            if stand_in.status != 200 or content is None:
                self.send_response(stand_in.status if stand_in.status != 200 else 404)
                self.send_header("X-Error-Code", stand_in.error or "EntryNotFound")
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            asked = self.headers.get("range", "")
            start = int(asked.removeprefix("bytes=").partition("-")[0] or 0)
            if with_body:
                stand_in.ranges.append(asked)
            self.send_response(206 if start else 200)
            self.send_header("ETag", f'"{stand_in.stated or hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if with_body:
                part = content[start:]
                if stand_in.cut or stand_in.end:
                    last = max(start, min(start + (stand_in.cut or len(part)), stand_in.end or len(content)))
                    self.wfile.write(content[start:last])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.shutdown(2)
                else:
                    self.wfile.write(part)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    point_at(f"http://127.0.0.1:{server.server_port}", tmp_path, monkeypatch)
    yield stand_in
    server.shutdown()
    thread.join()
    server.server_close()


def point_at(address: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(constants, "ENDPOINT", address)
    patch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    patch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    patch.setenv("HF_TOKEN", "hf_mine")
    patch.setattr("time.sleep", lambda seconds: None)  # between its tries


def test_what_was_fetched_is_found_without_the_network(hub: Hub) -> None:
    hub.files["owkin/phikon-v2/model.safetensors"] = CONTENT
    done = fetch("phikon-v2")
    assert done.path.read_bytes() == CONTENT
    assert done.encoder == "hf-hub:phikon-v2"
    assert "--encoder hf-hub:phikon-v2" in done.text
    hub.status = 500
    assert cached_weights(find_model("owkin/phikon-v2")) == done.path
    assert hub.tokens[-1] == "Bearer hf_mine"


def test_fetching_twice_downloads_once(hub: Hub) -> None:
    hub.files["owkin/phikon-v2/model.safetensors"] = CONTENT
    assert fetch("phikon-v2") == fetch("owkin/Phikon-v2")
    assert len(hub.ranges) == 1


def test_pickled_weights_are_fetched_but_not_read(hub: Hub) -> None:
    hub.files["MahmoodLab/UNI/pytorch_model.bin"] = CONTENT
    done = fetch("uni")
    assert done.encoder == ""
    assert done.command == f"histopress encoders convert {done.path} -o uni.safetensors"
    assert done.command in done.text
    with pytest.raises(EncoderError, match=r"pickled.*encoders convert .*hf-hub:uni@uni\.safetensors"):
        load_encoder("hf-hub:uni")


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (401, "GatedRepo", r"uni \(MahmoodLab/UNI, CC-BY-NC-ND-4\.0; gated.*401.*HF_TOKEN.*ask for access"),
        (401, "RepoNotFound", r"401.*make a token"),
        (403, "GatedRepo", r"403.*ask for access at https://huggingface\.co/MahmoodLab/UNI, wait"),
        (404, "RepoNotFound", r"404.*look at https"),
        (404, "EntryNotFound", r"neither model\.safetensors nor pytorch_model\.bin"),
    ],
)
def test_a_no_is_explained(status: int, code: str, says: str, hub: Hub) -> None:
    hub.status, hub.error = status, code
    with pytest.raises(EncoderError, match=says):
        fetch("uni")


def test_a_hub_that_is_ill_is_a_matter_of_patience(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.status, hub.error = 501, "Broken"
    with pytest.raises(RemoteError, match=r"run again|try again later"):
        fetch("uni")


def test_no_network_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://127.0.0.1:9", tmp_path, monkeypatch)
    with pytest.raises(RemoteError, match=r"cannot be reached.*hf-hub:uni@FILE\.safetensors"):
        fetch("uni")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(RemoteError, match="HF_HUB_OFFLINE is not set"):
        fetch("uni")


def test_a_damaged_download_is_removed(hub: Hub) -> None:
    hub.files["owkin/phikon-v2/model.safetensors"] = CONTENT
    hub.stated = "a" * 64
    with pytest.raises(EncoderError, match=r"the hub states aaaaaaaaaaaaaaaa.*removed: fetch it again"):
        fetch("phikon-v2")
    with pytest.raises(EncoderError, match="not on this machine"):
        cached_weights(find_model("phikon-v2"))


def test_a_line_that_breaks_is_taken_up_where_it_broke(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100)
    hub.files["owkin/phikon-v2/model.safetensors"] = CONTENT
    hub.cut = 4000
    assert fetch("phikon-v2").path.read_bytes() == CONTENT
    assert hub.ranges == ["", "bytes=4000-", "bytes=8000-"]


def test_a_line_that_stays_broken_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100)
    hub.files["owkin/phikon-v2/model.safetensors"] = CONTENT
    hub.end = 4000
    with pytest.raises(RemoteError, match=r"the download stopped .*run again"):
        fetch("phikon-v2")
    with pytest.raises(EncoderError, match="not on this machine"):
        cached_weights(find_model("phikon-v2"))
    hub.end = 0
    assert fetch("phikon-v2").path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("virchow2", r"virchow2 \(paige-ai/Virchow2\) are not on this machine; CC-BY-NC-ND-4\.0; gated"),
        ("virchow2", r"ask for access at https://huggingface\.co/paige-ai/Virchow2.*encoders fetch virchow2"),
        ("phikon", r"Owkin non-commercial licence; open to all; fetch them with .*fetch phikon`"),
    ],
)
def test_missing_weights_are_explained_before_anything_runs(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at("http://127.0.0.1:9", tmp_path, monkeypatch)
    with pytest.raises(EncoderError, match=says):
        load_encoder(f"hf-hub:{name}")


def test_compress_says_so_before_any_slide_is_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histopress.grids.compress import CompressRecipe, Resources, compress

    point_at("http://127.0.0.1:9", tmp_path, monkeypatch)
    (tmp_path / "a.svs").write_bytes(b"never opened")
    with pytest.raises(EncoderError, match="not on this machine"):
        compress([tmp_path / "a.svs"], tmp_path / "out", CompressRecipe(encoder="hf-hub:uni2-h"), Resources())
    assert not (tmp_path / "out").exists()


def test_unknown_names_and_the_missing_extra_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EncoderError, match="did you mean"):
        fetch("vircho")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"histopress\[foundation\]"):
        fetch("uni")
