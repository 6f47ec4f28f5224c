"""ITQ after a linear map that brings each item nearer to its neighbours: kinds of items stand further apart.

Gong and Lazebnik, "Iterative Quantization: A Procrustean Approach to Learning Binary Codes", CVPR 2011, after a map
that is ours.

    head = smoothed_itq(features, bits=64)    # float32 (F + 1, B)
    values = features @ head[:-1] + head[-1]  # their signs are the codes

The map is the ridge regression from features, less their mean, to the mean direction of an item and its neighbours:
those of its five nearest by the cosine that have it among their own five nearest. Features differ in much that has
nothing to do with what is shown; neighbours share little of that, and the map learns to leave it out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transhash.shallow.functions import Features, Labels, Linear
from transhash.shallow.itq import itq
from transhash.system import one_blas_thread

NEIGHBOURS = 5  # chosen, as RIDGE was, on photographs that nothing reports (docs/decisions.md)
RIDGE = 0.1  # of the mean variance of a feature
_PART = 512  # items that are compared with all at once


def smoothed_itq(features: NDArray[np.float32] | NDArray[np.int8], bits: int, *, seed: int = 0) -> NDArray[np.float32]:
    """A linear hash function for features (N, F): float32 (F + 1, bits), weights and below them what is added.

    Compares all pairs of items, so that N should be some thousands. Raises `DataError` for fewer features, or items,
    than bits.
    """
    if not len(features):  # which itq refuses
        return itq(features, bits, seed=seed)
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    with one_blas_thread():
        products = centred.T @ centred
        ridge = RIDGE * np.trace(products) / len(products)
        if not ridge:  # all are equal
            return itq(features, bits, seed=seed)
        towards = np.linalg.solve(products + ridge * np.eye(len(products)), centred.T @ smoothed(centred))
        head = itq((centred @ towards).astype(np.float32), bits, seed=seed)
        weights = towards @ head[:-1]
    return np.vstack([weights, head[-1] - mean @ weights]).astype(np.float32)


def smoothed(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean direction of each vector (N, F) and its mutual neighbours: (N, F)."""
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(float).tiny)
    nearest, mutual = neighbours(units)
    total = units.copy()
    for place in range(nearest.shape[1]):
        total += mutual[:, place, None] * units[nearest[:, place]]
    return np.asarray(total / (1 + mutual.sum(axis=1, keepdims=True)))


def neighbours(units: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of vectors of length 1 (N, F) the `NEIGHBOURS` nearest of each (N, k), and which of them have it among theirs."""
    count = min(NEIGHBOURS, len(units) - 1)
    nearest = np.empty((len(units), count), np.int64)
    narrow = units.astype(np.float32)
    for first in range(0, len(units), _PART):
        likeness = narrow[first : first + _PART] @ narrow.T
        own = np.arange(len(likeness))
        likeness[own, first + own] = -np.inf
        nearest[first : first + _PART] = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
    items = np.arange(len(units))[:, None]
    return nearest, (nearest[nearest] == items[:, :, None]).any(axis=2)


def smoothed_function(features: Features, labels: Labels, bits: int, *, seed: int = 0) -> Linear:
    """The same as a hash function; of `labels` nothing is used."""
    return Linear(smoothed_itq(features, bits, seed=seed))
