"""How near the k nearest are, guessed from some of the codes: a scan that knows it keeps far fewer candidates.

A scan that begins without a bound keeps some k · ln(N / k) candidates before the bound has fallen. The guess is a
little too far, so that seldom fewer than k are found; whoever uses it looks, and scans again without it.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from transhash.kernels import inlined, kernel
from transhash.search.bitops import TOLD, borrow, load, near64, ones
from transhash.search.store import Store
from transhash.search.words import PADDING, Words

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
    """Lower `bounds` to the distance within which `wanted` of each 64th code are, where that is at most `TOLD`."""
    codes, queries, bounds = borrow(codes), borrow(queries), borrow(bounds)
    some = np.zeros((size // ONE_IN + PADDING, len(width)), np.uint64)
    for i in range(size // ONE_IN):
        for word in range(len(width)):
            some[i, word] = codes[i * ONE_IN + ONE_IN // 2, word]
    near = 32 * len(width)  # as far as two random codes; then each query begins where the one before has ended
    for q in range(len(queries)):
        query = load(queries, q, width)
        while near < bounds[q] and _within(some, query, near) < wanted:
            near += 1
        while near > 0 and _within(some, query, near - 1) >= wanted:
            near -= 1
        if near <= TOLD:
            bounds[q] = min(bounds[q], near)


@inlined
def _within(some, query, bound):  # type: ignore[no-untyped-def]
    """How many of some codes are within a bound; more with one beyond `TOLD`."""
    count = np.int64(0)
    size = len(some) - PADDING
    for row in range(0, size, 64):
        near = near64(some, row, query, bound)
        if size - row < 64:
            near &= (np.int64(1) << (size - row)) - 1
        count += ones(np.uint64(near))
    return count
