"""Slides shared by threads: opened once, closed when others are used, never while somebody reads."""

from __future__ import annotations

from typing import Any, cast

import pytest

from histopress.data.open_slides import KEPT, OpenSlides


class Stub:
    def __init__(self, name: str) -> None:
        if name == "bad":
            raise ValueError(name)
        self.name, self.closed = name, False

    def close(self) -> None:
        self.closed = True


def test_slides_stay_open_while_used_and_a_little_longer() -> None:
    made: list[Stub] = []

    def opener(name: str) -> Any:
        made.append(Stub(name))
        return made[-1]

    slides = OpenSlides(opener)
    with slides.use("used") as used:
        for name in "abcd":
            with slides.use(name), slides.use(name) as slide:
                assert not cast(Any, slide).closed
        with pytest.raises(ValueError, match="bad"), slides.use("bad"):
            pass
        slides.close()
        assert not cast(Any, used).closed
    assert [stub.name for stub in made] == ["used", "a", "b", "c", "d"]
    assert [stub.closed for stub in made] == [False, True, True, True, True]
    slides.close()
    assert made[0].closed


def test_the_last_ones_are_not_opened_again() -> None:
    made: list[str] = []

    def opener(name: str) -> Any:
        made.append(name)
        return Stub(name)

    slides = OpenSlides(opener)
    names = [str(n) for n in range(KEPT)]
    for name in names * 3:
        with slides.use(name):
            pass
    assert made == names
