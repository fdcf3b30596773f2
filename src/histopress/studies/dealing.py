"""Rows and labels dealt so that chance favours no class: drawing evenly, and the null control."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray


def even_order(labels: NDArray[Any], random: Generator) -> NDArray[np.intp]:
    """(rows,) rows in an order in which every class comes up as evenly as its share allows.

    The first ones, however many, hold the classes in about the shares that all of them hold. Within a class
    the order is random.

    Args:
        labels: (rows,) class of every row.
        random: is drawn from.
    """
    return _in_turn(_shuffled(labels, random))


def dealt_anew(labels: NDArray[Any], random: Generator) -> NDArray[Any]:
    """(rows,) the same labels, dealt out anew: the null control, in which nothing is left to learn.

    Every true class gets all labels in the shares they have overall. Dealt by plain chance, the labels of
    a few rows would keep a bit of the truth, or of its contrary, and an easy signal would be found by it.

    Args:
        labels: (rows,) class of every row.
        random: is drawn from.
    """
    rows, dealt = _shuffled(labels, random), np.empty_like(labels)
    dealt[np.concatenate(rows)] = labels[_in_turn(rows)]
    return dealt


def _shuffled(labels: NDArray[Any], random: Generator) -> list[NDArray[np.intp]]:
    """The rows of each class, in random order."""
    return [random.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]


def _in_turn(rows: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    turn = np.concatenate([(np.arange(len(own)) + 0.5) / len(own) for own in rows])
    found: NDArray[np.intp] = np.concatenate(rows)[np.argsort(turn, kind="stable")]
    return found
