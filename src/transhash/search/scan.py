"""The exact scan: a block of codes stays in the first-level cache while every query looks at it."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np

from transhash.compiled import inlined, kernel
from transhash.search import hits, selection
from transhash.search.bitops import borrow, load, lowest, near32, ones
from transhash.search.hits import Hits, Numbers
from transhash.search.parallel import cuts, spread, workers
from transhash.search.selection import BOUND, Keys
from transhash.search.store import Bitmap, Store
from transhash.search.words import PADDING, Words

BLOCK_BYTES = 16384
QUERIES_AT_ONCE = 256
ROWS_WORTH_A_THREAD = 1 << 16


def nearest(store: Store, alive: Bitmap, queries: Words, k: int, bits: int, bounds: Numbers) -> Keys:
    """The k best entries within `bounds` [Q]: keys `distance << 32 | rank`, int64 [Q, k], sorted, padded with NONE."""
    size = store.unique
    by_rows = len(queries) < 2 * workers() and size >= 2 * ROWS_WORTH_A_THREAD
    if by_rows:
        pieces = [(0, len(queries), *rows) for rows in cuts(size, workers(), 32)]
    else:
        at_once = max(1, min(QUERIES_AT_ONCE, (1 << 22) // selection.room(k), -(-len(queries) // workers())))
        pieces = [(first, min(first + at_once, len(queries)), 0, size) for first in range(0, len(queries), at_once)]
    block = BLOCK_BYTES // (8 * len(store.width))

    def run(piece: tuple[int, int, int, int]) -> Keys:
        first, last, begin, end = piece
        best = np.empty((last - first, k), np.int64)
        room = selection.begin(bounds[first:last], k, bits)
        _nearest(store, alive, begin, end, block, queries[first:last], store.width, k, *room, best)
        return best

    found = spread(run, pieces)
    if by_rows:
        return np.sort(np.concatenate(found, axis=1), axis=1)[:, :k]
    return np.concatenate(found) if found else np.empty((0, k), np.int64)


def within(store: Store, alive: Bitmap, ids: Numbers, queries: Words, bounds: Numbers, most: int) -> Hits:
    """All entries within `bounds` [Q], at most `most` of those that share a code in a store with tables."""
    block = BLOCK_BYTES // (8 * len(store.width))

    def run(piece: tuple[int, int]) -> Hits:
        owners, keys = _within(store, alive, block, queries[slice(*piece)], store.width, bounds[slice(*piece)], most)
        counts, keys = selection.grouped(owners, keys, piece[1] - piece[0])
        return hits.resolved(counts, keys, ids)

    at_once = max(1, min(QUERIES_AT_ONCE, -(-len(queries) // workers())))
    return hits.joined(spread(run, cuts(len(queries), -(-len(queries) // at_once))))


@inlined
def distance_to(codes, row, query):  # type: ignore[no-untyped-def]
    """Hamming distance between a row and a query given as a tuple of words."""
    total = 0
    for i in range(len(query)):
        total += ones(codes[row, i] ^ query[i])
    return total


@kernel
def _nearest(store, alive, begin, end, block, queries, width, k, keys, counts, state, best):  # type: ignore[no-untyped-def]
    codes, labels, starts, members = (
        borrow(store.codes), borrow(store.labels), borrow(store.starts), borrow(store.members)
    )  # fmt: skip
    alive, queries, keys, counts, state = borrow(alive), borrow(queries), borrow(keys), borrow(counts), borrow(state)
    for top in range(begin, end, block):
        bottom = min(top + block, end)
        for q in range(len(queries)):
            query = load(queries, q, width)
            mine = state[q]
            bound = mine[BOUND]
            for row in range(top, bottom, 32):
                near = near32(codes, row, query, bound)
                if near:
                    if bottom - row < 32:
                        near &= (np.int64(1) << (bottom - row)) - 1
                    while near:
                        candidate = row + lowest(near)
                        near &= near - 1
                        distance = distance_to(codes, candidate, query)
                        if distance <= mine[BOUND]:
                            place, weight = selection.stands_for(labels, starts, members, alive, candidate, k)
                            selection.keep(keys[q], counts[q], mine, k, (distance << 32) | place, weight)
                    bound = mine[BOUND]
    for q in range(len(queries)):
        selection.finish(labels, store.rows, starts, members, alive, keys[q], state[q], k, best[q])


@kernel
def _within(store, alive, block, queries, width, bounds, most):  # type: ignore[no-untyped-def]
    codes, labels, starts, members = (
        borrow(store.codes), borrow(store.labels), borrow(store.starts), borrow(store.members)
    )  # fmt: skip
    alive, queries = borrow(alive), borrow(queries)
    size = len(codes) // max(1, len(store.cuts) - 1) - PADDING
    owners = np.empty(1024, np.int32)
    keys = np.empty(1024, np.int64)
    found = 0
    for top in range(0, size, block):
        bottom = min(top + block, size)
        q = 0
        while q < len(queries):
            query = load(queries, q, width)
            before = found
            for row in range(top, bottom, 32):
                near = near32(codes, row, query, bounds[q])
                if bottom - row < 32:
                    near &= (np.int64(1) << (bottom - row)) - 1
                while near:
                    candidate = row + lowest(near)
                    near &= near - 1
                    distance = distance_to(codes, candidate, query)
                    found = selection.collect(labels, starts, members, alive, most, keys, found, candidate, distance)
            if found > len(keys):
                keys = selection.grown(keys, found)
                owners = selection.grown(owners, found)
                found = before
                continue  # the same query again
            owners[before:found] = q
            q += 1
    return owners[:found], keys[:found]
