"""Exponential and GELU of values on a grid, so that every implementation of them gives the same after rounding.

Implementations of a float32 function differ in their last digits, and so does what they are rounded to, if a value lies
near the middle between two steps. Of the few values on a grid none does: that is checked here, in float64.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

EXP_GRID, GELU_GRID = 7, 7  # inputs are multiples of 2^-grid
EXP_SHIFT = 4.15625  # is added to scores, whose largest is 0, before the exponential is taken
EXP_STEP = 2.0**-4  # to which exponentials are rounded; e^EXP_SHIFT is 1021 of them
_DOUBT = 5e-7  # error of a float32 function, as a share of e^x or of x, that does no harm: four units of a last place
_TRIES = 1024
_REACH = 64  # inputs that are checked lie between minus and plus this


class UnsafeStepsError(ArithmeticError):
    """Whatever the steps, some value lies too near the middle between two of them."""


def gelu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """GELU (Hendrycks and Gimpel, 2016), x Φ(x)."""
    return np.array([v * 0.5 * math.erfc(-v / math.sqrt(2)) for v in x])


@cache
def _gelu_on_grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = np.arange(-_REACH * 2**GELU_GRID, _REACH * 2**GELU_GRID + 1) / 2.0**GELU_GRID
    return x, gelu(x)


def gelu_scale(scale: float) -> float:
    """A scale, hardly larger, by which GELU of every value on the grid is safely rounded."""
    x, y = _gelu_on_grid()
    for i in range(_TRIES):
        near = float(np.float32(scale * (1 + i / 2**14)))
        if (_to_middle(y / near) > _DOUBT * np.abs(x) / near).all():
            return near
    raise UnsafeStepsError(f"no scale near {scale} is safe for GELU")


def _to_middle(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far values are from the middle between two whole numbers."""
    return np.abs(np.abs(y - np.floor(y)) - 0.5)
