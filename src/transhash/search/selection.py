"""The k best candidates of a query, kept so that a scan learns early what it need not look at.

A candidate is one integer, `distance << 32 | label`: their order is the order of results. A selection is a row of
`keys` (room for more than k), a row of `counts` (candidates seen at each distance) and a row of `state`.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

NONE = np.int64(np.iinfo(np.int64).max)  # sorts behind every candidate; pads short results
SIZE, BOUND, WITHIN, LIMIT = (
    0,
    1,
    2,
    3,
)  # state: keys held; no farther distance is of use; seen within it; first useless key
LOW = np.int64(0xFFFFFFFF)

Keys = npt.NDArray[np.int64]


def room(k: int) -> int:
    """Keys to hold for k results: space to collect before sorting out pays off."""
    return 2 * k + 256


def begin(queries: int, k: int, bits: int) -> tuple[Keys, Keys, Keys]:
    """Empty selections: keys [Q, room], counts [Q, bits + 1], state [Q, 4]."""
    state = np.zeros((queries, 4), np.int64)
    state[:, BOUND] = bits
    state[:, LIMIT] = NONE
    return np.empty((queries, room(k)), np.int64), np.zeros((queries, bits + 1), np.int64), state


@njit(nogil=True, cache=True)
def keep(keys, counts, state, k, key, weight):  # type: ignore[no-untyped-def]
    """Take in a candidate within the bound that stands for `weight` results; the bound shrinks when it can."""
    if key >= state[LIMIT]:
        return
    size = state[SIZE]
    if size == len(keys):
        keys.sort()
        size = k
        state[LIMIT] = keys[k - 1]
        if key >= state[LIMIT]:
            state[SIZE] = size
            return
    keys[size] = key
    state[SIZE] = size + 1
    counts[key >> 32] += weight
    within = state[WITHIN] + weight
    bound = state[BOUND]
    while within - counts[bound] >= k:
        within -= counts[bound]
        bound -= 1
    state[WITHIN] = within
    state[BOUND] = bound


@njit(nogil=True, cache=True)
def finish(keys, state, k, best):  # type: ignore[no-untyped-def]
    """Write the k best keys in order into `best` [k], padded with NONE."""
    size = 0
    for i in range(state[SIZE]):
        if keys[i] >> 32 <= state[BOUND]:
            keys[size] = keys[i]
            size += 1
    found = keys[:size]
    found.sort()
    size = min(size, k)
    best[:size] = found[:size]
    best[size:] = NONE
