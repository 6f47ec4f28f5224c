"""ITQ: principal components, rotated so that their signs lose least.

Gong and Lazebnik, "Iterative Quantization: A Procrustean Approach to Learning Binary Codes", CVPR 2011.

    head = itq(features, bits=64)             # float32 (F + 1, B)
    values = features @ head[:-1] + head[-1]  # their signs are the codes
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError
from transhash.shallow.functions import Features, Labels, Linear, unvarying

ITERATIONS = 50  # as published
_LEAST = 1e-10  # of the greatest variance: components with less are noise of the sums


def itq(features: NDArray[np.float32], bits: int, *, seed: int = 0, wide: bool = False) -> NDArray[np.float32]:
    """A linear hash function for features (N, F): float32 (F + 1, bits), weights and below them what is added.

    With `wide` there may be more bits than principal components: the rotation is then one of a larger space, of which
    the components are a part. Else raises `DataError` when there are fewer features, or fewer items, than bits; and
    always when a `wide` one is asked of features that do not vary.
    """
    N, F = features.shape
    if not wide and min(N - 1, F) < bits:
        raise DataError(
            "",
            f"{bits} bits need more than {bits} pictures and as many features, not {N} and {F}",
            "ask for fewer bits",
        )
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred / N)
    width = min(bits, F)
    if wide and (width := min(width, int((variances > variances[-1] * _LEAST).sum()))) == 0:
        raise unvarying(features, "itq")
    components = vectors[:, ::-1][:, :width]  # (F, B), the greatest first
    projected = centred @ components
    random = np.random.Generator(np.random.PCG64(seed))
    rotation = np.linalg.qr(random.standard_normal((bits, bits)))[0][:width]
    for _ in range(ITERATIONS):
        signs = np.where(projected @ rotation > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(projected.T @ signs, full_matrices=False)
        rotation = left @ right  # the rotation that takes the components nearest to their signs
    weights = components @ rotation
    return np.vstack([weights, -(mean @ weights)]).astype(np.float32)


def itq_function(features: Features, labels: Labels, bits: int, *, seed: int = 0) -> Linear:
    """ITQ as published, as a hash function; of `labels` nothing is used."""
    return Linear(itq(features, bits, seed=seed))
