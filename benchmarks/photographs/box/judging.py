"""How good features, embeddings and codes are on the sets that choose, which nothing is trained on.

A quarter of each set queries the others; tie-aware mAP, the mean over sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

import transhash
from transhash.evaluation.cosine import cosine_map
from transhash.model.fitted import fit_head

Labels = NDArray[np.int64]
Kept = Mapping[str, tuple[NDArray[np.int8], Labels]]  # embeddings (N, V) of each set, and their classes
Coder = Callable[[NDArray[np.int8]], NDArray[np.uint8]]  # embeddings (N, V) to packed codes (N, B/8)


def floats(kept: Kept) -> float:
    """Of the cosines of embeddings."""

    def score(values: NDArray[np.int8], labels: Labels, q: int) -> float:
        vectors = values.astype(np.float32)
        return cosine_map(vectors[:q], labels[:q], vectors[q:], labels[q:])

    return _mean(kept, score)


def general(kept: Kept, codes: Coder) -> float:
    """Of codes that are computed alike for all sets."""
    return _mean(kept, lambda values, labels, q: _codes(codes, values, labels, q))


def fitted(kept: Kept, bits: int) -> float:
    """Of codes fitted to each set."""
    return _mean(kept, lambda values, labels, q: _codes(fit_head(values[q:], bits).codes, values, labels, q))


def _codes(codes: Coder, values: NDArray[np.int8], labels: Labels, q: int) -> float:
    found = codes(values)
    return transhash.evaluate(found[:q], labels[:q], found[q:], labels[q:]).map


def _mean(kept: Kept, score: Callable[[NDArray[np.int8], Labels, int], float]) -> float:
    found = []
    for values, labels in kept.values():
        rows = np.random.default_rng(0).permutation(len(labels))
        found.append(score(values[rows], labels[rows], len(rows) // 4))
    return float(np.mean(found))
