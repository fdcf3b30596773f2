"""Children of a process hear no Ctrl-C, and end with their parent."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from histopress.core.children import deaf_to_ctrl_c

PARENT = """
import multiprocessing, time
from histopress.core.children import end_with_parent
def serve():
    end_with_parent()
    time.sleep(60)
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=serve)
    child.start()
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_ctrl_c_is_blocked_in_the_block_alone() -> None:
    with deaf_to_ctrl_c():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set())
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to tell a dead child")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"  # a spawned child imports it
    script.write_text(PARENT, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 30
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process: int) -> bool:
    try:
        facts = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return facts.rpartition(")")[2].split()[0] != "Z"
