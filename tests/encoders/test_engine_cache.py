"""A choice is made once, kept whole, and made again when its file is damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from histopress.encoders.engine_cache import EngineChoice, remembered

KEY = {"encoder": "abc", "threads": 2}
CHOICE = EngineChoice("cpu", "bf16", "torch-folded", 0.9995, 16)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HISTOPRESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


class Measure:
    """Answers, and counts how often it was asked."""

    def __init__(self, choice: EngineChoice = CHOICE) -> None:
        self.choice, self.calls = choice, 0

    def __call__(self) -> EngineChoice:
        self.calls += 1
        return self.choice


def only_file(folder: Path) -> Path:
    (file,) = folder.glob("*.json")
    return file


def test_a_choice_is_made_once() -> None:
    measure, never = Measure(), Measure()
    assert remembered(KEY, measure) == CHOICE
    assert remembered(KEY, never) == CHOICE
    assert (measure.calls, never.calls) == (1, 0)


def test_another_question_is_another_choice(folder: Path) -> None:
    other = Measure(EngineChoice("cpu", "fp32", "torch", 1.0, 16))
    remembered(KEY, Measure())
    assert remembered(KEY | {"threads": 3}, other) == other.choice
    assert remembered(KEY, other) == CHOICE
    assert len(list(folder.glob("*.json"))) == 2


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"key": {}, "choice": {}}'])
def test_a_damaged_file_is_ignored_with_a_word_and_replaced(
    content: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remembered(KEY, Measure())
    only_file(folder).write_text(content)
    again = Measure()
    with caplog.at_level(logging.WARNING):
        assert remembered(KEY, again) == CHOICE
    assert again.calls == 1
    assert "ignored and made again" in caplog.text
    assert remembered(KEY, again) == CHOICE
    assert again.calls == 1


def test_a_file_with_other_fields_is_ignored(folder: Path) -> None:
    remembered(KEY, Measure())
    file = only_file(folder)
    file.write_text(file.read_text().replace('"batch"', '"size"'))
    again = Measure()
    assert remembered(KEY, again) == CHOICE
    assert again.calls == 1


def test_without_a_folder_the_choice_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HISTOPRESS_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert remembered(KEY, Measure()) == CHOICE
    assert "may differ next time" in caplog.text


def test_a_choice_that_fails_leaves_nothing_behind(folder: Path) -> None:
    def fail() -> EngineChoice:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remembered(KEY, fail)
    assert list(folder.glob("*.json")) == []
