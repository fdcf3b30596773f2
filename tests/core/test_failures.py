from __future__ import annotations

import csv
import logging
from pathlib import Path

import pytest

from histopress.core.errors import SpacingError
from histopress.core.failures import Failures


def test_one_failure_never_stops_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    failures, done = Failures(), []
    errors = {
        "b": SpacingError("no, spacing"),
        "c": OSError(28, "No space left on device"),
        "d": KeyError("bug"),
    }
    with caplog.at_level(logging.ERROR):
        for item in "abcde":
            with failures.attempt(item):
                if item in errors:
                    raise errors[item]
                done.append(item)
    failures.write(tmp_path)
    rows = list(csv.DictReader((tmp_path / "failures.csv").read_text().splitlines()))
    assert done == ["a", "e"]
    assert [(r["item"], r["error"]) for r in rows] == [
        ("b", "SpacingError"),
        ("c", "OSError"),
        ("d", "KeyError"),
    ]
    assert rows[0]["reason"] == "no, spacing"
    assert "unexpected KeyError" in caplog.text


def test_interrupts_are_no_failures() -> None:
    with pytest.raises(KeyboardInterrupt), Failures().attempt("a"):
        raise KeyboardInterrupt


def test_an_empty_list_clears_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "failures.csv").write_text("old")
    Failures().write(tmp_path)
    assert (tmp_path / "failures.csv").read_text() == "item,error,reason\n"
