"""The tools that are compared with, each in a throw-away virtual environment of its own.

They run on the CPU beside a CPU build of torch. The registry has torchvision for CUDA only: its file imports
with `workers/torchvision_ops.py`. A tool that cannot be installed is reported as absent, with the reason.
histopress itself gets such an environment too, so that it is compared on the same torch.

    python benchmarks/peers.py --peers build/peers [--only NAME,...]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

TORCH = "torch==2.13.0"
WORKERS = Path(__file__).parent / "workers"

CHECK = """
import sys; sys.path.insert(0, {workers!r})
{shim}
import {modules}
"""

VERSIONS = """
import json
from importlib.metadata import distributions
print(json.dumps({d.name.lower(): d.version for d in distributions()}))
"""

REQUIRED = """
import re
from importlib.metadata import requires
from packaging.requirements import Requirement
for line in requires({package!r}):
    need = Requirement(line)
    wanted = need.marker is None or need.marker.evaluate(dict(extra=""))
    if wanted and need.name not in ("torch", "torchvision"):
        need.marker = None
        print(need)
"""


@dataclass(frozen=True)
class Peer:
    """One environment.

    Attributes:
        name: of its folder.
        packages: what pip is asked for.
        modules: what must import.
        unpinned: a package whose limits on torch and torchvision are left out; all else it requires is there.
        torch: whether it computes with torch.
    """

    name: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    unpinned: str = ""
    torch: bool = True


@dataclass(frozen=True)
class Installed:
    """An environment as found: its interpreter, or the reason why there is none."""

    peer: Peer
    python: Path
    absent: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def version(self, *names: str) -> str:
        """Names and versions of packages in it."""
        return ", ".join(f"{name} {self.versions[name]}" for name in names if name in self.versions)


READERS = ("openslide-python", "openslide-bin", "tiffslide", "fastslide", "numpy", "simplejpeg", "tifffile")

PEERS = {
    peer.name: peer
    for peer in (
        Peer("histopress", ("--editable", str(WORKERS.parents[1]), "timm"), ("histopress", "timm")),
        Peer("readers", (*READERS, "pillow"), ("openslide", "tiffslide", "fastslide"), torch=False),
        Peer("lazyslide", ("lazyslide", "wsidata", "openslide-bin", "timm"), ("lazyslide", "wsidata")),
        Peer("slide2vec", ("slide2vec", "hs2p", "openslide-bin", "timm"), ("slide2vec", "hs2p")),
        Peer("tiatoolbox", ("timm",), ("tiatoolbox.models",), unpinned="tiatoolbox"),
    )
}


def find(name: str, folder: Path) -> Installed:
    """The environment of a peer under a folder, made if it is not there."""
    peer = PEERS[name]
    home = folder / name
    python = home / "bin" / "python"
    if not (home / "READY").exists() and not (home / "ABSENT").exists():
        _install(peer, home)
    if (home / "ABSENT").exists():
        return Installed(peer, python, (home / "ABSENT").read_text())
    return Installed(peer, python, versions=json.loads(_said(python, VERSIONS)))


def needed(name: str, folder: Path) -> Path:
    """The interpreter of an environment without which nothing can be measured."""
    found = find(name, folder)
    if found.absent:
        sys.exit(f"{name} cannot be installed in {folder / name}: {found.absent}")
    return found.python


def _install(peer: Peer, home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    try:
        _run(sys.executable, "-m", "venv", str(home))
        python = home / "bin" / "python"
        _pip(python, "--upgrade", "pip", "packaging")
        torch = (TORCH, "torchvision") if peer.torch else ()
        if peer.unpinned:
            _pip(python, "--no-deps", peer.unpinned)
            torch += tuple(_said(python, REQUIRED.format(package=peer.unpinned)).splitlines())
        _pip(python, *torch, *peer.packages)
        shim = "import torchvision_ops" if peer.torch else ""
        _said(python, CHECK.format(workers=str(WORKERS), shim=shim, modules=", ".join(peer.modules)))
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout or str(error)).strip().splitlines()
        home.mkdir(exist_ok=True)
        (home / "ABSENT").write_text(" ".join(lines[-3:])[-400:])
    else:
        (home / "READY").touch()


def _pip(python: Path, *what: str) -> None:
    _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what)


def _said(python: Path, code: str) -> str:
    return _run(str(python), "-c", code)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, default=Path("build/peers"))
    parser.add_argument("--only", default=",".join(PEERS), help="names, by comma")
    given = parser.parse_args()
    for name in given.only.split(","):
        found = find(name, given.peers.resolve())
        print(f"{name}: {found.absent or 'ready'}", flush=True)


if __name__ == "__main__":
    main()
