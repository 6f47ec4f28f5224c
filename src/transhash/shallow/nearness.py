"""A linear map after which cosines tell better which items of a collection are of one kind, learned without labels.

    linear = nearness(features)                   # float32 (F + 1, F)
    mapped = features @ linear[:-1] + linear[-1]  # whose cosines order

Items that are among each other's nearest mostly show the same kind of thing: in what these differ counts less after the
map, and each is drawn to the mean direction of its neighbours (`smoothed`). A part of the plain distance is kept. The
smaller the share of a collection that was seen, the more of it: of kinds with few items in a sample neighbours tell
little. Chosen on photographs that nothing reports (docs/decisions.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transhash.shallow.smoothed import neighbours, smoothed
from transhash.system import one_blas_thread

SHARED = 1.0  # of the mean difference of neighbours is added to that in every direction,
FEW = 3.0  # and as much more as there are values for each pair of them
RIDGE = 0.3  # of the mean variance of a value
LEAST = 1e-9  # of the mean length, which is about 1, of the mean directions of neighbours: less is noise of the sums
PLAIN = 0.25  # of the squared length is that of what was there before, where the whole collection was seen

Floats = NDArray[np.float64]


def nearness(features: NDArray[np.float32] | NDArray[np.int8], share: float = 1.0) -> NDArray[np.float32] | None:
    """The map for features (N, F): float32 (F + 1, F), weights and below them what is added.

    They are a sample of that `share` of a collection. Compares all pairs of items, so that N should be some thousands.
    None where neighbours do not differ, or all have the same mean direction, as up to six items have: each is a
    neighbour of all others.
    """
    with one_blas_thread():
        mean = features.mean(axis=0, dtype=np.float64)
        centred = features - mean
        units = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.finfo(float).tiny)
        nearest, mutual = neighbours(units)
        differences = (centred[:, None] - centred[nearest])[mutual]
        products = differences.T @ differences / max(len(differences), 1)
        shared = (SHARED + FEW * len(products) / max(len(differences), 1)) * np.trace(products) / len(products)
        if not shared:
            return None
        variances, directions = np.linalg.eigh(products + shared * np.eye(len(products)))
        evened = directions / np.sqrt(variances)
        towards = evened @ _smoothing(centred @ evened)
        reached = np.linalg.norm(centred @ towards)
        if reached < LEAST * len(centred) ** 0.5:
            return None
        towards *= np.linalg.norm(centred) / reached
        variances, directions = np.linalg.eigh(towards @ towards.T + PLAIN / share * np.eye(len(towards)))
        # turned, so that no value is much larger than others, and a byte holds each
        random = np.random.Generator(np.random.PCG64(0))
        linear = directions * np.sqrt(variances) @ np.linalg.qr(random.standard_normal(towards.shape))[0]
    return np.vstack([linear, -(mean @ linear)]).astype(np.float32)


def _smoothing(vectors: Floats) -> Floats:
    """The ridge regression from vectors (N, F) to the mean directions of their neighbours: (F, F)."""
    products = vectors.T @ vectors
    ridge = RIDGE * np.trace(products) / len(products)
    return np.asarray(np.linalg.solve(products + ridge * np.eye(len(products)), vectors.T @ smoothed(vectors)))
