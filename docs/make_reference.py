"""Write docs/reference/commands.md from the help of every verb, so that the two cannot differ."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from histopress.cli import overview
from histopress.verbs import STUDIES, VERBS

TARGET = Path(__file__).parent / "reference" / "commands.md"


def help_of(verb: str) -> str:
    """What `histopress VERB --help` prints on a terminal of 100 columns."""
    command = [sys.executable, "-m", "histopress", *verb.split(), "--help"]
    plain = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=plain).stdout.strip()


def main() -> None:
    """Write the page."""
    names = [*VERBS, "study", *(f"study {name}" for name in STUDIES)]
    parts = ["# Commands\n", f"```\n{overview()}\n```\n"]
    parts += [f"## histopress {verb}\n\n```\n{help_of(verb)}\n```\n" for verb in names]
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text("\n".join(parts), encoding="utf-8")
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
