"""Fixtures of the studies: digits that are easy to tell apart, and files of them in the form of MNIST."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from histopress.studies.mnist_files import Digits

MakeDigits = Callable[[int, int], Digits]
WriteDigits = Callable[[Path, int, int], Path]


@pytest.fixture(scope="session")
def easy_digits() -> MakeDigits:
    """(how many, seed) -> digits."""
    return _easy_digits


@pytest.fixture(scope="session")
def write_digits() -> WriteDigits:
    """(folder, training digits, test digits) -> the folder, with the four files of MNIST in it."""
    return _write_digits


def _easy_digits(count: int, seed: int) -> Digits:
    """So many digits: every class has blocks of ink of its own, and each picture a few wrong pixels."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 10).astype(np.uint8)
    shapes = np.random.default_rng(99).random((10, 7, 7)) < 0.4
    ink = shapes[labels].repeat(4, axis=1).repeat(4, axis=2) ^ (random.random((count, 28, 28)) < 0.03)
    return Digits(np.where(ink, random.integers(64, 256, ink.shape), 0).astype(np.uint8), labels)


def _write_digits(folder: Path, training: int, test: int) -> Path:
    """The four files of MNIST, with so many digits in each half; the folder is made."""
    folder.mkdir(parents=True)
    for seed, (name, count) in enumerate({"train": training, "t10k": test}.items()):
        digits = _easy_digits(count, seed)
        for kind, array in {"images-idx3": digits.pictures, "labels-idx1": digits.labels}.items():
            header = struct.pack(f">{array.ndim + 1}I", 2048 + array.ndim, *array.shape)
            (folder / f"{name}-{kind}-ubyte").write_bytes(header + array.tobytes())
    return folder
