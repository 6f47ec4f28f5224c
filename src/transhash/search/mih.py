"""Multi-index hashing: look only at codes that agree with the query in some substring, and be certain of the result.

Norouzi, Punjani and Fleet, "Fast Exact Search in Hamming Space with Multi-Index Hashing", TPAMI 2014. Each table has
its own depth a: all buckets whose substring differs from the query's in fewer than a bits have been visited. A code not
seen yet differs in at least a bits in each substring, so its distance is at least the sum of all a (the pigeonhole
principle in its general form). A search deepens the table whose next ring of buckets is the cheapest by the sizes of
its buckets; it is done when that sum exceeds the distance of the k-th result, and gives up when a scan costs less.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from transhash.kernels import inlined, kernel
from transhash.search import expanding, packed_search, scan, selection, shells
from transhash.search.bitops import borrow, load, lowest, near_some, ones, prefetch
from transhash.search.expanding import Found, Shared
from transhash.search.hits import Hits
from transhash.search.packed import Packed
from transhash.search.rings import (
    AHEAD,
    CHUNK,
    DECODED,
    LINES,
    NEVER,
    PATIENCE,
    SCANNED,
    SCANNED_ALONE,
    following,
    ring_cost,
    table_starts,
)
from transhash.search.runs import Ids
from transhash.search.selection import BOUND, WITHIN, Keys
from transhash.search.small import NONE
from transhash.search.store import WIDEST, Bitmap, Store
from transhash.search.tables import substring
from transhash.search.words import Words
from transhash.threads import cuts, spread, workers

FOUND_AT_ONCE = 1 << 20  # codes that a thread finds before they are given on; more if those of one query are more

T = TypeVar("T")
Counts = npt.NDArray[np.int64]


def nearest(
    store: Store | Packed,
    alive: Bitmap,
    queries: Words,
    k: int,
    bits: int,
    bounds: Counts,
    limit: float,
    *,
    partial: bool = False,
    ordered: bool = True,
) -> tuple[Keys, npt.NDArray[np.bool_]]:
    """As `scan.nearest`, and which queries are done: the others met the cost limit and have narrower `bounds` now.

    When `partial`, those have what was found till then. Unless `ordered`, each query's may come in any order.
    """
    order = queries[:, 0].argsort()  # what is alike looks into the same buckets, and then finds them in the cache
    queries, limits = queries[order], bounds[order]

    def run(piece: tuple[int, int]) -> tuple[Keys, npt.NDArray[np.bool_]]:
        own = slice(*piece)
        best = np.full((piece[1] - piece[0], k), NONE)
        done = np.zeros(len(best), np.bool_)
        keys, counts, state = (part[0] for part in selection.begin(limits[own][:1], k, bits))
        given = (queries[own], store.width, False, k, limits[own], limit, partial, ordered, keys, counts, state)
        _compiled(store)(store, alive, *given, best, np.empty(len(best), np.int64), done)
        return best, done

    found = _pieces(run, queries)
    bounds[order] = limits
    back = order.argsort()
    return np.concatenate([best for best, _ in found])[back], np.concatenate([done for _, done in found])[back]


def within(
    store: Store | Packed, alive: Bitmap, ids: Ids, queries: Words, bounds: Counts, bits: int, ordered: bool
) -> Hits:
    """As `scan.within`."""
    found = expanding.Gathered()
    _each_found(store, alive, queries, bounds, bits, found.take)
    return expanding.hits(found.parts, Shared.of(store, alive), ids, len(queries), ordered=ordered)


def count_within(store: Store | Packed, alive: Bitmap, queries: Words, bounds: Counts, bits: int) -> Counts:
    """As `scan.count_within`."""
    totals, none = np.zeros(len(queries), np.int64), np.empty(0, np.int64)

    def run(piece: tuple[int, int]) -> None:
        own = slice(*piece)
        _find(store, alive, queries[own], bounds[own], bits, none, totals[own])

    _pieces(run, queries)
    return totals


def each_within(
    store: Store, alive: Bitmap, queries: Words, bounds: Counts, most: int, bits: int, take: scan.Take
) -> None:
    """Give the sorted keys of entries within `bounds`, `most` of each code, to `take`: of some queries at a time."""
    shared = Shared.of(store, alive)

    def expand(found: Found) -> None:
        take(found.first, found.first + len(found.ends), *expanding.ranked(found, shared, most))

    _each_found(store, alive, queries, bounds, bits, expand)


def _each_found(
    store: Store | Packed, alive: Bitmap, queries: Words, bounds: Counts, bits: int, take: Callable[[Found], None]
) -> None:
    """Give the codes within `bounds` to `take`, those of some queries at a time."""

    def run(piece: tuple[int, int]) -> None:
        first, last = piece
        room = FOUND_AT_ONCE
        while first < last:
            keys, counts = np.empty(room, np.int64), np.zeros(last - first, np.int64)
            done = _find(store, alive, queries[first:last], bounds[first:last], bits, keys, counts)
            if not done:  # the codes of this query alone are too many
                room *= 8
                continue
            ends = np.cumsum(counts[:done])
            take(Found(first, keys[: ends[-1]], ends))
            first += done

    _pieces(run, queries)


def _find(
    store: Store | Packed, alive: Bitmap, queries: Words, bounds: Counts, bits: int, keys: Keys, counts: Counts
) -> int:
    """Write the codes found for the first queries into `keys`, until there is no room: for how many queries there was.

    And how many they are into `counts` [Q]; without any room, how many entries they have.
    """
    _, seen, state = (part[0] for part in selection.begin(bounds[:1], 0, bits))
    given = (queries, store.width, True, 0, bounds, np.inf, False, True, keys, seen, state)
    done = np.zeros(len(queries), np.bool_)
    _compiled(store)(store, alive, *given, np.empty((len(queries), 0), np.int64), counts, done)
    return int(np.count_nonzero(done))


def _compiled(store: Store | Packed) -> Callable[..., None]:
    search: Callable[..., None] = _search
    if isinstance(store, Packed):
        search = packed_search.search
    elif len(store.reach):
        search = shells.search
    return search


def is_worth_it(store: Store | Packed, queries: Words, bounds: Counts, limit: float) -> bool:
    """Whether to see all codes within `bounds` [Q] costs less than `limit` a query, on average."""
    costs = np.empty(len(queries))
    plan = shells.plan if isinstance(store, Store) and len(store.reach) else _plan
    _pieces(lambda piece: plan(store, queries, *piece, store.width, bounds, costs), queries)
    return bool(costs.mean() < limit)


def scan_cost(store: Store | Packed, codes: int, queries: int) -> float:
    """What a scan of `codes` codes costs each of `queries` queries, in the units of this module.

    One of compact tables reads all that they hold: nothing in them leads to the codes that a filter left.
    """
    each = len(store.width) * (SCANNED + SCANNED_ALONE / math.sqrt(max(1, queries)))
    if isinstance(store, Packed):
        codes, each = store.entries, each + DECODED / max(1, queries)
    return codes * each


def _pieces(run: Callable[[tuple[int, int]], T], queries: Words) -> list[T]:
    return spread(run, cuts(len(queries), 4 * workers(), 4))


@kernel
def _search(  # type: ignore[no-untyped-def] # noqa: PLR0915 -- one loop with a dozen small arrays
    store, alive, queries, width, every, k, bounds, limit, partial, ordered, keys, counts, state, best, numbers, done
):
    """Each query's k best into `best`; or `every` code within its bound into `keys`, `numbers` of them (`expanding`).

    What costs more than `limit` is given up, or when `partial`, left as it is. When `keys` is full, it stops: what is
    not `done` is left for later. Without room for any key it only counts entries.
    """
    codes, labels, offsets, ends = store.codes, store.labels, store.offsets, store.cuts
    rows, starts, members = store.rows, store.starts, store.members
    tables = len(ends) - 1
    bases = table_starts(ends)
    sought = np.empty(tables, np.int64)
    depth = np.empty(tables, np.int64)
    cost = np.empty(tables, np.float64)
    when = np.empty((tables, WIDEST + 1), np.int64)
    spans = np.empty((CHUNK, 2), np.int64)
    found = 0
    given_up = 0
    q = 0
    while q < len(queries):
        if given_up == q and q >= PATIENCE:
            break  # none of these queries is worth it
        query = load(queries, q, width)
        selection.start(counts, state, bounds[q])
        when[:] = NEVER
        depth[:] = 0
        for t in range(tables):
            sought[t] = substring(queries, q, ends[t], ends[t + 1])
            cost[t] = ring_cost(offsets, bases[t], ends[t + 1] - ends[t], sought[t], 0, len(query))
        before = found
        nearer = 0  # than this all codes have been seen
        step = 0
        spent = 0.0
        while nearer <= state[BOUND]:
            table = np.argmin(cost)
            spent += cost[table]
            ahead = 0.0
            if not partial and not every and (state[WITHIN] >= k or bounds[q] < len(counts) - 1):
                ahead = cost[table] * max(0, state[BOUND] - nearer - 2)  # the bound may still fall a little
            if spent + ahead > limit and (step or not partial):
                break
            when[table, depth[table]] = step
            found = _visit(
                codes, labels, offsets, ends, starts, members, alive, table, bases[table], sought, depth[table],
                when, step, query, spans, every, k, keys, found, counts, state,
            )  # fmt: skip
            step += 1
            nearer += 1
            depth[table] += 1
            bits = ends[table + 1] - ends[table]
            if depth[table] > bits:
                nearer = len(counts)  # all buckets of a table are all codes
            else:
                cost[table] = ring_cost(offsets, bases[table], bits, sought[table], depth[table], len(query))
        if nearer <= state[BOUND] and not partial:
            given_up += 1
            bounds[q] = state[BOUND]
            found = before
        elif found > len(keys) > 0:
            return
        else:
            done[q], numbers[q] = nearer > state[BOUND], found - before
            selection.finish(labels, rows, starts, members, alive, keys, state, k, best[q], ordered)
        q += 1


@kernel
def _plan(store, queries, first, last, width, bounds, costs):  # type: ignore[no-untyped-def]
    """What it costs each query to see all codes within its bound: the rings of buckets that `_search` will visit."""
    offsets, ends = store.offsets, store.cuts
    bases = table_starts(ends)
    cost = np.empty(len(bases), np.float64)
    depth = np.empty(len(bases), np.int64)
    for q in range(first, last):
        depth[:] = 0
        for t in range(len(bases)):
            sought = substring(queries, q, ends[t], ends[t + 1])
            cost[t] = ring_cost(offsets, bases[t], ends[t + 1] - ends[t], sought, 0, len(width))
        costs[q] = 0.0
        for _ in range(bounds[q] + 1):
            table = np.argmin(cost)
            costs[q] += cost[table]
            depth[table] += 1
            bits = ends[table + 1] - ends[table]
            if depth[table] > bits:
                break
            sought = substring(queries, q, ends[table], ends[table + 1])
            cost[table] = ring_cost(offsets, bases[table], bits, sought, depth[table], len(width))


@kernel
def _visit(  # type: ignore[no-untyped-def]
    codes, labels, offsets, ends, starts, members, alive, t, base, sought, depth, when, step,
    query, spans, every, k, keys, found, counts, state,
):  # fmt: skip
    """Look at all buckets of table t at `depth` bits from what is sought; returns `found` anew."""
    codes, labels, offsets, ends = borrow(codes), borrow(labels), borrow(offsets), borrow(ends)
    starts, members, alive, sought, when = borrow(starts), borrow(members), borrow(alive), borrow(sought), borrow(when)
    spans, keys, counts, state = borrow(spans), borrow(keys), borrow(counts), borrow(state)
    first_row = t * (len(codes) // (len(ends) - 1))
    width = ends[t + 1] - ends[t]
    change = (np.int64(1) << depth) - 1
    bound = state[BOUND]
    while change >> width == 0:
        held = 0
        while change >> width == 0 and held < CHUNK:
            bucket = base + (sought[t] ^ change)
            spans[held, 0] = first_row + offsets[bucket]
            spans[held, 1] = first_row + offsets[bucket + 1]
            held += spans[held, 1] > spans[held, 0]
            change = following(change, width)
        for i in range(min(AHEAD, held)):
            _prefetch(codes, spans[i, 0], spans[i, 1], len(query))
        for i in range(held):
            if i + AHEAD < held:
                _prefetch(codes, spans[i + AHEAD, 0], spans[i + AHEAD, 1], len(query))
            row, end = spans[i, 0], spans[i, 1]
            while row < end:
                near, count = near_some(codes, row, end, query, bound)
                while near:
                    candidate = row + lowest(near)
                    near &= near - 1
                    distance = scan.distance_to(codes, candidate, query)
                    if distance > state[BOUND] or _was_seen(codes, candidate, ends, sought, when, step):
                        continue
                    if every:
                        found = selection.collect(labels, starts, members, alive, keys, found, candidate, distance)
                    else:
                        place, weight = selection.stands_for(labels, starts, members, alive, candidate, k)
                        selection.keep(keys, counts, state, k, (distance << 32) | place, weight)
                bound = state[BOUND]
                row += count
    return found


@inlined
def _prefetch(codes, begin, end, words):  # type: ignore[no-untyped-def]
    """Ask for the cache lines of a bucket, as many as may be on their way at a time."""
    step = max(1, 8 // words)
    for row in range(begin, min(end, begin + LINES * step), step):
        prefetch(codes, row)


@inlined
def _was_seen(codes, row, ends, sought, when, step):  # type: ignore[no-untyped-def]
    """Whether an earlier step visited a bucket with this code: told by its substrings' distances alone."""
    for t in range(len(sought)):
        other = substring(codes, row, ends[t], ends[t + 1])
        if when[t, ones(np.uint64(other ^ sought[t]))] < step:
            return True
    return False
