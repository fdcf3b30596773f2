"""Processes that are killed, interrupted, find the disk full or meet on one folder: nothing is lost, ever."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histopress.core.geometry import Size, Spacing
from histopress.data.write_slide import write_slide
from histopress.grids import store

Grids = dict[str, dict[str, bytes]]
LONG = 60.0
"""Seconds that no run here takes, however busy the machine."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


@dataclass
class Press:
    """Runs `histopress compress` in processes of their own."""

    server: subprocess.Popen[str]
    slides: Path
    log: Path
    started: set[int] = field(default_factory=set)

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self.server.stdin
        assert self.server.stdout
        print(json.dumps(order), file=self.server.stdin, flush=True)
        return json.loads(self.server.stdout.readline())

    def start(self, output: Path, *flags: str, **faults: Any) -> int:
        """The id of a new process, and of its group."""
        self.log.unlink(missing_ok=True)
        arguments = ["compress", str(self.slides), "-o", str(output), "--encoder", "mean-rgb", *flags]
        pid = int(self._ask({"arguments": arguments, "log": str(self.log), "chunk": 64, **faults}))
        self.started.add(pid)
        return pid

    def wait(self, pid: int, seconds: float = LONG) -> int | None:
        """Its exit code; None if it runs longer than this."""
        code = self._ask({"wait": pid, "seconds": seconds})
        if code is not None:
            self.started.discard(pid)
        return None if code is None else int(code)

    def run(self, output: Path, *flags: str, **faults: Any) -> int:
        """The exit code of a whole run."""
        code = self.wait(self.start(output, *flags, **faults))
        assert code is not None, f"took over {LONG} s: {self.said()}"
        return code

    def kill(self, pid: int) -> bool:
        """Kill -9 of a process and all that it started; whether it was still running."""
        os.killpg(pid, signal.SIGKILL)
        code = self.wait(pid)
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def said(self) -> str:
        return self.log.read_text()

    def traces(self) -> list[str]:
        """Lines of tracebacks that are ours; libraries may complain when they are broken off."""
        return re.findall(r'File ".*/src/histopress/.*", line.*', self.said())


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("press_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "HISTOPRESS_CACHE": str(tmp_path_factory.mktemp("engines")),
        },
    )
    with process:
        yield process
        assert process.stdin
        process.stdin.close()
        process.wait(LONG)


@pytest.fixture
def press(server: subprocess.Popen[str], slides: Path, tmp_path: Path) -> Iterator[Press]:
    press = Press(server, slides, tmp_path / "log")
    yield press
    for pid in list(press.started):
        if press.wait(pid, 0) is None:
            press.kill(pid)


@pytest.fixture(scope="session")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two slides of 84 cells; the second has a tile that cannot be decoded."""
    folder = tmp_path_factory.mktemp("faults") / "slides"
    size = Size(15 * 128, 9 * 128)
    for seed, name in enumerate("ab"):
        picture = np.full((*size.shape, 3), 244, np.uint8)
        noise = np.random.default_rng(seed).normal(0, 30, (112, 192, 3)).repeat(8, 0).repeat(8, 1)
        picture[128:-128, 128:-256] = np.clip(noise + np.array([190, 120, 170]), 0, 255)
        write_slide(folder / f"{name}.tiff", size, Spacing.square(0.5), picture)
    damage_a_tile(folder / "b.tiff", 18)
    return folder


@pytest.fixture(scope="session")
def whole(server: subprocess.Popen[str], slides: Path) -> Grids:
    """Every byte of the grids of undisturbed runs: in short chunks, as folders, and as workers make them."""
    press, folder = Press(server, slides, slides.parent / "log"), slides.parent
    assert press.run(folder / "zip") == 0, press.said()
    assert press.run(folder / "folders", "--folders") == 0
    assert press.run(folder / "workers", chunk=1024) == 0
    left_out = [len(store.read_header(folder / "zip" / f"{name}{store.SUFFIX}").damage) for name in "ab"]
    assert left_out == [0, 1]
    return {name: grids_in(folder / name) for name in ("zip", "folders", "workers")}


def damage_a_tile(path: Path, number: int) -> None:
    """Overwrite the coded pixels in the middle of a stored tile of level 0."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        middle = page.dataoffsets[number] + page.databytecounts[number] // 2
    with path.open("r+b") as file:
        file.seek(middle)
        file.write(b"\xff\xd9" * 40)


def failures_in(folder: Path) -> list[dict[str, str]]:
    path = folder / "failures.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


def grids_in(folder: Path) -> dict[str, bytes]:
    """Every byte of every stored grid."""
    if not folder.exists():
        return {}
    files = [f for p in store.find_grids(folder) for f in (sorted(p.rglob("*")) if p.is_dir() else [p])]
    return {str(f.relative_to(folder)): f.read_bytes() for f in files if f.is_file()}


def remains_in(folder: Path) -> list[str]:
    """What lies about beside whole files and locks."""
    small = ("summary", "failures", "card", "weights", "engine")
    return [
        str(p.relative_to(folder))
        for p in folder.rglob("*")
        if (p.name.startswith(".") or p.parent.name == ".work")
        and p.name != ".work"
        and p.suffix != ".lock"
        and not p.name.startswith(tuple(f".{name}." for name in small))
    ]


def until(condition: Callable[[], object], seconds: float = LONG) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def alive_in_group(group: int) -> list[str]:
    """Processes of a group, without those that have ended and wait to be counted."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(process_group) == group and state != "Z":
            found.append(stat.parent.name)
    return found


def kill_until_done(press: Press, folder: Path, whole: dict[str, bytes], kills: int) -> None:
    """Kill runs at random moments, and begin anew when one got through, until so many were killed."""
    draw = random.Random(kills)
    start = time.monotonic()
    press.run(folder / "timed")
    usual = time.monotonic() - start
    killed = attempt = 0
    while killed < kills:
        output = folder / f"out{attempt}"
        pid = press.start(output)
        code = press.wait(pid, draw.uniform(0.0, usual))
        if code is None:
            killed += press.kill(pid)
        else:
            assert (code, grids_in(output)) == (0, whole)
            attempt += 1
        assert grids_in(output).items() <= whole.items()
    output = folder / f"out{attempt}"
    assert press.run(output) == 0, press.said()
    assert grids_in(output) == whole
    assert remains_in(output) == []


def test_kill_9_at_random_moments(press: Press, tmp_path: Path, whole: Grids) -> None:
    kill_until_done(press, tmp_path, whole["zip"], kills=8)


@pytest.mark.slow
def test_kill_9_at_many_random_moments(press: Press, tmp_path: Path, whole: Grids) -> None:
    kill_until_done(press, tmp_path, whole["zip"], kills=60)


FLAGS: dict[str, list[str]] = {"zip": [], "folders": ["--folders"]}
OPERATIONS = 180
"""File operations of a run over the two slides, at least; the first are for the encoder."""


def fail_and_resume(press: Press, output: Path, whole: dict[str, bytes], *flags: str, **fault: Any) -> int:
    """The exit code of a run with a fault, after which the same command has done all that was left."""
    code = press.run(output, *flags, **fault)
    said = press.said()
    assert grids_in(output).items() <= whole.items(), fault
    if fault["fault"] == "full" and code:
        assert code == 1
        assert "Traceback" not in said, said
        assert "No space left on device" in said
    assert press.run(output, *flags) == 0, press.said()
    assert grids_in(output) == whole, fault
    assert remains_in(output) == []
    return code


@pytest.mark.parametrize("form", FLAGS)
@pytest.mark.parametrize("fault", ["kill", "full"])
def test_a_fault_at_any_file_operation(
    press: Press, tmp_path: Path, whole: Grids, fault: str, form: str
) -> None:
    draw = random.Random(f"{fault} {form}")
    for start in range(0, OPERATIONS, OPERATIONS // 4):
        at = draw.randrange(start, start + OPERATIONS // 4) + 1
        assert fail_and_resume(press, tmp_path / f"{at}", whole[form], *FLAGS[form], fault=fault, at=at)


@pytest.mark.slow
@pytest.mark.parametrize("form", FLAGS)
@pytest.mark.parametrize("fault", ["kill", "full"])
def test_a_fault_at_every_file_operation(
    press: Press, tmp_path: Path, whole: Grids, fault: str, form: str
) -> None:
    at = 1
    while fail_and_resume(press, tmp_path / f"{at}", whole[form], *FLAGS[form], fault=fault, at=at):
        shutil.rmtree(tmp_path / f"{at}")
        at += 1
    assert at > OPERATIONS


def start_workers(press: Press, output: Path) -> int:
    """A run with two workers that have begun with their slides."""
    pid = press.start(output, "--workers", "2", chunk=1024)
    until(lambda: list(output.glob(".work/*.lock")))
    return pid


def test_a_process_killed_with_its_workers(press: Press, tmp_path: Path, whole: Grids) -> None:
    pid = start_workers(press, tmp_path / "out")
    press.kill(pid)
    until(lambda: not alive_in_group(pid), 10)
    assert grids_in(tmp_path / "out").items() <= whole["workers"].items()
    assert press.run(tmp_path / "out", chunk=1024) == 0
    assert grids_in(tmp_path / "out") == whole["workers"]


def test_workers_end_when_the_process_that_started_them_is_killed(press: Press, tmp_path: Path) -> None:
    pid = start_workers(press, tmp_path / "out")
    os.kill(pid, signal.SIGKILL)
    press.wait(pid)
    until(lambda: not alive_in_group(pid), 10)


def test_a_killed_worker_takes_nothing_with_it(press: Press, tmp_path: Path, whole: Grids) -> None:
    output = tmp_path / "out"
    pid = start_workers(press, output)
    workers = [
        int(other)
        for other in alive_in_group(pid)
        if "spawn_main" in Path("/proc", other, "cmdline").read_text()
    ]
    os.kill(workers[0], signal.SIGKILL)
    assert press.wait(pid) == 0, press.said()
    assert grids_in(output) == whole["workers"]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("group", [False, True], ids=["process", "terminal"])
def test_ctrl_c(press: Press, tmp_path: Path, whole: Grids, workers: str, group: bool) -> None:
    """A terminal sends it to every process of the group, `kill -INT` to one."""
    output = tmp_path / "out"
    pid = press.start(output, "--workers", workers, chunk=1024, slow=0.5)
    until(lambda: list(output.glob(".work/*.lock")))
    (os.killpg if group else os.kill)(pid, signal.SIGINT)
    assert press.wait(pid, 15) == 130, press.said()
    assert "run the same command to go on" in press.said()
    assert not press.traces(), press.said()
    until(lambda: not alive_in_group(pid), 10)
    assert grids_in(output).items() <= whole["workers"].items()
    assert press.run(output, chunk=1024) == 0
    assert grids_in(output) == whole["workers"]


def test_ctrl_c_before_there_are_workers(press: Press, tmp_path: Path) -> None:
    """Each is loading its libraries for seconds."""
    pid = press.start(tmp_path / "out", "--workers", "2")
    until(lambda: len(alive_in_group(pid)) > 2)
    os.killpg(pid, signal.SIGINT)
    assert press.wait(pid, 15) == 130, press.said()
    assert not press.traces(), press.said()
    until(lambda: not alive_in_group(pid), 10)


@pytest.mark.parametrize("count", [2, 3])
def test_processes_on_one_folder_share_the_work(
    press: Press, tmp_path: Path, whole: Grids, count: int
) -> None:
    output, pids, logs = tmp_path / "out", [], []
    for number in range(count):
        press.log = tmp_path / f"log{number}"
        pids.append(press.start(output, "--json", slow=0.1))
        logs.append(press.log)
    assert [press.wait(pid) for pid in pids] == [0] * count
    told = [json.loads(log.read_text()[log.read_text().index("{\n") :]) for log in logs]
    assert sum(facts["compressed"] for facts in told) == 2
    assert all(facts["compressed"] + facts["skipped"] == 2 for facts in told)
    assert sum(facts["tiles"] for facts in told) == sum(map(store.count_tiles, store.find_grids(output)))
    assert grids_in(output) == whole["zip"]
    assert remains_in(output) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode  # fmt: skip
    if not mounted:
        pytest.skip("mounting a small disk needs the rights of root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk(press: Press, whole: Grids, small_disk: Path) -> None:
    ballast, output, codes = small_disk / "ballast", small_disk / "out", set()
    for free in (0, 8, 24, 56):
        ballast.write_bytes(bytes((512 - free) << 10))
        code = press.run(output)
        said = press.said()
        codes.add(code)
        assert "Traceback" not in said, said
        assert code == 0 or ("No space left on device" in said and "space" in said.rpartition(";")[2]), said
        assert grids_in(output).items() <= whole["zip"].items()
        for row in failures_in(output):
            assert "No space left" in row["reason"]
            assert "free some space" in row["remedy"]
            assert row["stage"] in ("open", "write")
        ballast.unlink()
        assert press.run(output) == 0, press.said()
        assert grids_in(output) == whole["zip"]
        assert failures_in(output) == []
        assert remains_in(output) == []
        shutil.rmtree(output)
    assert 1 in codes
