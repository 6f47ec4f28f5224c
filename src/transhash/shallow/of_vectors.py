"""The methods of a `Binarizer`: those of this room, and simple ones for vectors that are trained already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError
from transhash.shallow.bre import bre
from transhash.shallow.functions import Features, Labels, Linear, Method
from transhash.shallow.itq import itq
from transhash.shallow.ksh import ksh
from transhash.shallow.learned import learned
from transhash.shallow.lsh import lsh
from transhash.shallow.sh import sh


def _itq(features: Features, labels: Labels, bits: int, *, seed: int) -> Linear:
    return Linear(itq(features, bits, seed=seed, wide=True))


def _rotation(features: Features, labels: Labels, bits: int, *, seed: int) -> Linear:
    """Random directions at right angles to one another, as far as there are so many, through the mean."""
    mean, width = features.mean(axis=0, dtype=np.float64), features.shape[1]
    random = np.random.Generator(np.random.PCG64(seed))
    turns = [np.linalg.qr(random.standard_normal((width, width)))[0] for _ in range(0, bits, width)]
    weights = np.hstack(turns)[:, :bits]
    return Linear(np.vstack([weights, -(mean @ weights)]))


def _sign(features: Features, labels: Labels, bits: int, *, seed: int) -> Linear:
    return _each(features, bits, np.zeros(features.shape[1]), "sign")


def _median(features: Features, labels: Labels, bits: int, *, seed: int) -> Linear:
    return _each(features, bits, np.median(features, axis=0), "median")


def _each(features: Features, bits: int, thresholds: NDArray[np.floating], method: str) -> Linear:
    if bits != features.shape[1]:
        raise DataError(
            "",
            f"{method} gives a bit for each of {features.shape[1]} features, not {bits} bits",
            f"use bits={features.shape[1]}, or another method",
        )
    return Linear(np.vstack([np.eye(bits), -thresholds]))


METHODS: dict[str, Method] = {
    "itq": _itq,
    "lsh": lsh,
    "rotation": _rotation,
    "sh": sh,
    "ksh": ksh,
    "bre": bre,
    "learned": learned,
    "median": _median,
    "sign": _sign,
}
SUPERVISED = ("ksh", "bre")
EITHER = ("learned",)  # with labels or without
