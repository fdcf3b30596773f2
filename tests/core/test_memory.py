from __future__ import annotations

import numpy as np
import psutil

from histopress.core.memory import resident_bytes


def test_it_is_what_the_system_says() -> None:
    block = np.ones(40_000_000, np.uint8)
    found = resident_bytes()
    assert abs(found - psutil.Process().memory_info().rss) < 0.3 * found
    assert found > len(block)
