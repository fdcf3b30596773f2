from __future__ import annotations

import csv
import logging
from contextlib import nullcontext
from pathlib import Path

import pytest

from histopress.core.errors import SpacingError
from histopress.core.failures import Failure, Failures, stage


def test_one_failure_never_stops_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    failures, done = Failures(), []
    errors = {
        "b": SpacingError("no, spacing; give one"),
        "c": OSError(28, "No space left on device"),
        "d": KeyError("bug"),
    }
    with caplog.at_level(logging.ERROR):
        for item in "abcde":
            with failures.attempt(item):
                if item in errors:
                    with stage("write") if item == "c" else nullcontext():
                        raise errors[item]
                done.append(item)
    failures.write(tmp_path)
    rows = list(csv.DictReader((tmp_path / "failures.csv").read_text().splitlines()))
    assert done == ["a", "e"]
    assert [tuple(r.values()) for r in rows] == [
        ("b", "", "no, spacing", "give one"),
        ("c", "write", "[Errno 28] No space left on device", rows[1]["remedy"]),
        ("d", "", "unexpected KeyError: 'bug'", "please report it, with the log if you can"),
    ]
    assert "free some space" in rows[1]["remedy"]
    assert "unexpected KeyError" in caplog.text


def test_interrupts_are_no_failures() -> None:
    with pytest.raises(KeyboardInterrupt), Failures().attempt("a"):
        raise KeyboardInterrupt


def test_an_empty_list_clears_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "failures.csv").write_text("old")
    Failures().write(tmp_path)
    assert (tmp_path / "failures.csv").read_text() == "slide,stage,reason,remedy\n"


def test_the_innermost_stage_is_told() -> None:
    with pytest.raises(SpacingError) as caught, stage("read"), stage("open"):
        raise SpacingError("none")
    assert Failure.of("a", caught.value) == Failure("a", "open", "none", "")
