from __future__ import annotations

import pytest

from histopress.core import progress as module
from histopress.core.progress import progress


def test_plain_lines_give_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter(range(0, 1000, 11))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(now)))
    with progress("compress", 10, "tiles") as bar:
        bar.expect(40)
        bar.advance(10, note="slide-7")
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("compress: 10/40 tiles, ")
    assert "tiles/s" in first
    assert "s left" in first
    assert "slide-7" in first


def test_short_work_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("mask", 2, "slides") as bar:
        bar.advance()
        bar.advance()
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    with progress("mask", 2, "slides") as bar:
        bar.expect(3)
        bar.advance(note="b")
    assert "mask" in capsys.readouterr().err
