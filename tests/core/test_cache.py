"""Where the package keeps what it can make again."""

from __future__ import annotations

from pathlib import Path

import pytest

from histopress.core.cache import cache_folder


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOPRESS_CACHE", "/one")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    assert cache_folder() == Path("/one")
    monkeypatch.delenv("HISTOPRESS_CACHE")
    assert cache_folder() == Path("/two/histopress")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "histopress"
