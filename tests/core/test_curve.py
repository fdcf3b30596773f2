"""What follows from a curve."""

from __future__ import annotations

import itertools

import pytest

from histopress.core.curve import Epoch, as_csv, best, finished, good_enough, learning_rate


def curve(*tuning: float) -> list[Epoch]:
    return [Epoch(i, 2 * value, value, 0.1) for i, value in enumerate(tuning)]


def test_the_best_is_the_earliest_lowest() -> None:
    assert best(curve(3, 1, 2, 1)).epoch == 1
    assert best(curve(3, 1, 2, 1), tuned=False).epoch == 3


def test_the_end_is_reached_by_epochs_or_patience() -> None:
    assert not finished([], 5, 2)
    assert not finished(curve(3, 1, 2), 5, 2)
    assert finished(curve(3, 1, 2, 1), 5, 2)
    assert finished(curve(5, 4, 3, 2, 1), 5, 2)
    assert not finished(curve(3, 1, 2, 1), 5, 2, tuned=False)


def test_cosine_warms_up_then_falls_to_a_hundredth() -> None:
    rates = [learning_rate("cosine", 0.4, 40, curve(*[1.0] * n)) for n in range(40)]
    assert rates[0] < rates[1] < rates[2] == pytest.approx(0.4)
    assert all(a > b for a, b in itertools.pairwise(rates[2:]))
    assert 0.004 < rates[-1] < 0.01


def test_plateau_divides_by_ten_after_five_epochs_without_progress_down_to_a_thousandth() -> None:
    falling = [float(-n) for n in range(30)]
    assert learning_rate("plateau", 0.01, 99, curve(*falling)) == 0.01
    assert learning_rate("plateau", 0.01, 99, curve(1, *[2] * 4)) == 0.01
    assert learning_rate("plateau", 0.01, 99, curve(1, *[2] * 5)) == pytest.approx(1e-3)
    assert learning_rate("plateau", 0.01, 99, curve(1, *[2] * 5, 0, *[2] * 5)) == pytest.approx(1e-4)
    assert learning_rate("plateau", 0.01, 99, curve(1, *[2] * 50)) == pytest.approx(1e-5)


def test_constant_stays() -> None:
    assert learning_rate("constant", 0.3, 9, curve(1, 2, 3)) == 0.3


def test_steps_are_a_tenth_from_every_milestone_on() -> None:
    rates = [learning_rate("steps", 0.3, 6, curve(*[1.0] * n), (2, 4)) for n in range(6)]
    assert rates == pytest.approx([0.3, 0.3, 0.03, 0.03, 0.003, 0.003])
    assert learning_rate("steps", 0.3, 6, curve(*[1.0] * 5)) == 0.3
    assert learning_rate("steps", 0.3, 6, curve(1), (0, 0)) == pytest.approx(0.003)


def test_good_enough_is_so_many_epochs_in_a_row() -> None:
    assert not good_enough([], 0.5, 1)
    assert not good_enough(curve(0.4), 0.5, 2)
    assert good_enough(curve(0.9, 0.4, 0.3), 0.5, 2)
    assert not good_enough(curve(0.4, 0.3, 0.5), 0.5, 2)


def test_the_table_has_a_line_an_epoch() -> None:
    head = "epoch,train,tuning,lr,waiting,speed\n"
    assert as_csv(curve(0.25, 0.125)) == head + "0,0.5,0.25,0.1,0,0\n1,0.25,0.125,0.1,0,0\n"


def test_parts_are_columns_and_what_is_not_known_is_nan() -> None:
    first = Epoch(0, 0.5, 0.25, 0.1, {"b": 2.0}, waiting=0.5, speed=30.0)
    second = Epoch(1, 0.5, 0.25, 0.1, {"a": 1.0, "b": 3.0})
    lines = as_csv([first, second]).splitlines()
    assert lines[0] == "epoch,train,tuning,lr,b,a,waiting,speed"
    assert lines[1:] == ["0,0.5,0.25,0.1,2,nan,0.5,30", "1,0.5,0.25,0.1,3,1,0,0"]


def test_time_does_not_make_epochs_differ() -> None:
    assert Epoch(0, 1.0, 1.0, 0.1, waiting=0.5, speed=3.0) == Epoch(0, 1.0, 1.0, 0.1)
    assert Epoch(0, 1.0, 1.0, 0.1, {"a": 1.0}) != Epoch(0, 1.0, 1.0, 0.1)
