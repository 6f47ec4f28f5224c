"""A linear map after which cosines tell better which items of a collection are of one kind, learned without labels.

    linear = nearness(features, values=128)       # float32 (F + 1, 128)
    mapped = features @ linear[:-1] + linear[-1]  # whose cosines order

Items that are among each other's nearest mostly show the same kind of thing: in what these differ counts less after the
map, and each is drawn to the mean direction of its neighbours (`smoothed`). A part of the plain distance is kept: of
kinds that have few items in the sample neighbours know little. Chosen on photographs that nothing reports
(docs/decisions.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transhash.shallow.smoothed import neighbours, smoothed
from transhash.system import one_blas_thread

SHARED = 1.0  # of the mean difference of neighbours is added to that in every direction,
FEW = 3.0  # and as much more as there are values for each pair of them
RIDGE = 0.3  # of the mean variance of a value
PLAIN = 0.25  # of the squared length is that of what was there before

Floats = NDArray[np.float64]


def nearness(features: NDArray[np.float32] | NDArray[np.int8], values: int) -> NDArray[np.float32] | None:
    """The map for features (N, F): float32 (F + 1, values), weights and below them what is added.

    Compares all pairs of items, so that N should be some thousands. None where features do not vary enough to tell
    anything: neighbours that do not differ, or fewer directions than values.
    """
    with one_blas_thread():
        mean = features.mean(axis=0, dtype=np.float64)
        centred = features - mean
        units = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.finfo(float).tiny)
        nearest, mutual = neighbours(units)
        differences = (centred[:, None] - centred[nearest])[mutual]
        products = differences.T @ differences / max(len(differences), 1)
        shared = (SHARED + FEW * len(products) / max(len(differences), 1)) * np.trace(products) / len(products)
        if not shared or min(len(features) - 1, len(products)) < values:
            return None
        variances, directions = np.linalg.eigh(products + shared * np.eye(len(products)))
        evened = directions / np.sqrt(variances)
        towards = evened @ _smoothing(centred @ evened)
        towards *= np.linalg.norm(centred) / np.linalg.norm(centred @ towards)
        linear = _main(towards @ towards.T + PLAIN * np.eye(len(towards)), centred, values)
    return np.vstack([linear, -(mean @ linear)]).astype(np.float32)


def _smoothing(vectors: Floats) -> Floats:
    """The ridge regression from vectors (N, F) to the mean directions of their neighbours: (F, F)."""
    products = vectors.T @ vectors
    ridge = RIDGE * np.trace(products) / len(products)
    return np.asarray(np.linalg.solve(products + ridge * np.eye(len(products)), vectors.T @ smoothed(vectors)))


def _main(metric: Floats, centred: Floats, values: int) -> Floats:
    """The map (F, values) to the principal components that items have in a metric (F, F), spread over all values."""
    variances, directions = np.linalg.eigh(metric)
    root = directions * np.sqrt(variances)
    mapped = centred @ root
    components = np.linalg.eigh(mapped.T @ mapped)[1][:, ::-1][:, :values]
    rotation = np.linalg.qr(np.random.Generator(np.random.PCG64(0)).standard_normal((values, values)))[0]
    return np.asarray(root @ components @ rotation)
