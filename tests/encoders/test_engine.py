"""The engine gives the codes of the encoder, chooses among right ways only, and remembers."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from histopress.core.errors import EncoderError
from histopress.core.recipe import plain
from histopress.encoders import engine as module
from histopress.encoders import engine_probe, engine_ways
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import Encoder, EncoderCard, encode
from histopress.encoders.engine import prepare
from histopress.encoders.engine_batches import Workplace
from histopress.encoders.engine_probe import Run

RANDOM = "random:tile=30,depth=3,width=8,dim=10,spacing=0.7"
ON_CPU = ("torch", "torch-folded", "torch-fused")

needs_bf16 = pytest.mark.skipif(
    not engine_ways.has_bf16(torch.device("cpu")), reason="this CPU does not compute in bf16"
)


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own for every test, short timings, no extras."""
    monkeypatch.setenv("HISTOPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(engine_probe, "ENOUGH", 0.0)
    monkeypatch.setattr(engine_ways, "find_spec", lambda name: None)


def random_tiles(count: int, tile: int = 30) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, tile, tile, 3), dtype=np.uint8)


@pytest.mark.parametrize("backend", ["auto", *ON_CPU])
def test_fp32_codes_are_those_of_the_encoder(backend: str) -> None:
    encoder, tiles = load_encoder(RANDOM), random_tiles(37)
    engine = prepare(encoder, "cpu", "fp32", backend)
    assert engine.choice.precision == "fp32"
    assert backend in ("auto", engine.choice.backend)
    codes = engine.encode(tiles)
    assert codes.dtype == np.float32
    np.testing.assert_allclose(codes, encode(encoder, tiles), rtol=1e-4, atol=1e-5)


@needs_bf16
@pytest.mark.parametrize("backend", ["auto", *ON_CPU])
def test_auto_takes_bf16_where_codes_stay_near(backend: str) -> None:
    encoder, tiles = load_encoder(RANDOM), random_tiles(19)
    engine = prepare(encoder, "cpu", backend=backend)
    assert engine.choice.precision == "bf16"
    assert 0.999 < engine.choice.cosine <= 1
    codes, true = engine.encode(tiles), encode(encoder, tiles)
    assert np.linalg.norm(codes - true) < 0.03 * np.linalg.norm(true)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
@pytest.mark.parametrize("backend", ON_CPU)
def test_bits_depend_neither_on_the_call_nor_on_the_filling(precision: str, backend: str) -> None:
    engine = prepare(load_encoder(RANDOM), "cpu", precision, backend)
    batch, tiles = engine.choice.batch, random_tiles(75)
    together = engine.encode(tiles)
    assert np.array_equal(together, engine.encode(tiles))
    in_parts = [engine.encode(tiles[i : i + batch]) for i in range(0, len(tiles), batch)]
    assert np.array_equal(together, np.concatenate(in_parts))
    assert np.array_equal(together[:5], engine.encode(tiles[:5]))


@pytest.mark.parametrize("name", ["mean-rgb:tile=30", "stain-texture:tile=64"])
@pytest.mark.parametrize("precision", ["auto", "bf16", "int8"])
def test_statistics_always_stay_as_they_are(name: str, precision: str) -> None:
    encoder = load_encoder(name)
    engine = prepare(encoder, "cpu", precision)
    assert (engine.choice.backend, engine.choice.precision, engine.choice.cosine) == ("exact", "fp32", 1.0)
    tiles = random_tiles(70, encoder.card.tile)
    assert np.array_equal(engine.encode(tiles), encode(encoder, tiles, "cpu", batch=engine.choice.batch))


def test_encoders_of_others_run_as_they_are() -> None:
    class FirstPixel(Encoder):
        card = EncoderCard("first-pixel", "0", 0.5, 4, 3, "none")

        def forward(self, tiles: torch.Tensor) -> torch.Tensor:
            return tiles[:, 0, 0].float()

    tiles = random_tiles(9, 4)
    engine = prepare(FirstPixel(), "cpu")
    assert engine.choice.backend == "exact"
    assert np.array_equal(engine.encode(tiles), tiles[:, 0, 0])


def test_no_tiles_give_no_codes_and_wrong_ones_an_error() -> None:
    engine = prepare(load_encoder(RANDOM), "cpu", "fp32", "torch")
    assert engine.encode(random_tiles(0)).shape == (0, 10)
    with pytest.raises(EncoderError, match=r"30 x 30 px at 0\.7 um/px"):
        engine.encode(random_tiles(2, 31))


def test_the_choice_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(load_encoder(RANDOM), "cpu")

    def never(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(module, "seconds_per_tile", never)
    monkeypatch.setattr(module, "agreement", never)
    again = prepare(load_encoder(RANDOM), "cpu")
    assert again.choice == first.choice
    tiles = random_tiles(20)
    assert np.array_equal(again.encode(tiles), first.encode(tiles))


def test_other_questions_are_asked_anew(tmp_path: Path) -> None:
    encoder = load_encoder(RANDOM)
    files = tmp_path / "cache" / "engines"
    for count, asked in enumerate(
        (
            {},
            {"precision": "fp32"},
            {"backend": "torch"},
            {"threads": torch.get_num_threads() + 1},
            {"probe": random_tiles(3)},
            {"probe": random_tiles(4)},
        ),
        start=1,
    ):
        prepare(encoder, "cpu", **asked)  # type: ignore[arg-type]
        assert len(list(files.glob("*.json"))) == count
    prepare(load_encoder(RANDOM, seed=1), "cpu")
    assert len(list(files.glob("*.json"))) == 7


def test_the_choice_is_plain() -> None:
    choice = prepare(load_encoder(RANDOM), "cpu", "fp32").choice
    assert json.loads(json.dumps(plain(choice))) == plain(choice)
    assert set(plain(choice)) == {"device", "precision", "backend", "cosine", "batch"}


def wrong(place: Workplace, precision: str) -> Run:
    return lambda tiles: np.ones((len(tiles), place.network.dim), np.float32)


def broken(place: Workplace, precision: str) -> Run:
    raise RuntimeError("no such kernel\nfollowed by a long story")


@pytest.mark.parametrize("fault", [wrong, broken])
def test_ways_that_are_wrong_or_fail_are_passed_over(
    fault: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(engine_ways.BACKENDS, "torch-fused", fault)  # type: ignore[arg-type]
    monkeypatch.setitem(engine_ways.BACKENDS, "torch", fault)  # type: ignore[arg-type]
    encoder, tiles = load_encoder(RANDOM), random_tiles(9)
    with caplog.at_level(logging.INFO, logger="histopress"):
        engine = prepare(encoder, "cpu", "fp32")
    assert engine.choice.backend == "torch-folded"
    assert caplog.text.count("torch-fused in fp32") == 1
    np.testing.assert_allclose(engine.encode(tiles), encode(encoder, tiles), rtol=1e-4, atol=1e-5)
    with pytest.raises(EncoderError, match=r"torch in fp32: (no such kernel|codes of 16 probe tiles)"):
        prepare(encoder, "cpu", "fp32", "torch")


def test_without_bf16_auto_is_fp32_and_asking_for_it_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_ways, "has_bf16", lambda device: False)
    assert prepare(load_encoder(RANDOM), "cpu").choice.precision == "fp32"
    with pytest.raises(EncoderError, match="does not compute in bf16"):
        prepare(load_encoder(RANDOM), "cpu", "bf16")


@needs_bf16
def test_codes_that_bf16_spoils_are_computed_in_fp32() -> None:
    """Two large weights of opposite sign leave a small difference, which bf16 cannot hold."""
    encoder = load_encoder(RANDOM)
    conv = encoder.get_submodule("network.trunk.1.conv")
    with torch.no_grad():
        conv.bias.add_(4000.0)  # type: ignore[operator, union-attr]
        norm = encoder.get_submodule("network.trunk.1.norm")
        norm.running_mean.add_(4000.0)  # type: ignore[operator, union-attr]
    assert prepare(encoder, "cpu").choice.precision == "fp32"
    with pytest.raises(EncoderError, match="too far from fp32: lowest cosine"):
        prepare(encoder, "cpu", "bf16", "torch")


def test_the_encoder_is_left_as_it_is() -> None:
    encoder = load_encoder(RANDOM)
    before = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    prepare(encoder, "cpu")
    after = encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) and after[name].device.type == "cpu" for name in before)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
@pytest.mark.parametrize("backend", ON_CPU)
def test_bits_do_not_depend_on_the_number_of_threads(precision: str, backend: str) -> None:
    encoder, tiles = load_encoder(RANDOM), random_tiles(75)
    alone, beside = (prepare(encoder, "cpu", precision, backend, threads=n) for n in (1, 3))
    assert beside.choice.batch == 3 * alone.choice.batch
    assert np.array_equal(alone.encode(tiles), beside.encode(tiles))


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    engine = prepare(load_encoder(RANDOM), "cpu", "fp32", "torch-folded", threads=before + 1)
    engine.encode(random_tiles(3))
    assert torch.get_num_threads() == before


def test_a_remembered_way_that_no_longer_works_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(load_encoder(RANDOM), "cpu", "fp32", "torch")
    monkeypatch.setitem(engine_ways.BACKENDS, "torch", broken)
    with pytest.raises(EncoderError, match=r"now it fails: no such kernel; free memory, or delete .*cache"):
        prepare(load_encoder(RANDOM), "cpu", "fp32", "torch")


def test_the_batch_is_halved_until_the_memory_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    build = engine_ways.BACKENDS["torch"]

    def small(place: Workplace, precision: str) -> Run:
        if place.batch > 8:
            raise torch.OutOfMemoryError("too large")
        return build(place, precision)

    monkeypatch.setitem(engine_ways.BACKENDS, "torch", small)
    assert prepare(load_encoder(RANDOM), "cpu", "fp32", "torch").choice.batch == 8


@pytest.mark.slow
def test_a_compiled_network_gives_the_same_codes() -> None:
    encoder, tiles = load_encoder(RANDOM), random_tiles(19)
    engine = prepare(encoder, "cpu", "fp32", "compile")
    np.testing.assert_allclose(engine.encode(tiles), encode(encoder, tiles), rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("backend", ["auto", "cuda-graph", "torch-folded", "torch"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_gives_the_codes_of_the_cpu(precision: str, backend: str) -> None:
    encoder = load_encoder("random")
    engine = prepare(encoder, "cuda", precision, backend)
    tiles = random_tiles(3 * engine.choice.batch + 5, 128)
    codes, true = engine.encode(tiles), encode(encoder, tiles, "cpu")
    near = 1e-3 if precision == "fp32" else 0.03
    assert np.linalg.norm(codes - true) < near * np.linalg.norm(true)
    assert np.array_equal(codes, engine.encode(tiles))
