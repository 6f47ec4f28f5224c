"""A few queries among a few codes: one compiled call from codes to results, as the calls themselves cost the most."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np

from transhash.kernels import inlined, kernel
from transhash.search.bitops import borrow, load, lowest, near64
from transhash.search.scan import distance_to

SIDE_BY_SIDE = 4  # histograms: to add to a place that was just added to takes several times as long
HEAD = 1024  # codes that are all counted; they tell how near the others must be


@kernel
def nearest(codes, ids, queries, width, useful, bits, distances, found):  # type: ignore[no-untyped-def]
    """Write the `useful` nearest of each query by (distance, id) into `distances` and `found` [Q, k], the rest -1.

    Codes [n + PADDING, words] in the order of ids [n], all different entries and all there. Sorted by counting: how
    many are at each distance tells where the first of them belongs.
    """
    codes, ids, queries = borrow(codes), borrow(ids), borrow(queries)
    distances, found = borrow(distances), borrow(found)
    size = len(ids)
    head = min(size, max(HEAD, useful))
    away = np.empty(size, np.uint16)  # of the codes that are kept, and which they are
    rows = np.empty(size, np.int32)
    counts = np.empty((SIDE_BY_SIDE, bits + 1), np.int64)
    for q in range(len(queries)):
        query = load(queries, q, width)
        for row in range(head):
            away[row] = distance_to(codes, row, query)
        bound, within = _count(away[:head], useful, counts)
        held = 0
        for row in range(head):
            away[held] = away[row]
            rows[held] = row
            held += away[row] <= bound
        for row in range(head, size, 64):
            near = near64(codes, row, query, bound)
            if near and size - row < 64:
                near &= (np.int64(1) << (size - row)) - 1
            while near:
                candidate = row + lowest(near)
                near &= near - 1
                distance = distance_to(codes, candidate, query)
                if distance <= bound:
                    away[held] = distance
                    rows[held] = candidate
                    held += 1
                    counts[0, distance] += 1
                    within += 1
                    while within - counts[0, bound] >= useful:
                        within -= counts[0, bound]
                        bound -= 1
        _place(away[:held], rows, ids, counts[0, : bound + 1], distances[q], found[q], useful)


@inlined
def _count(away, useful, counts):  # type: ignore[no-untyped-def]
    """(distance of the last of the `useful` nearest, how many are within it); `counts[0]` are how many are at each."""
    counts[:] = 0
    even = len(away) // SIDE_BY_SIDE * SIDE_BY_SIDE
    for i in range(0, even, SIDE_BY_SIDE):
        for j in range(SIDE_BY_SIDE):
            counts[j, away[i + j]] += 1
    for i in range(even, len(away)):
        counts[0, away[i]] += 1
    within = 0
    bound = -1
    while within < useful:
        bound += 1
        for j in range(1, SIDE_BY_SIDE):
            counts[0, bound] += counts[j, bound]
        within += counts[0, bound]
    return bound, within


@inlined
def _place(away, rows, ids, counts, distances, found, useful):  # type: ignore[no-untyped-def]
    """Write what is kept, in the order of rows, to where it belongs; `counts` become each distance's next place."""
    place = np.int64(0)
    for at in range(len(counts)):
        place += counts[at]
        counts[at] = place - counts[at]
    for i in range(len(away)):
        distance = np.int64(away[i])
        if distance < len(counts) and counts[distance] < useful:
            distances[counts[distance]] = distance
            found[counts[distance]] = ids[rows[i]]
            counts[distance] += 1
    distances[useful:] = -1
    found[useful:] = -1
