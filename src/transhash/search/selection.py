"""The k best candidates of a query, kept so that a search learns early what it need not look at.

A candidate is one integer, `distance << 32 | rank`: their order is the order of results. It stands for all entries that
share one code and carries the rank of the first of them that may be found; the others are filled in at the end. A
selection is a row of `keys` (room for more than k), of `counts` (entries seen at each distance) and of `state`.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from transhash.search.small import NONE
from transhash.search.store import SHARED

SIZE, BOUND, WITHIN, LIMIT = (
    0,
    1,
    2,
    3,
)  # state: keys held, distance beyond which nothing is of use, entries within it, key
# from which on nothing is of use

Keys = npt.NDArray[np.int64]


def room(k: int) -> int:
    """Keys to hold for k results: space to collect before sorting out pays off."""
    return 2 * k + 256


def begin(bounds: npt.NDArray[np.int64], k: int, bits: int) -> tuple[Keys, Keys, Keys]:
    """Selections that want nothing beyond `bounds` [Q]: keys [Q, room], counts [Q, bits + 1], state [Q, 4]."""
    state = np.zeros((len(bounds), 4), np.int64)
    state[:, BOUND] = bounds
    state[:, LIMIT] = NONE
    return np.empty((len(bounds), room(k)), np.int64), np.zeros((len(bounds), bits + 1), np.int64), state


@njit(nogil=True, cache=True, forceinline=True)
def passes(alive, rank):  # type: ignore[no-untyped-def]
    """Whether the bitmap `alive` lets an entry be found; an empty bitmap lets all."""
    return len(alive) == 0 or (alive[rank >> 6] >> np.uint64(rank & 63)) & np.uint64(1) != 0


@njit(nogil=True, cache=True, forceinline=True)
def stands_for(labels, starts, members, alive, row, k):  # type: ignore[no-untyped-def]
    """(rank of the first entry with the code at `row` that may be found, number of such entries, or at least k)."""
    rank = np.int64(labels[row])
    weight = np.int64(1)
    if rank >= SHARED:
        first = np.int64(starts[rank - SHARED])
        last = np.int64(starts[rank - SHARED + 1])
        weight = last - first
        rank = np.int64(members[first])
        if len(alive):
            weight = np.int64(0)
            for i in range(first, last):
                member = np.int64(members[i])
                if passes(alive, member):
                    if weight == 0:
                        rank = member
                    weight += 1
                    if weight == k:
                        break
    elif not passes(alive, rank):
        weight = np.int64(0)
    return rank, weight


@njit(nogil=True, cache=True, forceinline=True)
def keep(keys, counts, state, k, key, weight):  # type: ignore[no-untyped-def]
    """Take in a candidate within the bound that stands for `weight` entries; the bound shrinks when it can."""
    if weight == 0 or key >= state[LIMIT]:
        return
    if state[SIZE] == len(keys):
        _sort_out(keys, state, k)
        if key >= state[LIMIT]:
            return
    keys[state[SIZE]] = key
    state[SIZE] += 1
    counts[key >> 32] += weight
    within = state[WITHIN] + weight
    bound = state[BOUND]
    while within - counts[bound] >= k:
        within -= counts[bound]
        bound -= 1
    state[WITHIN] = within
    state[BOUND] = bound


@njit(nogil=True, cache=True)
def _sort_out(keys, state, k):  # type: ignore[no-untyped-def]
    keys.sort()
    state[SIZE] = k
    state[LIMIT] = keys[k - 1]


@njit(nogil=True, cache=True)
def finish(labels, rows, starts, members, alive, keys, state, k, best):  # type: ignore[no-untyped-def]
    """Write the keys of the k best entries in order into `best` [k], padded with NONE."""
    size = 0
    for i in range(state[SIZE]):
        if keys[i] >> 32 <= state[BOUND]:
            keys[size] = keys[i]
            size += 1
    found = keys[:size]
    found.sort()
    if len(starts):
        done = _expand(labels, rows, starts, members, alive, found, k, best)
    else:
        done = min(size, k)
        best[:done] = found[:done]
    best[done:] = NONE


@njit(nogil=True, cache=True)
def _expand(labels, rows, starts, members, alive, found, k, best):  # type: ignore[no-untyped-def]
    """Replace each code by its entries: at each distance the first ranks of all codes there."""
    pool = np.empty(2 * k, np.int64)
    done = 0
    begin = 0
    while begin < len(found) and done < k:
        distance = found[begin] >> 32
        pooled = 0
        while begin < len(found) and found[begin] >> 32 == distance:
            label = np.int64(labels[rows[found[begin] & 0xFFFFFFFF]])
            first = np.int64(starts[label - SHARED]) if label >= SHARED else 0
            last = np.int64(starts[label - SHARED + 1]) if label >= SHARED else 1
            taken = 0
            for i in range(first, last):
                rank = np.int64(members[i]) if label >= SHARED else label
                if passes(alive, rank):
                    if pooled == len(pool):
                        pool.sort()
                        pooled = k
                    pool[pooled] = (distance << 32) | rank
                    pooled += 1
                    taken += 1
                    if taken == k - done:
                        break
            begin += 1
        level = pool[:pooled]
        level.sort()
        pooled = min(pooled, k - done)
        best[done : done + pooled] = level[:pooled]
        done += pooled
    return done


@njit(nogil=True, cache=True, forceinline=True)
def collect(labels, starts, members, alive, keys, found, row, distance):  # type: ignore[no-untyped-def]
    """Append every entry of the code at `row` to `keys`, of which `found` are in use; returns both anew."""
    label = np.int64(labels[row])
    first = np.int64(starts[label - SHARED]) if label >= SHARED else 0
    last = np.int64(starts[label - SHARED + 1]) if label >= SHARED else 1
    while found + last - first > len(keys):
        keys = np.concatenate((keys, np.empty_like(keys)))
    for i in range(first, last):
        rank = np.int64(members[i]) if label >= SHARED else label
        if passes(alive, rank):
            keys[found] = (distance << 32) | rank
            found += 1
    return keys, found
