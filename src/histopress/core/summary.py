"""What became of many items: counted, told to people and to machines, written beside what was made."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from histopress.core.failures import Failures
from histopress.core.files import write_whole
from histopress.core.location import Location
from histopress.core.recipe import plain


@dataclass(kw_only=True)
class Summary:
    """What verbs that try every item count, each in fields of its own.

    Attributes:
        output: folder of what was made.
        failures: items that could not be done.
    """

    output: Location
    failures: Failures = field(default_factory=Failures)

    @property
    def facts(self) -> dict[str, Any]:
        """Everything countable, for machines."""
        counted = {k: v for k, v in vars(self).items() if k not in ("failures", "output")}
        return {**counted, "failed": len(self.failures)}

    def write(self) -> None:
        """Write `summary.json` and `failures.csv` into the output folder."""
        write_whole(self.output / "summary.json", json.dumps(plain(self.facts), indent=2) + "\n")
        self.failures.write(self.output)
