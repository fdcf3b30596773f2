"""A process that has imported everything and forks `histopress` on request, so that faults are cheap to try.

Orders come in as lines of JSON, answers go out as lines of JSON. Every run is the real command line in a
process and a process group of its own, which can be killed, interrupted, or be told to fail at one of its own
file operations: the n-th time that it opens a file for writing, renames, removes, or makes a folder.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import signal
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

IMPORTED = (
    "histopress.cli",
    "histopress.data.jpeg_slide",
    "histopress.data.openslide_slide",
    "histopress.data.tile_plan",
    "histopress.encoders.engine",
    "histopress.encoders.untrained",
    "histopress.grids.compressor",
    "histopress.grids.workers",
    "openslide",
    "PIL.Image",
    "scipy.ndimage",
    "histopress.data.glass",
    "histopress.data.ink",
    "histopress.data.regions",
    "typeguard",
    "simplejpeg",
    "tifffile",
)
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}


def changes_files(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether an audit event is a change in a file system."""
    if event == "open":
        return isinstance(arguments[0], (str, bytes, Path)) and bool(
            arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
    return event in CHANGES


def fail_at(number: int, fault: str) -> None:
    """Count changes of files; die at the n-th, or find the disk full from there on.

    Args:
        number: of the first change that does not happen.
        fault: "kill", or "full" (renaming and removing go on, as they need no space).
    """
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if not changes_files(event, arguments):
            return
        count += 1
        if count < number:
            return
        if fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if event in ("open", "os.mkdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

    sys.addaudithook(hook)


def slow_down(seconds: float) -> None:
    """Let every call of the encoder take longer."""
    from histopress.encoders.engine import Engine

    encode = Engine.encode

    def slowly(self: Engine, tiles: Any) -> Any:
        time.sleep(seconds)
        return encode(self, tiles)

    Engine.encode = slowly  # type: ignore[method-assign]


def become(order: dict[str, Any]) -> int:
    """Be the command line, with the faults that were ordered."""
    from histopress import cli
    from histopress.grids import store

    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    store.CHUNK = order.get("chunk", store.CHUNK)
    slow_down(order.get("slow", 0.0))
    if "fault" in order:
        fail_at(order["at"], order["fault"])
    sys.argv[1:] = order["arguments"]
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)


def leave(code: int) -> NoReturn:
    """End as the interpreter does, waiting for threads, but without taking a second to tidy up libraries."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def wait(pid: int, seconds: float) -> int | None:
    """The exit code of a process (negative: its signal); None if it is still running after so long."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.005)


def serve() -> None:
    """Answer orders until there are no more."""
    for module in IMPORTED:
        import_module(module)
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer: Any = wait(order["wait"], order["seconds"])
        else:
            answer = os.fork()
            if answer == 0:
                leave(become(order))
            os.setpgid(answer, answer)  # whoever of the two comes first
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
