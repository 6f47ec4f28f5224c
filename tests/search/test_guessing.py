"""A scan that guesses how near the k nearest are gives the same as one that does not."""

from __future__ import annotations

import numpy as np

from transhash.search import HammingIndex, guessing
from transhash.search.store import flat
from transhash.search.words import PADDING, to_words

N, K = 1 << 14, 512


def _distances(codes: np.ndarray, query: np.ndarray) -> np.ndarray:
    return np.bitwise_count(codes ^ query).sum(axis=1).astype(int)


def test_a_guess_is_seldom_too_near_and_never_far() -> None:
    codes = np.random.default_rng(1).integers(0, 256, (N, 8), np.uint8)
    store = flat(to_words(codes, 64, PADDING))

    guessed = guessing.bounds_of(store, to_words(codes[:200], 64), K, 64)

    needed = np.array([np.sort(_distances(codes, query))[K - 1] for query in codes[:200]])
    assert (guessed >= needed).mean() > 0.98
    assert (guessed - needed).max() <= 3


def test_a_guess_that_is_too_near_is_made_good() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 256, (N, 8), np.uint8)
    query = codes[guessing.ONE_IN // 2]
    looked_at = np.arange(N) % guessing.ONE_IN == guessing.ONE_IN // 2
    codes[looked_at, 2:] = query[2:]  # near, and too few
    codes[~looked_at, 2:] = ~query[2:] ^ (rng.integers(0, 256, codes[~looked_at, 2:].shape) == 0)
    index = HammingIndex(64)
    index.add(codes)

    distances, ids = index.search(query[None], K, strategy="scan")

    every = _distances(codes, query)
    order = np.lexsort((np.arange(N), every))[:K]
    assert ids[0].tolist() == order.tolist()
    assert distances[0].tolist() == every[order].tolist()
