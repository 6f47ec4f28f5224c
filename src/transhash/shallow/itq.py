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
from transhash.system import one_blas_thread

ITERATIONS = 50  # as published
_PART = 1024  # features that are in memory as float64 at once
_LEAST = 1e-10  # of the greatest variance: components with less are noise of the sums


def itq(
    features: NDArray[np.float32] | NDArray[np.int8], bits: int, *, seed: int = 0, wide: bool = False
) -> NDArray[np.float32]:
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
    with one_blas_thread():
        return _fitted(features, bits, seed, wide=wide)


def _fitted(
    features: NDArray[np.float32] | NDArray[np.int8], bits: int, seed: int, *, wide: bool
) -> NDArray[np.float32]:
    N, F = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    parts = [slice(first, first + _PART) for first in range(0, N, _PART)]
    products = np.zeros((F, F))
    for part in parts:
        centred = features[part] - mean
        products += centred.T @ centred
    variances, vectors = np.linalg.eigh(products / N)
    width = min(bits, F)
    if wide and (width := min(width, int((variances > variances[-1] * _LEAST).sum()))) == 0:
        raise unvarying(features, "itq")
    components = vectors[:, ::-1][:, :width]  # (F, B), the greatest first
    projected = np.concatenate([(features[part] - mean) @ components for part in parts])
    random = np.random.Generator(np.random.PCG64(seed))
    rotation = np.linalg.qr(random.standard_normal((bits, bits)))[0][:width]
    for _ in range(ITERATIONS):
        fits = np.zeros((width, bits))
        for part in parts:
            fits += projected[part].T @ np.where(projected[part] @ rotation > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(fits, full_matrices=False)
        rotation = left @ right  # the rotation that takes the components nearest to their signs
    weights = components @ rotation
    return np.vstack([weights, -(mean @ weights)]).astype(np.float32)


def itq_function(features: Features, labels: Labels, bits: int, *, seed: int = 0) -> Linear:
    """ITQ as published, as a hash function; of `labels` nothing is used."""
    return Linear(itq(features, bits, seed=seed))
