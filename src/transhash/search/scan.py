"""The exact scan: a block of codes stays in the first-level cache while every query looks at it."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from transhash.kernels import inlined, kernel
from transhash.search import expanding, guessing, planes, selection, slices
from transhash.search.bitops import LONG, TOLD, borrow, load, lowest, near64, ones, prefetch
from transhash.search.expanding import Found, Shared
from transhash.search.hits import Hits
from transhash.search.planes import ROWS
from transhash.search.runs import Ids, Numbers
from transhash.search.selection import BOUND, EVERY, Keys
from transhash.search.small import NONE
from transhash.search.store import ALL, Bitmap, Store
from transhash.search.words import Words
from transhash.threads import cuts, spread, workers

turning = slices if slices.FAST else planes  # how many queries look at a block
BLOCK_BYTES = 16384
QUERIES_AT_ONCE = 256
ROWS_WORTH_A_THREAD = 1 << 16
BEST = 1 << 23  # results that threads which share the rows find together: each finds as many as are asked for
COUNTED = 1 << 10  # queries whose hits are counted before the first is written
FOUND_AT_ONCE = 1 << 23  # codes found for a group of queries

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
    parts = workers() if _is_shared_by_rows(len(queries), size) else 1
    parts = min(parts, BEST // max(1, len(queries) * k))
    by_rows = parts > 1
    if by_rows:
        pieces = [(0, len(queries), *rows) for rows in cuts(size, parts, ROWS)]
    else:
        at_once = max(1, min(QUERIES_AT_ONCE, (1 << 22) // selection.room(k), -(-len(queries) // workers())))
        pieces = [(first, min(first + at_once, len(queries)), 0, size) for first in range(0, len(queries), at_once)]

    def run(piece: tuple[int, int, int, int]) -> Keys:
        first, last, begin, end = piece
        best = np.empty((last - first, k), np.int64)
        own, block = queries[first:last], _block(store)
        room, kept = turning.room(own, block), selection.begin(bounds[first:last], k, bits)
        if room is None:  # rows as they are take less room
            block = max(ROWS, BLOCK_BYTES // (8 * len(store.width)))
        _nearest(store, alive, begin, end, block, room, own, store.width, k, *kept, best)
        return best

    found = spread(run, pieces)
    if by_rows:
        return np.sort(np.concatenate(found, axis=1), axis=1)[:, :k]
    return np.concatenate(found) if found else np.empty((0, k), np.int64)


def within(store: Store, alive: Bitmap, ids: Ids, queries: Words, bounds: Numbers, ordered: bool) -> Hits:
    """All entries within `bounds` [Q], each query's by (distance, id) or in any order."""
    found = expanding.Gathered()
    _each_found(store, queries, bounds, FOUND_AT_ONCE, found.take)
    return expanding.hits(found.parts, Shared.of(store, alive), ids, len(queries), ordered=ordered)


def count_within(store: Store, alive: Bitmap, queries: Words, bounds: Numbers) -> Numbers:
    """How many entries are within `bounds` [Q] of each query, int64 [Q]."""
    parts = [_Counted.of(store, alive, *some[1:], entries=True).totals for some in _some(queries, bounds)]
    return np.concatenate(parts)


def each_within(store: Store, alive: Bitmap, queries: Words, bounds: Numbers, most: int, held: int, take: Take) -> None:
    """Give the sorted keys of entries within `bounds`, `most` of each code, to `take`.

    Those of some queries at a time, with `held` codes or those of one query.
    """
    shared = Shared.of(store, alive)

    def expand(found: Found) -> None:
        take(found.first, found.first + len(found.ends), *expanding.ranked(found, shared, most))

    _each_found(store, queries, bounds, held, expand)


def _each_found(store: Store, queries: Words, bounds: Numbers, held: int, take: Callable[[Found], None]) -> None:
    """Give the codes within `bounds` to `take`: those of some queries at a time, with `held` codes or of one query.

    Count first, then write every code once to where it belongs.
    """
    for start, own, its in _some(queries, bounds):
        counted = _Counted.of(store, ALL, own, its, entries=False)
        groups = _groups(counted.totals, counted.step, held)
        collect = partial(_collected, counted, start, take)
        if counted.by_rows:  # threads share the rows of one group
            for group in groups:
                collect(group)
        else:
            spread(collect, groups)


def _collected(counted: _Counted, start: int, take: Callable[[Found], None], group: tuple[int, int]) -> None:
    """Give what was counted for a group of queries to `take`; the first of all queries is number `start`."""
    first, last = group
    counts = counted.counts[:, first:last]
    totals = counts.sum(axis=0)
    ends = np.cumsum(totals)
    keys, places = np.empty(ends[-1], np.int64), ends - totals + np.cumsum(counts, axis=0) - counts
    block, queries = counted.given[2:4]

    def fill(part: int) -> None:
        room = turning.room(queries[first:last], block)
        _fill(*counted.given, room, *counted.rows[part], first, last, places[part], keys)

    spread(fill, range(len(counted.rows)))
    take(Found(start + first, keys, ends))


def _some(queries: Words, bounds: Numbers) -> Iterator[tuple[int, Words, Numbers]]:
    """Some queries and bounds at a time, and where they begin."""
    for first in range(0, len(queries), COUNTED):
        own = slice(first, first + COUNTED)
        yield first, queries[own], bounds[own]


class _Counted(NamedTuple):
    """How many codes, or entries, each query has in each part of the rows, and what the kernel was given."""

    given: tuple[Any, ...]
    step: int  # queries that a thread takes at once
    rows: list[tuple[int, int]]  # the parts
    by_rows: bool
    counts: Numbers  # [parts, Q]

    @property
    def totals(self) -> Numbers:
        """How many each query has [Q]."""
        return np.asarray(self.counts.sum(axis=0))

    @classmethod
    def of(cls, store: Store, alive: Bitmap, queries: Words, bounds: Numbers, *, entries: bool) -> _Counted:
        size, Q = store.unique, len(queries)
        block = _block(store)
        by_rows = _is_shared_by_rows(len(queries), size)
        rows = cuts(size, workers() if by_rows else 1, block)
        some = np.zeros((-(-size // block), Q), np.bool_)  # which blocks have hits of which queries
        counts = np.zeros((len(rows), Q), np.int64)
        given = (store, alive, block, queries, store.width, bounds, some)

        def count(piece: tuple[int, int, int]) -> None:
            part, first, last = piece
            room = turning.room(queries[first:last], block)
            _count(*given, room, *rows[part], first, last, entries, counts[part])

        step = max(1, min(QUERIES_AT_ONCE, -(-Q // workers())))
        spread(count, [(part, first, min(first + step, Q)) for part in range(len(rows)) for first in range(0, Q, step)])
        return cls(given, step, rows, by_rows, counts)


def _is_shared_by_rows(queries: int, size: int) -> bool:
    """Whether threads share the rows rather than the queries: there are too few queries, and rows enough."""
    return queries < 2 * workers() and size >= 2 * ROWS_WORTH_A_THREAD


def _block(store: Store) -> int:
    """Rows that stay in the first-level cache while every query looks at them, two bytes for each of their own."""
    words = len(store.width)
    return slices.BLOCK if slices.FAST and words <= LONG else max(ROWS, BLOCK_BYTES // (16 * words))


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
    """Which of the `ROWS` rows from `row` on may be within `bound`; none from `bottom` on."""
    near = near64(codes, row, query, bound) if room is None else np.int64(room.masks[lane, (row - top) // ROWS])
    if bottom - row < ROWS:
        near &= (np.int64(1) << (bottom - row)) - 1
    return near


@kernel
def _nearest(store, alive, begin, end, block, room, queries, width, k, keys, counts, state, best):  # type: ignore[no-untyped-def]
    codes, labels, starts, members = (
        borrow(store.codes), borrow(store.labels), borrow(store.starts), borrow(store.members)
    )  # fmt: skip
    alive, queries, keys, counts, state = borrow(alive), borrow(queries), borrow(keys), borrow(counts), borrow(state)
    some = np.empty((2, block), np.int64)  # `distance << 32 | row`: of this query, and of the one before
    other = 0
    waiting = 0
    last = 0
    for top in range(begin, end, block):
        bottom = min(top + block, end)
        if room is not None:
            turning.turn(codes, top, bottom, width, room)
        for q in range(len(queries)):
            query = load(queries, q, width)
            bound = state[q, BOUND]
            count = 0
            lane = q % turning.TOGETHER
            if room is not None:
                if lane == 0:
                    turning.compare(bottom - top, q, state[:, BOUND], width, room)
                if not room.some[lane]:
                    continue
            for row in range(top, bottom, ROWS):
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
        selection.finish(labels, store.rows, starts, members, alive, keys[q], state[q], k, best[q], True)


@inlined
def _take(labels, starts, members, alive, some, keys, counts, state, k):  # type: ignore[no-untyped-def]
    """Take in what is still within the bound of a query: codes as `distance << 32 | row`."""
    for i in range(len(some)):
        if some[i] >> 32 <= state[BOUND]:
            place, weight = selection.stands_for(labels, starts, members, alive, some[i] & 0xFFFFFFFF, k)
            selection.keep(keys, counts, state, k, (some[i] >> 32 << 32) | place, weight)


@kernel
def _count(store, alive, block, queries, width, bounds, some, room, begin, end, first, last, entries, counts):  # type: ignore[no-untyped-def]
    """Count the codes, or `entries`, of rows `begin` to `end` that are within the bounds of queries `first` to `last`.

    And note which blocks have any.
    """
    codes, labels, starts, members = (
        borrow(store.codes), borrow(store.labels), borrow(store.starts), borrow(store.members)
    )  # fmt: skip
    alive, queries = borrow(alive), borrow(queries)
    entries &= len(starts) > 0 or len(alive) > 0  # otherwise each code is one
    for top in range(begin, end, block):
        bottom = min(top + block, end)
        if room is not None:
            turning.turn(codes, top, bottom, width, room)
        for q in range(first, last):
            query = load(queries, q, width)
            bound = bounds[q]
            count = np.int64(0)
            lane = (q - first) % turning.TOGETHER
            if room is not None:
                if lane == 0:
                    turning.compare(bottom - top, q - first, bounds[first:last], width, room)
                if not room.some[lane]:
                    continue
            exact = 0 <= bound <= (TOLD if room is None else turning.MOST)
            for row in range(top, bottom, ROWS):
                near = _near(codes, row, query, bound, top, bottom, room, lane)
                if exact and not entries:
                    count += ones(np.uint64(near))
                    continue
                while near:
                    candidate = row + lowest(near)
                    near &= near - 1
                    if not exact and distance_to(codes, candidate, query) > bound:
                        continue
                    count += selection.stands_for(labels, starts, members, alive, candidate, EVERY)[1] if entries else 1
            if count:
                some[top // block, q] = True
                counts[q] += count


@kernel
def _fill(store, alive, block, queries, width, bounds, some, room, begin, end, first, last, places, keys):  # type: ignore[no-untyped-def]
    """Write `distance << 32 | label` of what `_count` counted, of query `first + i` from `places[i]` on."""
    codes, labels, queries, keys = borrow(store.codes), borrow(store.labels), borrow(queries), borrow(keys)
    for top in range(begin, end, block):
        bottom = min(top + block, end)
        is_turned = False
        for q in range(first, last):
            lane = (q - first) % turning.TOGETHER
            if room is not None and lane == 0 and some[top // block, q : q + turning.TOGETHER].any():
                if not is_turned:
                    turning.turn(codes, top, bottom, width, room)
                    is_turned = True
                turning.compare(bottom - top, q - first, bounds[first:last], width, room)
            if not some[top // block, q]:
                continue
            query = load(queries, q, width)
            place = places[q - first]
            for row in range(top, bottom, ROWS):
                near = _near(codes, row, query, bounds[q], top, bottom, room, lane)
                while near:
                    candidate = row + lowest(near)
                    near &= near - 1
                    distance = distance_to(codes, candidate, query)
                    if distance <= bounds[q]:
                        keys[place] = (distance << 32) | np.int64(labels[candidate])
                        place += 1
            places[q - first] = place
