"""The exact scan: a block of codes stays in the first-level cache while every query looks at it."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from transhash.kernels import inlined, kernel
from transhash.search import guessing, hits, planes, selection
from transhash.search.bitops import borrow, load, lowest, near32, ones, prefetch
from transhash.search.hits import Hits
from transhash.search.runs import Ids, Numbers
from transhash.search.selection import BOUND, Keys
from transhash.search.small import NONE
from transhash.search.store import Bitmap, Store
from transhash.search.words import Words
from transhash.threads import cuts, spread, workers

BLOCK_BYTES = 16384
QUERIES_AT_ONCE = 256
ROWS_WORTH_A_THREAD = 1 << 16
EVERY = 1 << 32  # more entries than any code has
COUNTED = 1 << 10  # queries whose hits are counted before the first is written
HITS_AT_ONCE = 1 << 23  # hits of a group of queries that are held while they are sorted

# What receives hits: (first query, last query, their sorted keys one after the other, where each query's end)
Take = Callable[[int, int, Keys, Numbers], None]


def nearest(store: Store, alive: Bitmap, queries: Words, k: int, bits: int, bounds: Numbers) -> Keys:
    """The k best entries within `bounds` [Q]: keys `distance << 32 | rank`, int64 [Q, k], sorted, padded with NONE."""
    if len(alive):
        return _scan(store, alive, queries, k, bits, bounds)
    guessed = np.minimum(bounds, guessing.bounds_of(store, queries, k, bits))
    best = _scan(store, alive, queries, k, bits, guessed)
    missed = (best[:, -1] == NONE) & (guessed < bounds)
    if missed.any():
        again = queries[missed]
        again.flags.writeable = False
        best[missed] = _scan(store, alive, again, k, bits, bounds[missed])
    return best


def _scan(store: Store, alive: Bitmap, queries: Words, k: int, bits: int, bounds: Numbers) -> Keys:
    """The same, where `bounds` are what there is to know."""
    size = store.unique
    by_rows = _is_shared_by_rows(len(queries), size)
    if by_rows:
        pieces = [(0, len(queries), *rows) for rows in cuts(size, workers(), 32)]
    else:
        at_once = max(1, min(QUERIES_AT_ONCE, (1 << 22) // selection.room(k), -(-len(queries) // workers())))
        pieces = [(first, min(first + at_once, len(queries)), 0, size) for first in range(0, len(queries), at_once)]
    block = _block(store)

    def run(piece: tuple[int, int, int, int]) -> Keys:
        first, last, begin, end = piece
        best = np.empty((last - first, k), np.int64)
        own = queries[first:last]
        room, kept = planes.room(own, block), selection.begin(bounds[first:last], k, bits)
        _nearest(store, alive, begin, end, block, room, own, store.width, k, *kept, best)
        return best

    found = spread(run, pieces)
    if by_rows:
        return np.sort(np.concatenate(found, axis=1), axis=1)[:, :k]
    return np.concatenate(found) if found else np.empty((0, k), np.int64)


def within(store: Store, alive: Bitmap, ids: Ids, queries: Words, bounds: Numbers, ordered: bool) -> Hits:
    """All entries within `bounds` [Q], each query's by (distance, id) or in any order."""
    parts = []

    def prepare(totals: Numbers) -> Take:
        ends = np.cumsum(totals)
        part = Hits(totals, np.empty(ends[-1], np.int32), np.empty(ends[-1], np.int64))
        parts.append(part)

        def take(first: int, last: int, keys: Keys, _: Numbers) -> None:
            own = slice(ends[first] - totals[first], ends[last - 1])
            hits.resolve(keys, ids, part.distances[own], part.ids[own])

        return take

    for first in range(0, len(queries), COUNTED):
        own = slice(first, first + COUNTED)
        each_within(store, alive, queries[own], bounds[own], EVERY, ordered, prepare, HITS_AT_ONCE)
    return hits.joined(parts)


def count_within(store: Store, alive: Bitmap, queries: Words, bounds: Numbers) -> Numbers:
    """How many entries are within `bounds` [Q] of each query, int64 [Q]."""
    parts = [
        _Counted.of(store, alive, queries[first : first + COUNTED], bounds[first : first + COUNTED], EVERY).totals
        for first in range(0, len(queries), COUNTED)
    ]
    return np.concatenate(parts)


def each_within(
    store: Store,
    alive: Bitmap,
    queries: Words,
    bounds: Numbers,
    most: int,
    ordered: bool,
    prepare: Callable[[Numbers], Take],
    held: int,
) -> None:
    """Give the keys of all entries within `bounds` to what `prepare` makes, given how many each query has [Q].

    At most `most` of those that share a code, in a store with tables. Those of some queries at a time, `held` keys or
    those of one query. Count first, then write every hit once to where it belongs: hits may be many, and fresh memory
    is dear.
    """
    given, step, rows, by_rows, counts = counted = _Counted.of(store, alive, queries, bounds, most)
    totals = counted.totals
    take = prepare(totals)

    def collect(group: tuple[int, int]) -> None:
        first, last = group
        ends = np.cumsum(totals[first:last])
        keys = np.empty(ends[-1], np.int64)
        places = ends - totals[first:last] + np.cumsum(counts[:, first:last], axis=0) - counts[:, first:last]

        def fill(part: int) -> None:
            _fill(*given, *rows[part], first, last, places[part], keys)

        spread(fill, range(len(rows)))
        if ordered:
            _sort(keys, ends, np.empty(totals[first:last].max(), np.int64))
        take(first, last, keys, ends)

    groups = _groups(totals, step, held)
    if by_rows:  # threads share the rows of one group
        for group in groups:
            collect(group)
    else:
        spread(collect, groups)


class _Counted(NamedTuple):
    """How many hits each query has in each part of the rows, and what was given to the kernel that counted them."""

    given: tuple[Any, ...]
    step: int  # queries that a thread takes at once
    rows: list[tuple[int, int]]  # the parts
    by_rows: bool
    counts: Numbers  # [parts, Q]

    @property
    def totals(self) -> Numbers:
        """How many hits each query has [Q]."""
        return np.asarray(self.counts.sum(axis=0))

    @classmethod
    def of(cls, store: Store, alive: Bitmap, queries: Words, bounds: Numbers, most: int) -> _Counted:
        size, Q = store.unique, len(queries)
        block = _block(store)
        by_rows = _is_shared_by_rows(len(queries), size)
        rows = cuts(size, workers() if by_rows else 1, block)
        some = np.zeros((-(-size // block), Q), np.bool_)  # which blocks have hits of which queries
        counts = np.zeros((len(rows), Q), np.int64)
        given = (store, alive, block, queries, store.width, bounds, most, some)

        def count(piece: tuple[int, int, int]) -> None:
            part, first, last = piece
            room = planes.room(queries[first:last], block)
            _count(*given, room, *rows[part], first, last, counts[part])

        step = max(1, min(QUERIES_AT_ONCE, -(-Q // workers())))
        spread(count, [(part, first, min(first + step, Q)) for part in range(len(rows)) for first in range(0, Q, step)])
        return cls(given, step, rows, by_rows, counts)


def _is_shared_by_rows(queries: int, size: int) -> bool:
    """Whether threads share the rows rather than the queries: there are too few queries, and rows enough."""
    return queries < 2 * workers() and size >= 2 * ROWS_WORTH_A_THREAD


def _block(store: Store) -> int:
    """Rows that stay in the first-level cache while every query looks at them, two bytes for each of their own."""
    return max(planes.ROWS, BLOCK_BYTES // (16 * len(store.width)))


def _groups(totals: Numbers, most: int, most_hits: int) -> list[tuple[int, int]]:
    """Cut the queries into runs of at most `most`, with at most `most_hits` hits together, or one query."""
    groups = []
    first = held = 0
    for q, total in enumerate(totals.tolist()):
        if q > first and (held + total > most_hits or q - first == most):
            groups.append((first, q))
            first, held = q, 0
        held += total
    return [*groups, (first, len(totals))]


@inlined
def distance_to(codes, row, query):  # type: ignore[no-untyped-def]
    """Hamming distance between a row and a query given as a tuple of words."""
    total = 0
    for i in range(len(query)):
        total += ones(codes[row, i] ^ query[i])
    return total


@inlined
def _near(codes, row, query, bound, top, bottom, room, lane):  # type: ignore[no-untyped-def]
    """Which of the rows from `row` on, 32 or those of a mask, may be within `bound`; none from `bottom` on."""
    if room is None:
        step, near = 32, near32(codes, row, query, bound)
    else:
        step, near = planes.ROWS, np.int64(room.masks[lane, (row - top) // planes.ROWS])
    if bottom - row < step:
        near &= (np.int64(1) << (bottom - row)) - 1
    return near


@kernel
def _nearest(store, alive, begin, end, block, room, queries, width, k, keys, counts, state, best):  # type: ignore[no-untyped-def]
    codes, labels, starts, members = (
        borrow(store.codes), borrow(store.labels), borrow(store.starts), borrow(store.members)
    )  # fmt: skip
    alive, queries, keys, counts, state = borrow(alive), borrow(queries), borrow(keys), borrow(counts), borrow(state)
    step = 32 if room is None else planes.ROWS
    some = np.empty((2, block), np.int64)  # `distance << 32 | row`: of this query, and of the one before
    other = 0
    waiting = 0
    last = 0
    for top in range(begin, end, block):
        bottom = min(top + block, end)
        if room is not None:
            planes.turn(codes, top, bottom, width, room)
        for q in range(len(queries)):
            query = load(queries, q, width)
            bound = state[q, BOUND]
            count = 0
            lane = q % planes.TOGETHER
            if room is not None:
                if lane == 0:
                    planes.compare(bottom - top, q, state[:, BOUND], width, room)
                if not room.some[lane]:
                    continue
            for row in range(top, bottom, step):
                near = _near(codes, row, query, bound, top, bottom, room, lane)
                while near:
                    candidate = row + lowest(near)
                    near &= near - 1
                    distance = distance_to(codes, candidate, query)
                    if distance <= bound:
                        prefetch(labels, candidate)  # it comes while the next query is compared
                        some[1 - other, count] = (distance << 32) | candidate
                        count += 1
            _take(labels, starts, members, alive, some[other, :waiting], keys[last], counts[last], state[last], k)
            other, waiting, last = 1 - other, count, q
    _take(labels, starts, members, alive, some[other, :waiting], keys[last], counts[last], state[last], k)
    for q in range(len(queries)):
        selection.finish(labels, store.rows, starts, members, alive, keys[q], state[q], k, best[q])


@inlined
def _take(labels, starts, members, alive, some, keys, counts, state, k):  # type: ignore[no-untyped-def]
    """Take in what is still within the bound of a query: codes as `distance << 32 | row`."""
    for i in range(len(some)):
        if some[i] >> 32 <= state[BOUND]:
            place, weight = selection.stands_for(labels, starts, members, alive, some[i] & 0xFFFFFFFF, k)
            selection.keep(keys, counts, state, k, (some[i] >> 32 << 32) | place, weight)


@kernel
def _count(store, alive, block, queries, width, bounds, most, some, room, begin, end, first, last, counts):  # type: ignore[no-untyped-def]
    """Count the hits of queries `first` to `last` among rows `begin` to `end`."""
    codes, labels, starts, members = (
        borrow(store.codes), borrow(store.labels), borrow(store.starts), borrow(store.members)
    )  # fmt: skip
    alive, queries = borrow(alive), borrow(queries)
    step = 32 if room is None else planes.ROWS
    for top in range(begin, end, block):
        bottom = min(top + block, end)
        if room is not None:
            planes.turn(codes, top, bottom, width, room)
        for q in range(first, last):
            query = load(queries, q, width)
            bound = bounds[q]
            count = np.int64(0)
            lane = (q - first) % planes.TOGETHER
            if room is not None:
                if lane == 0:
                    planes.compare(bottom - top, q - first, bounds[first:last], width, room)
                if not room.some[lane]:
                    continue
            for row in range(top, bottom, step):
                near = _near(codes, row, query, bound, top, bottom, room, lane)
                while near:
                    candidate = row + lowest(near)
                    near &= near - 1
                    if not 0 <= bound <= planes.MOST and distance_to(codes, candidate, query) > bound:
                        continue
                    _, weight = selection.stands_for(labels, starts, members, alive, candidate, most)
                    count += min(weight, most)
            if count:
                some[top // block, q] = True
                counts[q] += count


@kernel
def _fill(store, alive, block, queries, width, bounds, most, some, begin, end, first, last, places, keys):  # type: ignore[no-untyped-def]
    """Write the keys of what `_count` counted, those of query `first + i` from `places[i]` on."""
    codes, labels, starts, members = (
        borrow(store.codes), borrow(store.labels), borrow(store.starts), borrow(store.members)
    )  # fmt: skip
    alive, queries, keys = borrow(alive), borrow(queries), borrow(keys)
    for top in range(begin, end, block):
        bottom = min(top + block, end)
        for q in range(first, last):
            if not some[top // block, q]:
                continue
            query = load(queries, q, width)
            place = places[q - first]
            for row in range(top, bottom, 32):
                near = _near(codes, row, query, bounds[q], top, bottom, None, 0)
                while near:
                    candidate = row + lowest(near)
                    near &= near - 1
                    distance = distance_to(codes, candidate, query)
                    place = selection.collect(labels, starts, members, alive, most, keys, place, candidate, distance)
            places[q - first] = place


@kernel
def _sort(keys, ends, spare):  # type: ignore[no-untyped-def]
    """Sort the keys of each query."""
    begin = 0
    for end in ends:
        selection.sort_beside(keys[begin:end], spare)
        begin = end
