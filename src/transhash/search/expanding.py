"""Codes that were found within a radius become hits: counted first, then every entry is written once where it belongs.

A code that was found is one integer, `distance << 32 | label`, with the label that a store gives it (`store`): where
many entries share a code, far fewer integers than hits.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from transhash.kernels import inlined, kernel
from transhash.search import selection
from transhash.search.bitops import borrow
from transhash.search.hits import Hits, check_memory, unwritten
from transhash.search.packed import Packed
from transhash.search.runs import Ids, Numbers, by_rank
from transhash.search.selection import EVERY, Keys, passes
from transhash.search.store import ALL, SHARED, U32, Bitmap, Store
from transhash.threads import spread

_NONE = np.empty(0, np.uint32)
_NONE.flags.writeable = False


class Found(NamedTuple):
    """The codes found for some queries, those of one after those of another."""

    first: int  # the first of these queries
    keys: Keys
    ends: Numbers  # where each query's end


class Gathered:
    """All codes found for some queries; raises `HammingIndexError` where memory has no room for hits of so many."""

    def __init__(self) -> None:
        self.parts: list[Found] = []
        self._count = 0

    def take(self, found: Found) -> None:
        """The codes found for some of the queries."""
        self.parts.append(found)
        self._count += len(found.keys)
        check_memory(self._count, f"more than {self._count:,} hits")


class Shared(NamedTuple):
    """Which entries a label stands for, and which of them may be found."""

    starts: U32
    members: U32
    alive: Bitmap

    @classmethod
    def of(cls, store: Store | Packed, alive: Bitmap) -> Shared:
        """What a search of a store finds: in a compact one, ranks of entries that may be found."""
        return cls(_NONE, _NONE, ALL) if isinstance(store, Packed) else cls(store.starts, store.members, alive)


def hits(found: list[Found], shared: Shared, ids: Ids, queries: int, *, ordered: bool) -> Hits:
    """All entries of the codes found for `queries` queries, each query's by (distance, id) or in any order."""
    counts = np.zeros(queries, np.int64)
    spread(lambda part: weigh(part.keys, part.ends, *shared, EVERY, counts[part.first :]), found)
    ends = np.cumsum(counts)
    result = unwritten(counts)
    first_id, known = by_rank(ids)

    def write(part: Found) -> None:
        last = part.first + len(part.ends)
        own = slice(ends[part.first] - counts[part.first], ends[last - 1])
        places = result.distances[own], result.ids[own]
        if ordered:
            _write_in_order(part.keys, part.ends, *shared, counts[part.first : last], known, first_id, *places)
        else:
            _write(part.keys, *shared, known, first_id, *places)

    spread(write, found)
    return result


def ranked(found: Found, shared: Shared, most: int) -> tuple[Keys, Numbers]:
    """Sorted keys `distance << 32 | rank` of at most `most` entries of each code, and where each query's end."""
    totals = np.empty(len(found.ends), np.int64)
    weigh(found.keys, found.ends, *shared, most, totals)
    keys = np.empty(totals.sum(), np.int64)
    _rank(found.keys, found.ends, *shared, most, totals, keys)
    return keys, np.cumsum(totals)


@inlined
def _weight(starts, members, alive, label, most):  # type: ignore[no-untyped-def]
    """How many entries with a label may be found, up to `most`."""
    if len(starts) == 0 or label < SHARED:
        return np.int64(passes(alive, label))
    first = np.int64(starts[label - SHARED])
    last = np.int64(starts[label - SHARED + 1])
    if len(alive) == 0:
        return min(last - first, most)
    weight = np.int64(0)
    for i in range(first, last):
        weight += passes(alive, np.int64(members[i]))
    return min(weight, most)


@kernel
def weigh(keys, ends, starts, members, alive, most, totals):  # type: ignore[no-untyped-def]
    """Write how many entries were found for each query, at most `most` of each code."""
    keys, starts, members, alive = borrow(keys), borrow(starts), borrow(members), borrow(alive)
    begin = 0
    for q in range(len(ends)):
        total = np.int64(0)
        for i in range(begin, ends[q]):
            total += _weight(starts, members, alive, keys[i] & 0xFFFFFFFF, most)
        totals[q] = total
        begin = ends[q]


@kernel
def _write(keys, starts, members, alive, known, first_id, distances, ids):  # type: ignore[no-untyped-def]
    """Write distance and id of each entry: the id of a rank is `known`, or follows `first_id`."""
    keys, starts, members, alive, known = borrow(keys), borrow(starts), borrow(members), borrow(alive), borrow(known)
    distances, ids = borrow(distances), borrow(ids)
    place = np.int64(0)
    for key in keys:
        distance, label = np.int32(key >> 32), key & 0xFFFFFFFF
        if len(starts) == 0 or label < SHARED:
            if passes(alive, label):
                distances[place] = distance
                ids[place] = first_id + label if len(known) == 0 else known[label]
                place += 1
            continue
        for i in range(np.int64(starts[label - SHARED]), np.int64(starts[label - SHARED + 1])):
            rank = np.int64(members[i])
            if passes(alive, rank):
                distances[place] = distance
                ids[place] = first_id + rank if len(known) == 0 else known[rank]
                place += 1


@kernel
def _rank(keys, ends, starts, members, alive, most, totals, ranked):  # type: ignore[no-untyped-def]
    """Write the sorted keys of each query's entries, at most `most` of each code; `totals` says how many they are."""
    spare = np.empty(totals.max(), np.int64)
    begin = place = np.int64(0)
    for q in range(len(ends)):
        _expand(keys[begin : ends[q]], starts, members, alive, most, ranked[place : place + totals[q]])
        selection.sort_beside(ranked[place : place + totals[q]], spare)
        begin = ends[q]
        place += totals[q]


@kernel
def _write_in_order(keys, ends, starts, members, alive, totals, known, first_id, distances, ids):  # type: ignore[no-untyped-def]
    """As `_write`, each query's by (distance, id)."""
    room = np.empty((2, totals.max()), np.int64)
    begin = place = np.int64(0)
    for q in range(len(ends)):
        own = room[0, : totals[q]]
        _expand(keys[begin : ends[q]], starts, members, alive, EVERY, own)
        selection.sort_beside(own, room[1])
        for i in range(len(own)):
            distances[place + i] = own[i] >> 32
            rank = own[i] & 0xFFFFFFFF
            ids[place + i] = first_id + rank if len(known) == 0 else known[rank]
        begin = ends[q]
        place += totals[q]


@kernel
def _expand(keys, starts, members, alive, most, ranked):  # type: ignore[no-untyped-def]
    """Write `distance << 32 | rank` of each entry, at most `most` of each code."""
    keys, starts, members, alive, ranked = borrow(keys), borrow(starts), borrow(members), borrow(alive), borrow(ranked)
    place = np.int64(0)
    for key in keys:
        distance, label = key >> 32 << 32, key & 0xFFFFFFFF
        if len(starts) == 0 or label < SHARED:
            if passes(alive, label):
                ranked[place] = distance | label
                place += 1
            continue
        end = place + most
        for i in range(np.int64(starts[label - SHARED]), np.int64(starts[label - SHARED + 1])):
            rank = np.int64(members[i])
            if place < end and passes(alive, rank):
                ranked[place] = distance | rank
                place += 1
