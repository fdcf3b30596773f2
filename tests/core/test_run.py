from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from histopress.core.errors import RunError
from histopress.core.run import Run


@dataclass(frozen=True)
class Settings:
    folds: int = 5


def test_the_same_run_is_taken_up_again(tmp_path: Path) -> None:
    first = Run.start(tmp_path / "r", Settings(), {"grids": "g1"})
    assert not first.done
    first.write("a/b.txt", "whole")
    first.finish()
    again = Run.start(tmp_path / "r", Settings(), {"grids": "g1"})
    assert again.done
    assert again.identity == first.identity == Run.load(tmp_path / "r").identity
    assert again.record["recipe"] == {"folds": 5}
    assert "torch" in again.record["environment"]


def test_a_folder_belongs_to_one_run(tmp_path: Path) -> None:
    Run.start(tmp_path, Settings(), {"grids": "g1"})
    with pytest.raises(RunError, match="folds: 5 there, 3 asked"):
        Run.start(tmp_path, Settings(3), {"grids": "g1"})
    with pytest.raises(RunError, match="grids: 'g1' there, 'g2' asked"):
        Run.start(tmp_path, Settings(), {"grids": "g2"})


def test_a_folder_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        Run.load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_record_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run\.json"):
        Run.start(tmp_path, Settings(), {})
