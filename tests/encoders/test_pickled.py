"""Pickled weights: refused, converted without running anything, and never mistaken for something else."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from histopress.core.errors import EncoderError
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.pickled import convert, is_pickled, refuse_pickled


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def weights(**more: Any) -> dict[str, Any]:
    return {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2), **more}


@pytest.mark.parametrize("old", [False, True])
def test_a_malicious_pickle_does_not_run(old: bool, tmp_path: Path) -> None:
    mark, file = tmp_path / "it ran", tmp_path / "model.pth"
    torch.save(
        {"state_dict": weights(), "extra": Malicious(mark)}, file, _use_new_zipfile_serialization=not old
    )
    with pytest.raises(EncoderError, match=r"holds more than weights \(posix\.mkdir\).*refused"):
        convert(file)
    for name in (f"timm:resnet10t@{file}", f"hf-hub:uni@{file}", f"nic:{file}", f"onnx:{file},spacing=0.5"):
        with pytest.raises(EncoderError, match="pickled"):
            load_encoder(name)
    assert not mark.exists()
    assert not file.with_suffix(".safetensors").exists()
    torch.load(file, weights_only=False)
    assert mark.exists(), "the file would have run"


def test_a_plain_pickle_does_not_run_either(tmp_path: Path) -> None:
    mark, file = tmp_path / "it ran", tmp_path / "model.bin"
    file.write_bytes(pickle.dumps(Malicious(mark)))
    with pytest.raises(EncoderError, match=r"model\.bin"):
        convert(file)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (weights(), ()),
        ({"state_dict": weights(), "epoch": 3}, ("state_dict",)),
        (
            {"model": {"state_dict": weights()}, "optimizer": {"state": {0: weights()}}},
            ("model", "state_dict"),
        ),
        ({"student": weights(), "teacher": weights()}, ("teacher",)),
        ({"something": OrderedDict(weights())}, ("something",)),
    ],
)
def test_weights_are_found_where_training_programs_leave_them(
    content: dict[str, Any], where: tuple[str, ...], tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "a.pt")
    done = convert(tmp_path / "a.pt", tmp_path / "b.safetensors")
    assert (done.output, done.weights, done.inside) == (tmp_path / "b.safetensors", 2, where)
    found = load_file(done.output)
    assert found.keys() == weights().keys()
    assert all(torch.equal(found[name], value) for name, value in weights().items())
    assert all(name in done.text for name in where)


def test_prefixes_are_taken_off_and_told(tmp_path: Path) -> None:
    named = {f"module.backbone.{name}": value for name, value in weights().items()}
    torch.save(
        {"teacher": {**named, "module.head.weight": torch.ones(1), "module.step": 7}}, tmp_path / "a.pth"
    )
    done = convert(tmp_path / "a.pth")
    assert done.output == tmp_path / "a.safetensors"
    assert done.stripped == ("module.", "backbone.")
    assert done.left_out == ("module.step", "head.weight")
    assert load_file(done.output).keys() == weights().keys()
    assert "left out: module.step, head.weight" in done.text


def test_weights_that_share_memory_are_written_both(tmp_path: Path) -> None:
    shared = torch.ones(4, 4)
    torch.save({"a.weight": shared, "b.weight": shared.t(), "c.weight": shared[:2]}, tmp_path / "a.pt")
    assert load_file(convert(tmp_path / "a.pt").output)["c.weight"].shape == (2, 4)


def test_a_place_can_be_named(tmp_path: Path) -> None:
    torch.save({"teacher": weights(), "student": {"net": {"x": torch.zeros(1)}}}, tmp_path / "a.pt")
    assert load_file(convert(tmp_path / "a.pt", inside="student.net").output).keys() == {"x"}
    with pytest.raises(EncoderError, match="there is no 'nett' in net"):
        convert(tmp_path / "a.pt", tmp_path / "b.safetensors", inside="student.nett")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"epoch": 3}, "no weights found; it holds epoch; name where they lie with --inside"),
        ({"one": weights(), "two": weights()}, "no weights found; it holds one, two"),
        ([torch.ones(1)], "it holds a list"),
        ({"a": torch.eye(3).to_sparse()}, "sparse or quantised"),
    ],
)
def test_files_without_weights_are_refused(content: Any, says: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(EncoderError, match=says):
        convert(tmp_path / "a.pt")


def test_files_are_not_written_over_and_damaged_ones_are_named(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "a.pt")
    convert(tmp_path / "a.pt")
    with pytest.raises(EncoderError, match="is there already"):
        convert(tmp_path / "a.pt")
    with pytest.raises(EncoderError, match=r"name it \.safetensors"):
        convert(tmp_path / "a.pt", tmp_path / "b.pt")
    with pytest.raises(EncoderError, match="no such file"):
        convert(tmp_path / "nowhere.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:200])
    with pytest.raises(EncoderError, match=r"cut\.pt cannot be read"):
        convert(tmp_path / "cut.pt")


def test_pickles_are_known_by_content_and_by_name(tmp_path: Path) -> None:
    disguised = tmp_path / "weights.safetensors"
    torch.save(weights(), disguised)
    assert is_pickled(disguised)
    with pytest.raises(EncoderError, match="pickled"):
        load_encoder(f"timm:resnet10t@{disguised}")
    save_file(weights(), tmp_path / "real.safetensors")
    assert not is_pickled(tmp_path / "real.safetensors")
    refuse_pickled(tmp_path / "real.safetensors")
    assert is_pickled(tmp_path / "nowhere.ckpt")
    assert not is_pickled(tmp_path / "nowhere.h5")


def test_what_was_converted_runs(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(3)
    model = timm.create_model("resnet10t")
    torch.save({"state_dict": {f"module.{n}": w for n, w in model.state_dict().items()}}, tmp_path / "m.pth")
    encoder = load_encoder(f"timm:resnet10t@{convert(tmp_path / 'm.pth').output},tile=64")
    assert torch.equal(
        encoder.state_dict()["network.model.conv1.0.weight"], model.state_dict()["conv1.0.weight"]
    )
