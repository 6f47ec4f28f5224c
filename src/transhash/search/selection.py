"""The k best candidates of a query, kept so that a search learns early what it need not look at.

A result is one integer, `distance << 32 | rank`: their order is the order of results. A candidate stands for all
entries with one code: `distance << 32 | rank << 1 | shared`, with the rank of the first of them that may be found.
When `shared`, the others are filled in at the end, and only then is their group looked up: two cache misses. A
selection is a row of `keys` (room for more than k), of `counts` (entries seen at each distance) and of `state`.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transhash.kernels import inlined, kernel
from transhash.search.bitops import borrow
from transhash.search.small import NONE
from transhash.search.store import SHARED

SIZE, BOUND, WITHIN, LIMIT = (
    0,
    1,
    2,
    3,
)  # state: keys held, distance beyond which nothing is of use, entries within it, key
# from which on nothing is of use

EVERY = 1 << 32  # more entries than any code has
SHORT = 160  # keys; more are sorted by their digits, which takes 3 µs and a little for each

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


@inlined
def start(counts, state, bound):  # type: ignore[no-untyped-def]
    """Empty a selection, which wants nothing beyond `bound`."""
    counts[:] = 0
    state[SIZE] = 0
    state[BOUND] = bound
    state[WITHIN] = 0
    state[LIMIT] = NONE


@inlined
def passes(alive, rank):  # type: ignore[no-untyped-def]
    """Whether the bitmap `alive` lets an entry be found; an empty bitmap lets all."""
    return len(alive) == 0 or (alive[rank >> 6] >> np.uint64(rank & 63)) & np.uint64(1) != 0


@inlined
def stands_for(labels, starts, members, alive, row, k):  # type: ignore[no-untyped-def]
    """(`rank << 1 | shared` for the code at `row`, how many of its entries may be found, up to k)."""
    rank = np.int64(labels[row])
    weight = np.int64(1)
    shared = np.int64(rank >= SHARED)
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
    return (rank << 1) | shared, weight


@inlined
def keep(keys, counts, state, k, key, weight):  # type: ignore[no-untyped-def]
    """Take in a candidate within the bound that stands for `weight` entries; the bound shrinks when it can."""
    if weight == 0 or key >= state[LIMIT]:
        return
    if state[SIZE] == len(keys):
        _make_room(keys, state, k)
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


@kernel
def sort(keys):  # type: ignore[no-untyped-def]
    """Sort in place."""
    sort_beside(keys, np.empty(len(keys), np.int64))


@kernel
def sort_beside(keys, spare):  # type: ignore[no-untyped-def]
    """Sort in place keys of 0 and more, with as much spare room as there are keys.

    Short rows by how many keys each is greater than: eight comparisons are one instruction, and no branch is guessed.
    """
    if len(keys) > SHORT:
        _sort_by_digits(keys, spare[: len(keys)])
        return
    keys, spare = borrow(keys), borrow(spare)
    for i in range(len(keys)):
        spare[i] = keys[i]
        keys[i] = -1
    for i in range(len(keys)):
        place = np.int64(0)
        for j in range(len(keys)):
            place += spare[j] < spare[i]
        while keys[place] >= 0:  # by an equal one
            place += 1
        keys[place] = spare[i]


@kernel
def _sort_by_digits(keys, target):  # type: ignore[no-untyped-def]
    """Radix sort of ranks below 2³² and distances below 2²⁰.

    Digits in which all agree are skipped, and those of the rank when ranks ascend already.
    """
    differing = np.int64(0)
    ascending = True
    for i in range(1, len(keys)):
        differing |= keys[i] ^ keys[0]
        ascending &= (keys[i] & 0xFFFFFFFF) >= (keys[i - 1] & 0xFFFFFFFF)
    places = np.empty(2048, np.int64)
    source = keys
    for shift, digit in ((0, 2047), (11, 2047), (22, 1023), (32, 1023), (42, 1023)):
        if (differing >> shift) & digit == 0 or (ascending and shift < 32):
            continue
        places[:] = 0
        for i in range(len(source)):
            places[(source[i] >> shift) & digit] += 1
        before = np.int64(0)
        for i in range(digit + 1):
            here = places[i]
            places[i] = before
            before += here
        for i in range(len(source)):
            value = (source[i] >> shift) & digit
            target[places[value]] = source[i]
            places[value] += 1
        source, target = target, source
    keys[:] = source


@kernel
def _make_room(keys, state, k):  # type: ignore[no-untyped-def]
    """Drop what the bound has overtaken; when that is little, because many are equally near, keep the first k only."""
    size = 0
    for i in range(len(keys)):
        if keys[i] >> 32 <= state[BOUND]:
            keys[size] = keys[i]
            size += 1
    if size > len(keys) - len(keys) // 4:
        sort(keys[:size])
        size = k
        state[LIMIT] = keys[k - 1]
    state[SIZE] = size


@kernel
def finish(labels, rows, starts, members, alive, keys, state, k, best):  # type: ignore[no-untyped-def]
    """Write the keys of the k best entries in order into `best` [k], padded with NONE."""
    size = 0
    for i in range(state[SIZE]):
        if keys[i] >> 32 <= state[BOUND]:
            keys[size] = keys[i]
            size += 1
    found = keys[:size]
    sort(found)
    if len(starts):
        done = _expand(labels, rows, starts, members, alive, found, k, best)
    else:  # each candidate is one entry
        done = min(size, k)
        for i in range(done):
            best[i] = (found[i] >> 32 << 32) | (found[i] & 0xFFFFFFFF) >> 1
    best[done:] = NONE


@kernel
def _expand(labels, rows, starts, members, alive, found, k, best):  # type: ignore[no-untyped-def]
    """Replace each candidate by its entries: at each distance the first ranks of all codes there."""
    labels, rows, starts, members = borrow(labels), borrow(rows), borrow(starts), borrow(members)
    alive, found, best = borrow(alive), borrow(found), borrow(best)
    pool = np.empty(2 * k, np.int64)
    done = 0
    begin = 0
    while begin < len(found) and done < k:
        distance = found[begin] >> 32
        pooled = 0
        mixed = False
        while begin < len(found) and found[begin] >> 32 == distance:
            rank = (found[begin] & 0xFFFFFFFF) >> 1
            first = np.int64(0)
            last = np.int64(1)
            shared = found[begin] & 1
            if shared:
                group = np.int64(labels[rows[rank]]) - SHARED
                first = np.int64(starts[group])
                last = np.int64(starts[group + 1])
                mixed = True
            taken = 0
            for i in range(first, last):
                if shared:
                    rank = np.int64(members[i])
                    if not passes(alive, rank):
                        continue
                if pooled == len(pool):
                    sort(pool)
                    pooled = k
                pool[pooled] = (distance << 32) | rank
                pooled += 1
                taken += 1
                if taken == k - done:
                    break
            begin += 1
        level = pool[:pooled]
        if mixed:
            sort(level)
        pooled = min(pooled, k - done)
        best[done : done + pooled] = level[:pooled]
        done += pooled
    return done


@inlined
def collect(labels, starts, members, alive, keys, found, row, distance):  # type: ignore[no-untyped-def]
    """Append `distance << 32 | label` of the code at `row` to `keys`, and return how many of `keys` are in use then.

    That may be more than there is room for: what does not fit is counted only. Without any room, entries are counted.
    """
    if len(keys) == 0:
        return found + stands_for(labels, starts, members, alive, row, EVERY)[1]
    if found < len(keys):
        keys[found] = (distance << 32) | np.int64(labels[row])
    return found + 1
