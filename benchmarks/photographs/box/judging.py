"""How good features, embeddings and codes are on the sets that choose, which nothing is trained on.

A quarter of each set queries the others; tie-aware mAP, the mean over sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

import transhash
from transhash.evaluation.cosine import cosine_map
from transhash.model.fitted import Head, fit_head

Labels = NDArray[np.int64]
Kept = Mapping[str, tuple[NDArray[np.int8], Labels]]  # embeddings (N, V) of each set, and their classes


def floats(kept: Kept) -> float:
    """Of the cosines of embeddings."""

    def score(values: NDArray[np.int8], labels: Labels, q: int) -> float:
        vectors = values.astype(np.float32)
        return cosine_map(vectors[:q], labels[:q], vectors[q:], labels[q:])

    return _mean(kept, score)


def general(kept: Kept, head: Head) -> float:
    """Of codes by one head."""
    return _mean(kept, lambda values, labels, q: _codes(head, values, labels, q))


def fitted(kept: Kept, bits: int) -> float:
    """Of codes fitted to each set."""
    return _mean(kept, lambda values, labels, q: _codes(fit_head(values[q:], bits=bits), values, labels, q))


def _codes(head: Head, values: NDArray[np.int8], labels: Labels, q: int) -> float:
    codes = head.codes(values)
    return transhash.evaluate(codes[:q], labels[:q], codes[q:], labels[q:]).map


def _mean(kept: Kept, score: Callable[[NDArray[np.int8], Labels, int], float]) -> float:
    found = []
    for values, labels in kept.values():
        rows = np.random.default_rng(0).permutation(len(labels))
        found.append(score(values[rows], labels[rows], len(rows) // 4))
    return float(np.mean(found))
