"""How near the k nearest are, guessed from some of the codes: a scan that knows it keeps far fewer candidates.

A scan that begins without a bound keeps some k · ln(N / k) candidates before the bound has fallen. The guess is a
little too far, so that seldom fewer than k are found; whoever uses it looks, and scans again without it.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from transhash.kernels import kernel
from transhash.search.bitops import borrow, load, ones
from transhash.search.store import Store
from transhash.search.words import Words

ONE_IN = 64  # codes are looked at
FEWEST = 128  # results for which that tells enough
LEAST = 16  # times as many codes as results
DEVIATIONS = 3.0  # by which more are taken than are expected


def bounds_of(store: Store, queries: Words, k: int, bits: int) -> npt.NDArray[np.int64]:
    """A distance within which each query probably has k of a store's codes, int64 [Q]; `bits` where no guess pays."""
    bounds = np.full(len(queries), bits)
    if k >= FEWEST and store.unique >= LEAST * k:
        expected = k / ONE_IN
        wanted = math.ceil(expected + DEVIATIONS * math.sqrt(expected))
        _guess(store.codes, store.unique, queries, store.width, wanted, bounds)
    return bounds


@kernel
def _guess(codes, size, queries, width, wanted, bounds):  # type: ignore[no-untyped-def]
    """Fill `bounds`: the distance within which `wanted` of each 64th code are."""
    codes, queries, bounds = borrow(codes), borrow(queries), borrow(bounds)
    counts = np.empty(64 * len(width) + 1, np.int64)
    some = np.empty((size // ONE_IN, len(width)), np.uint64)
    for i in range(len(some)):
        for word in range(len(width)):
            some[i, word] = codes[i * ONE_IN + ONE_IN // 2, word]
    for q in range(len(queries)):
        query = load(queries, q, width)
        counts[:] = 0
        for i in range(len(some)):
            distance = 0
            for word in range(len(query)):
                distance += ones(some[i, word] ^ query[word])
            counts[distance] += 1
        within = np.int64(0)
        for distance in range(bounds[q]):
            within += counts[distance]
            if within >= wanted:
                bounds[q] = distance
                break
