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
def finish(labels, rows, starts, members, alive, keys, state, k, best, ordered):  # type: ignore[no-untyped-def]
    """Write the keys of the k best entries, in order or not, into `best` [k], padded with NONE."""
    labels, rows, starts, members = borrow(labels), borrow(rows), borrow(starts), borrow(members)
    alive, keys, best = borrow(alive), borrow(keys), borrow(best)
    bound = state[BOUND]
    shared = np.empty(state[SIZE], np.int64)
    done = sharing = last = np.int64(0)
    for i in range(state[SIZE]):  # no branch, for none could be guessed; `best` has room, since fewer than k are nearer
        key = keys[i]
        distance = key >> 32
        best[done] = _entry(key)
        done += (distance < bound) & (key & 1 == 0)
        shared[sharing] = key
        sharing += (distance < bound) & (key & 1)
        keys[last] = key
        last += distance == bound
    for i in range(sharing):  # where their groups are: many misses of the cache at once
        shared[i] = (shared[i] >> 32 << 32) | _group(labels, rows, shared[i])
    for i in range(sharing):
        group = shared[i] & 0xFFFFFFFF
        for place in range(np.int64(starts[group]), np.int64(starts[group + 1])):
            rank = np.int64(members[place])
            if passes(alive, rank):
                best[done] = (shared[i] >> 32 << 32) | rank
                done += 1
    done += _first(labels, rows, starts, members, alive, keys[:last], best[done:])
    best[done:] = NONE
    if ordered:
        sort(best[:done])


@inlined
def _entry(key):  # type: ignore[no-untyped-def]
    """The first entry of a candidate."""
    return (key >> 32 << 32) | (key & 0xFFFFFFFF) >> 1


@inlined
def _group(labels, rows, key):  # type: ignore[no-untyped-def]
    """The group of entries of a candidate that is shared."""
    return np.int64(labels[rows[(key & 0xFFFFFFFF) >> 1]]) - SHARED


@inlined
def _first(labels, rows, starts, members, alive, found, best):  # type: ignore[no-untyped-def]
    """Write the first entries of candidates, all at one distance, as far as there is room; how many there are."""
    k = len(best)
    pool = np.empty(max(2 * k, len(found)), np.int64)
    pooled = np.int64(0)
    for key in found:
        if pooled == len(pool):
            sort(pool)
            pooled = np.int64(k)
        if key & 1 == 0:
            pool[pooled] = _entry(key)
            pooled += 1
            continue
        group = _group(labels, rows, key)
        taken = 0
        for place in range(np.int64(starts[group]), np.int64(starts[group + 1])):
            if taken == k:
                break
            rank = np.int64(members[place])
            if not passes(alive, rank):
                continue
            if pooled == len(pool):
                sort(pool)
                pooled = np.int64(k)
            pool[pooled] = (key >> 32 << 32) | rank
            pooled += 1
            taken += 1
    if pooled > k:
        sort(pool[:pooled])
        pooled = np.int64(k)
    best[:pooled] = pool[:pooled]
    return pooled


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
