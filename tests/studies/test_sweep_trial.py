from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock, Timeout

from histopress.core.errors import RunError
from histopress.studies.sweep_trial import LOCK_FILE, RESULT_FILE, Trial, attempt, is_done, read_result


def returning(results: Mapping[str, Any]) -> Any:
    return lambda settings, folder: results


def test_the_name_is_of_the_settings_alone() -> None:
    assert Trial((1, 2), {"o2i": 0.1}).name == Trial((1, 2), {"size": 5}, cost=9).name
    assert Trial((1, 2), {}).name != Trial((1, 3), {}).name


def test_results_are_numbers_and_words(tmp_path: Path) -> None:
    found = {
        "auroc": np.float32(0.5),
        "count": np.int64(3),
        "loss": math.nan,
        "outcome": "learned",
        "ok": True,
    }
    assert attempt(Trial((), {}), returning(found), tmp_path).ending == "done"
    values = {"auroc": 0.5, "count": 3, "loss": None, "outcome": "learned", "ok": 1}
    assert read_result(tmp_path).values == values
    assert json.loads((tmp_path / RESULT_FILE).read_text())["results"] == values


def test_other_results_are_a_failure(tmp_path: Path) -> None:
    found = attempt(Trial((), {}), returning({"curve": [1, 2]}), tmp_path)
    assert found.ending == "failed"
    assert found.failure is not None
    assert "curve is [1, 2] of type list" in found.failure.reason
    assert not is_done(tmp_path)


def test_who_holds_a_trial_is_left_alone(tmp_path: Path) -> None:
    calls = []
    with FileLock(tmp_path / LOCK_FILE):
        found = attempt(Trial((), {}), lambda settings, folder: calls.append(1) or {}, tmp_path)
    assert (found.ending, calls) == ("held", [])
    assert attempt(Trial((), {}), returning({}), tmp_path).ending == "done", "the file of a lock is no lock"


def test_a_lock_within_the_work_is_not_the_lock_of_the_trial(tmp_path: Path) -> None:
    def work(settings: Any, folder: Path) -> dict[str, int]:
        raise Timeout("elsewhere.lock")

    assert attempt(Trial((), {}), work, tmp_path).ending == "failed"


def test_ctrl_c_is_no_failure_and_frees_the_trial(tmp_path: Path) -> None:
    def work(settings: Any, folder: Path) -> dict[str, int]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(Trial((), {}), work, tmp_path)
    assert attempt(Trial((), {}), returning({}), tmp_path).ending == "done"


def test_a_damaged_result_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / RESULT_FILE).write_text('{"results": ')
    with pytest.raises(RunError, match="delete it and run again"):
        read_result(tmp_path)
