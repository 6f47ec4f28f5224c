"""SH: the eigenfunctions of a box around the principal components, cut at zero.

Weiss, Torralba and Fergus, "Spectral Hashing", NIPS 2008.

    function = sh(features, None, 64)
    values = function.values(features)  # their signs are the codes

On a box with sides R the eigenfunctions that vary along one side are sin(π/2 + k π x / R), x counted from the side's
start, and the slowest of them become the bits: long sides carry several, short ones may carry none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transhash.shallow.functions import Features, Labels, unvarying

_MARGIN = float(np.finfo(np.float64).eps)  # of the box, as published


@dataclass(frozen=True)
class Waves:
    """A wave a bit: `head` is float64 (F + 1, B), the phase as a linear function."""

    head: NDArray[np.float64]

    def values(self, features: Features) -> NDArray[np.float32]:
        """Relaxed codes, float32 (M, B), of features (M, F)."""
        phases = features @ self.head[:-1] + self.head[-1]
        values: NDArray[np.float32] = np.sin(np.pi / 2 + phases).astype(np.float32)
        return values


def sh(features: Features, labels: Labels, bits: int, *, seed: int = 0) -> Waves:
    """Spectral hashing of features (N, F) to any number of bits; neither `labels` nor `seed` play a part.

    Raises `DataError` when the features do not vary.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    vectors = np.linalg.eigh(centred.T @ centred)[1]
    components = vectors[:, ::-1][:, :bits]  # (F, min(B, F)), the greatest first
    projected = centred @ components
    start = projected.min(axis=0) - _MARGIN
    sides = projected.max(axis=0) + _MARGIN - start
    if sides.max() <= 4 * _MARGIN:
        raise unvarying(features, "sh")
    axes, modes = slowest(sides, bits)
    frequencies = modes * np.pi / sides[axes]
    weights = components[:, axes] * frequencies
    return Waves(np.vstack([weights, -(mean @ weights) - start[axes] * frequencies]))


def slowest(sides: NDArray[np.float64], bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of the waves along the sides (D,) of a box, the `bits` with the least frequency: their axes and modes k >= 1."""
    most = np.ceil((bits + 1) * sides / sides.max()).astype(np.int64) - 1  # the longest side alone could fill the code
    axes = np.repeat(np.arange(len(sides)), most)
    modes = np.concatenate([np.arange(1, count + 1) for count in most])
    order = np.argsort((modes / sides[axes]) ** 2, kind="stable")[:bits]
    return axes[order], modes[order]
