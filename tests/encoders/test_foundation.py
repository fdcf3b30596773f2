"""The table of foundation encoders: its facts agree with the architectures that timm builds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from histopress.core.errors import EncoderError
from histopress.encoders.foundation import MODELS, FoundationModel, find_model

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "foundation-encoders.md"
MILLIONS = {
    "uni": 303.4, "uni2-h": 681.4, "virchow": 631.2, "virchow2": 631.2, "h-optimus-0": 1134.8,
    "h-optimus-1": 1134.8, "h0-mini": 85.7, "prov-gigapath": 1135.0, "phikon": 85.8, "phikon-v2": 303.4,
    "hibou-b": 85.7, "hibou-l": 303.7, "kaiko-vits8": 21.7, "kaiko-vits16": 21.7, "kaiko-vitb8": 85.8,
    "kaiko-vitb16": 85.8, "lunit-vits8": 21.7, "lunit-vits16": 21.7,
}  # fmt: skip
"""Parameters as LazySlide lists them; of Kaiko and Lunit ViT-S/16 as timm builds them, to notice a change."""


@pytest.mark.parametrize("known", MODELS, ids=lambda known: known.name)
def test_architectures_have_the_stated_size(known: FoundationModel) -> None:
    """Without memory for a single weight."""
    pytest.importorskip("timm", reason="timm is not installed")
    from histopress.encoders.foundation_encoder import foundation_settings
    from histopress.encoders.timm_encoder import TimmNetwork

    network = TimmNetwork(foundation_settings(known, known.tile), None)
    assert all(weight.is_meta for weight in network.parameters())
    assert network.dim == known.dim
    assert network.prefix == known.prefix == network.model.num_prefix_tokens
    assert sum(w.numel() for w in network.parameters()) / 1e6 == pytest.approx(MILLIONS[known.name], abs=0.06)


def test_models_are_found_by_name_and_repository() -> None:
    assert find_model("UNI2-h") is find_model("mahmoodlab/uni2-H")
    names = [name for model in MODELS for name in (model.name, model.repository.lower())]
    assert len(set(names)) == len(names)
    for name in names:
        assert name in (find_model(name).name, find_model(name).repository.lower())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("unni", "did you mean uni"),
        ("MahmoodLab/UNI3", "did you mean uni"),
        ("ctranspath", r"known: uni, uni2-h.*timm:MODEL@FILE\.safetensors, or as onnx:FILE"),
    ],
)
def test_other_names_are_refused(name: str, says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        find_model(name)


def test_facts_are_plausible() -> None:
    for known in MODELS:
        mean, deviation = known.colours
        assert all(0.3 < value < 0.8 for value in mean)
        assert all(0.1 < value <= 0.5 for value in deviation)
        assert 0.25 <= known.spacing <= 1
        assert known.licence
        assert known.source


def test_the_page_shows_the_same_table() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", HOW_TO.read_text(), re.MULTILINE))
    expected = {
        m.name: f"{m.repository} | {m.dim} | {m.licence} | {'gated' if m.gated else 'open'} | {m.precision}"
        for m in MODELS
    }
    assert rows == expected
