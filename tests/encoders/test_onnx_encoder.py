"""ONNX files as encoders: made by torch, run by ONNX Runtime; and files of torch.export, refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histopress.core.errors import EncoderError, MissingExtraError
from histopress.encoders import onnx_encoder as module
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.contract import check_encoder
from histopress.encoders.encoder import encode, save_encoder
from histopress.encoders.engine import prepare, prepare_as

SCALE = "mean=0.5/0.4/0.3,deviation=0.2/0.25/0.5"


class Small(nn.Module):
    """Images -> codes, with all that may differ between exports."""

    def __init__(self, last: bool = False, rank: int = 2) -> None:
        super().__init__()
        self.last, self.rank = last, rank
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))

    def forward(self, images: Tensor) -> Tensor:
        images = images.permute(0, 3, 1, 2) if self.last else images
        maps: Tensor = self.layers(images.float() / (255 if images.dtype == torch.uint8 else 1))
        return maps if self.rank == 4 else maps.flatten(1)


def needs_runtime() -> None:
    for library in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(library, reason="ONNX Runtime is not installed")


def export(path: Path, network: nn.Module, images: Tensor, *, any_batch: bool = True) -> nn.Module:
    """Write a model of tiles of 28 px."""
    needs_runtime()
    torch.onnx.export(
        network.eval(), (images,), path, dynamo=True, external_data=False, verbose=False,
        input_names=["images"], output_names=["codes"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},) if any_batch else None,
    )  # fmt: skip
    return network


def small(
    path: Path, *, last: bool = False, rank: int = 2, kind: torch.dtype = torch.float32, **how: Any
) -> nn.Module:
    torch.manual_seed(0)
    shape = (2, 28, 28, 3) if last else (2, 3, 28, 28)
    return export(path, Small(last, rank), torch.zeros(shape, dtype=kind), **how)


def random_tiles(count: int, tile: int = 28) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, tile, tile, 3), dtype=np.uint8)


def expected_codes(network: nn.Module, tiles: NDArray[np.uint8]) -> Tensor:
    pixels = torch.from_numpy(tiles) / 255
    images = (pixels - torch.tensor([0.5, 0.4, 0.3])) / torch.tensor([0.2, 0.25, 0.5])
    with torch.no_grad():
        codes: Tensor = network(images if network.last else images.permute(0, 3, 1, 2))
    return codes.flatten(1)


@pytest.mark.parametrize(("last", "rank"), [(False, 2), (True, 2), (False, 4)])
def test_codes_are_those_of_torch(last: bool, rank: int, tmp_path: Path) -> None:
    network, tiles = small(tmp_path / "m.onnx", last=last, rank=rank), random_tiles(5)
    encoder = load_encoder(f"onnx:{tmp_path / 'm.onnx'},spacing=0.25,{SCALE}")
    assert (encoder.card.tile, encoder.card.dim, encoder.card.spacing) == (28, 8, 0.25)
    assert encoder.card.name == f"onnx:m.onnx,spacing=0.25,{SCALE}"
    np.testing.assert_allclose(
        encode(encoder, tiles, "cpu"), expected_codes(network, tiles), rtol=1e-4, atol=1e-5
    )
    check_encoder(encoder)


def test_stored_pixels_are_taken_as_they_are(tmp_path: Path) -> None:
    network, tiles = small(tmp_path / "m.onnx", last=True, kind=torch.uint8), random_tiles(3)
    encoder = load_encoder(f"onnx:{tmp_path / 'm.onnx'},spacing=0.25")
    with torch.no_grad():
        expected = network(torch.from_numpy(tiles))
    np.testing.assert_allclose(encode(encoder, tiles, "cpu"), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(EncoderError, match="leave out mean and deviation"):
        load_encoder(f"onnx:{tmp_path / 'm.onnx'},spacing=0.25,{SCALE}")


def test_batches_of_one_size_are_filled_up(tmp_path: Path) -> None:
    network, tiles = small(tmp_path / "m.onnx", any_batch=False), random_tiles(5)
    encoder = load_encoder(f"onnx:{tmp_path / 'm.onnx'},spacing=0.25,{SCALE}")
    np.testing.assert_allclose(
        encode(encoder, tiles, "cpu"), expected_codes(network, tiles), rtol=1e-4, atol=1e-5
    )
    check_encoder(encoder)


def test_a_json_file_beside_it_may_say_the_rest(tmp_path: Path) -> None:
    small(tmp_path / "m.onnx")
    stated = {"spacing": 2.0, "mean": [0.5, 0.4, 0.3], "deviation": [0.2, 0.25, 0.5], "licence": "MIT"}
    (tmp_path / "m.json").write_text(json.dumps(stated))
    card = load_encoder(f"onnx:{tmp_path / 'm.onnx'}").card
    assert (card.name, card.spacing, card.licence) == ("onnx:m.onnx", 2.0, "MIT")
    assert load_encoder(f"onnx:{tmp_path / 'm.onnx'},spacing=1").card.spacing == 1
    (tmp_path / "m.json").write_text('{"size": 3}')
    with pytest.raises(EncoderError, match="it may hold spacing, tile, mean"):
        load_encoder(f"onnx:{tmp_path / 'm.onnx'}")


def test_identity_is_of_bytes_and_settings_alone(tmp_path: Path) -> None:
    small(tmp_path / "m.onnx")
    name = f"onnx:{tmp_path / 'm.onnx'},spacing=0.5,{SCALE}"
    first = load_encoder(name).card.identity
    (tmp_path / "n.onnx").write_bytes((tmp_path / "m.onnx").read_bytes())
    assert load_encoder(name.replace("m.onnx", "n.onnx")).card.identity == first
    assert load_encoder(name.replace("spacing=0.5", "spacing=1")).card.identity != first
    assert load_encoder(name.replace("0.25", "0.3")).card.identity != first


def test_it_is_kept_whole_and_travels(tmp_path: Path) -> None:
    small(tmp_path / "m.onnx")
    encoder, tiles = load_encoder(f"onnx:{tmp_path / 'm.onnx'},spacing=0.5,{SCALE}"), random_tiles(3)
    codes = encode(encoder, tiles, "cpu")
    (tmp_path / "m.onnx").unlink()
    save_encoder(encoder, tmp_path / "kept")
    again = load_encoder(str(tmp_path / "kept"))
    assert again.card == encoder.card
    assert np.array_equal(encode(again, tiles, "cpu"), codes)
    assert np.array_equal(encode(pickle.loads(pickle.dumps(encoder)), tiles, "cpu"), codes)


def test_engines_run_it_as_it_is(tmp_path: Path) -> None:
    small(tmp_path / "m.onnx")
    encoder, tiles = load_encoder(f"onnx:{tmp_path / 'm.onnx'},spacing=0.5,{SCALE}"), random_tiles(70)
    engine = prepare(encoder, "cpu", threads=1)
    assert engine.choice.backend == "exact"
    np.testing.assert_allclose(engine.encode(tiles), encode(encoder, tiles, "cpu"), rtol=1e-4, atol=1e-5)
    assert np.array_equal(prepare_as(encoder, engine.choice).encode(tiles), engine.encode(tiles))


@pytest.mark.parametrize("workers", [1, 2])
def test_slides_are_compressed_by_it(workers: int, tmp_path: Path) -> None:
    from histopress.core.geometry import Size, Spacing
    from histopress.data.write_slide import write_slide
    from histopress.grids.compress import CompressRecipe, Resources, compress
    from histopress.grids.store import read_grid

    small(tmp_path / "m.onnx")
    picture = np.full((300, 420, 3), 244, np.uint8)
    noise = np.random.default_rng(0).integers(90, 200, (220, 320, 3), dtype=np.uint8)
    picture[40:260, 60:380] = noise // 2 + [90, 40, 80]
    (tmp_path / "slides").mkdir()
    for name in ("a", "b"):
        write_slide(tmp_path / "slides" / f"{name}.tiff", Size(420, 300), Spacing.square(0.5), picture)
    recipe = CompressRecipe(encoder=f"onnx:{tmp_path / 'm.onnx'},spacing=0.5,{SCALE}")
    out = tmp_path / "out"
    summary = compress([tmp_path / "slides"], out, recipe, Resources(workers=workers, device="cpu"))
    assert list(summary.failures) == []
    assert read_grid(out / "a.grid.zarr.zip").features.shape[1] == 8
    assert (
        load_encoder(str(out / "encoder")).card.identity
        == read_grid(out / "b.grid.zarr.zip").encoder["identity"]
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("", "um/px of its tiles are stated nowhere"),
        (",spacing=0.5", "how pixels become them is not stated; give mean and deviation"),
        (f",spacing=0.5,{SCALE},tile=30", "takes tiles of 28 px only"),
        (f",spacing=0.5,{SCALE},output=tokens", "gives codes; name the codes among them: output=codes"),
        (",spacing=0.5,mean=0.5/0.5,deviation=1/1/1", "mean is '0.5/0.5', expected three numbers"),
        (",size=3", "'size' cannot be set"),
    ],
)
def test_what_is_not_stated_is_asked_for(more: str, says: str, tmp_path: Path) -> None:
    small(tmp_path / "m.onnx")
    with pytest.raises(EncoderError, match=says):
        load_encoder(f"onnx:{tmp_path / 'm.onnx'}{more}")


def test_models_of_other_forms_are_refused(tmp_path: Path) -> None:
    export(tmp_path / "tokens.onnx", nn.Flatten(2), torch.zeros(2, 3, 28, 28))
    export(tmp_path / "grey.onnx", nn.Flatten(), torch.zeros(2, 1, 28, 28))
    export(tmp_path / "vector.onnx", nn.ReLU(), torch.zeros(2, 28))
    export(tmp_path / "oblong.onnx", nn.Flatten(), torch.zeros(2, 3, 28, 30))
    for name, says in {
        "tokens": r"output .codes. is \(2, 3, 784\) for 2 tiles, expected \(2, dim\)",
        "grey": "expected 3 colours on axis 1 or 3",
        "vector": "expected one input of four axes",
        "oblong": "28 x 30 px, expected squares",
    }.items():
        with pytest.raises(EncoderError, match=says):
            load_encoder(f"onnx:{tmp_path / name}.onnx,spacing=0.5,{SCALE}")


def test_files_that_are_no_models_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EncoderError, match=r"write onnx:FILE\.onnx,spacing=0\.5"):
        load_encoder("onnx")
    with pytest.raises(EncoderError, match="no such file"):
        load_encoder("onnx:nowhere.onnx")
    with pytest.raises(EncoderError, match=r"did you mean onnx:mine\.onnx,spacing=0\.5"):
        load_encoder("mine.onnx")
    (tmp_path / "m.onnx").write_bytes(b"not at all")
    with monkeypatch.context() as patch:
        patch.setattr(module, "find_spec", lambda name: None)
        with pytest.raises(MissingExtraError, match=r"histopress\[onnxruntime\]"):
            load_encoder(f"onnx:{tmp_path / 'm.onnx'},spacing=0.5")
    needs_runtime()
    with pytest.raises(EncoderError, match=r"ONNX Runtime cannot open the model.*one whole ONNX file"):
        load_encoder(f"onnx:{tmp_path / 'm.onnx'},spacing=0.5")


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def test_files_of_torch_export_are_refused_as_long_as_torch_unpickles_them(tmp_path: Path) -> None:
    """The day torch reads such a file without running it, this test tells."""
    good, bad, mark = tmp_path / "good.pt2", tmp_path / "bad.pt2", tmp_path / "it ran"
    torch.export.save(torch.export.export(nn.ReLU(), (torch.ones(2, 3),)), good)
    payload = io.BytesIO()
    torch.save((((torch.ones(2, 3),), {}), Malicious(mark)), payload)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for item in source.infolist():
            inside = "sample_inputs" in item.filename
            target.writestr(item.filename, payload.getvalue() if inside else source.read(item))
    for file in (good, bad):
        with pytest.raises(EncoderError, match=r"refused.*torch\.onnx\.export.*use onnx:model\.onnx"):
            load_encoder(f"export:{file}")
    assert not mark.exists()
    with suppress(Exception):  # whatever it makes of what it ran
        torch.export.load(bad)
    assert mark.exists(), "torch.export.load did not run the file: may export: be allowed now?"
