"""SH against its formulas, a picture, a component and a mode at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from transhash.shallow import sh
from transhash.shallow.sh import slowest


def twin(features: np.ndarray, others: np.ndarray, bits: int) -> np.ndarray:
    """The eigenfunctions with the least eigenvalues, from a table of all modes, products over all components."""
    mean = features.mean(axis=0, dtype=np.float64)
    components = np.linalg.svd(features - mean, full_matrices=False)[2][:bits]
    projected, asked = (features - mean) @ components.T, (others - mean) @ components.T
    eps = np.finfo(np.float64).eps
    low, high = projected.min(axis=0) - eps, projected.max(axis=0) + eps
    R = high - low
    table = []
    for axis in range(len(R)):
        for k in range(1, math.ceil((bits + 1) * R[axis] / R.max())):
            mode = np.zeros(len(R))
            mode[axis] = k
            table.append(mode)
    table.sort(key=lambda mode: ((mode * np.pi / R) ** 2).sum())
    values = np.empty((len(others), bits))
    for i, x in enumerate(asked):
        for b, mode in enumerate(table[:bits]):
            values[i, b] = math.prod(np.sin(np.pi / 2 + mode * np.pi / R * (x - low)))
    return values


@pytest.mark.parametrize("bits", [8, 48])  # fewer and more than features
def test_it_is_its_twin(kinds: tuple[np.ndarray, np.ndarray], bits: int) -> None:
    features, others = kinds[0][:300], kinds[0][300:340]
    values = sh(features, None, bits).values(others)
    expected = twin(features, others, bits)
    flipped = np.sign((values * expected).sum(axis=0))  # a component has no sign of its own
    np.testing.assert_allclose(values * flipped, expected, atol=1e-4)


def test_long_sides_take_the_bits() -> None:
    axes, modes = slowest(np.array([6.0, 2.9, 0.1]), 6)
    assert list(zip(axes, modes, strict=True)) == [(0, 1), (0, 2), (1, 1), (0, 3), (0, 4), (1, 2)]


def test_one_long_side_takes_them_all() -> None:
    axes, modes = slowest(np.array([6.0, 0.1]), 3)
    assert list(zip(axes, modes, strict=True)) == [(0, 1), (0, 2), (0, 3)]
