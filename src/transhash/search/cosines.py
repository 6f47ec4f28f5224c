"""Cosines of a few embeddings of many, compiled: rows are found by their ids, and compared in whole numbers."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from transhash.kernels import inlined, kernel
from transhash.search.bitops import borrow, prefetch
from transhash.threads import cuts, spread, workers

AHEAD = 8  # rows that are asked for before it is their turn
LINE = 64  # bytes

Ids = npt.NDArray[np.int64]


def compare(
    queries: npt.NDArray[np.int8],
    wanted: Ids,
    ids: Ids,
    rows: npt.NDArray[np.int8],
    has: npt.NDArray[np.bool_],
    likeness: npt.NDArray[np.float32],
) -> None:
    """Write the cosines of queries [Q, V] with the rows of `wanted` ids [Q, C] into `likeness` [Q, C].

    Row i [V] is that of `ids[i]`, which ascend; where it has none (`has`), NaN is written. What is not among the ids
    stays as it is.
    """

    def run(piece: tuple[int, int]) -> None:
        own = slice(*piece)
        _compare(queries[own], wanted[own], ids, rows, has, likeness[own])

    if len(ids):
        spread(run, cuts(len(queries), workers()))


@kernel
def _compare(queries, wanted, ids, rows, has, likeness):  # type: ignore[no-untyped-def]
    queries, wanted, ids, rows, has = borrow(queries), borrow(wanted), borrow(ids), borrow(rows), borrow(has)
    V = rows.shape[1]
    values = rows.reshape(-1)  # to be asked for a cache line at a time
    places = np.empty(wanted.shape[1], np.int64)
    for q in range(len(queries)):
        query = queries[q]
        own = np.int64(0)
        for v in range(len(query)):
            own += np.int64(query[v]) * np.int64(query[v])
        for c in range(len(places)):
            places[c] = _place(ids, wanted[q, c])
        for c in range(min(AHEAD, len(places))):
            _ask_for(values, places[c], V)
        for c in range(len(places)):
            if c + AHEAD < len(places):
                _ask_for(values, places[c + AHEAD], V)
            at = places[c]
            if at < 0:
                continue
            if not has[at]:
                likeness[q, c] = np.nan
                continue
            row = rows[at]
            both = np.int32(0)
            other = np.int32(0)
            for v in range(len(query)):
                both = np.int32(both + np.int32(query[v]) * np.int32(row[v]))
                other = np.int32(other + np.int32(row[v]) * np.int32(row[v]))
            if own + np.int64(other) == 2 * np.int64(both):  # the square of their distance is zero
                likeness[q, c] = 1.0
            else:
                lengths = math.sqrt(np.float64(own)) * math.sqrt(np.float64(other))
                likeness[q, c] = np.float64(both) / max(lengths, 1e-12)


@inlined
def _ask_for(values, at, V):  # type: ignore[no-untyped-def]
    if at >= 0:
        for line in range(0, V, LINE):
            prefetch(values, at * V + line)


@inlined
def _place(ids, wanted):  # type: ignore[no-untyped-def]
    """Where an id is, or -1: mostly they have no gaps, and it is as far from the first one as its number is."""
    at = wanted - ids[0]
    if 0 <= at < len(ids) and ids[at] == wanted:
        return at
    low = np.int64(0)
    high = np.int64(len(ids))
    while low < high:
        middle = (low + high) >> 1
        if ids[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < len(ids) and ids[low] == wanted else np.int64(-1)
