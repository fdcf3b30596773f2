from __future__ import annotations

from histopress.metrics.provenance import flat, versions


def test_settings_inside_settings_are_named_by_their_path() -> None:
    settings = {"head": "cnn", "augment": {"noise": 0.1, "mix": None}, "encoders": ["a", "b"], "empty": ""}
    assert flat(settings) == [("head", "cnn"), ("augment.noise", "0.1"), ("encoders", "a, b")]


def test_long_values_are_cut() -> None:
    ((_, text),) = flat({"slides": "x" * 1000})
    assert len(text) < 200


def test_versions_of_what_shapes_the_figures_are_known() -> None:
    assert "absent" not in versions().values()
