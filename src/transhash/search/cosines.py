"""Cosines of a few embeddings of many, compiled: rows are found by their ids, and compared in whole numbers.

To read thousands of rows, each elsewhere in memory, takes longest. Where only the first hits count, a line of the cache
of each tells which can be among them, and these are read whole.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from transhash.kernels import inlined, kernel
from transhash.search.bitops import borrow, prefetch
from transhash.system import LINE
from transhash.threads import cuts, spread, workers

AHEAD = 8  # rows that are asked for before it is their turn
GLANCES_AHEAD = 32  # and first lines of rows
PIECE = 32  # values that are multiplied at once
GLANCE = 64  # values that tell which rows are read whole: a line of the cache
LEVELS = 1024  # of cosines of these
UNLIKE = -2.0  # below all cosines

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_BYTES, _WIDE = ir.VectorType(ir.IntType(8), PIECE), ir.VectorType(ir.IntType(16), PIECE)

Ids = npt.NDArray[np.int64]


def first(
    likeness: npt.NDArray[np.float32], distances: npt.NDArray[np.int32], ids: Ids, k: int
) -> tuple[Ids, npt.NDArray[np.bool_]]:
    """The columns of the k most alike of each row, int64 [Q, k], equal cosines by (distance, id); k is small.

    Where fewer have an id, the column of one without follows. And which rows have a cosine of all that have an id,
    bool [Q]: the others are not in order.
    """
    order, whole = np.empty((len(ids), k), np.int64), np.empty(len(ids), np.bool_)
    _first(likeness, distances, ids, order, whole)
    return order, whole


@kernel
def _first(likeness, distances, ids, order, whole):  # type: ignore[no-untyped-def]
    k = order.shape[1]
    for q in range(len(ids)):
        held = 0
        none = 0  # a column without an id: there is one where fewer than k have an id
        whole[q] = True
        for c in range(ids.shape[1]):
            if ids[q, c] < 0:
                none = c
                continue
            if np.isnan(likeness[q, c]):
                whole[q] = False
                continue
            if held == k and not _is_before(likeness[q], distances[q], ids[q], c, order[q, k - 1]):
                continue
            place = min(held, k - 1)
            while place > 0 and _is_before(likeness[q], distances[q], ids[q], c, order[q, place - 1]):
                order[q, place] = order[q, place - 1]
                place -= 1
            order[q, place] = c
            held = min(held + 1, k)
        order[q, held:] = none


@inlined
def _is_before(likeness, distances, ids, a, b):  # type: ignore[no-untyped-def]
    """Whether the hit in column a comes before that in column b."""
    if likeness[a] != likeness[b]:
        return likeness[a] > likeness[b]
    if distances[a] != distances[b]:
        return distances[a] < distances[b]
    return ids[a] < ids[b]


def compare(
    queries: npt.NDArray[np.int8],
    wanted: Ids,
    ids: Ids,
    rows: npt.NDArray[np.int8],
    has: npt.NDArray[np.bool_],
    likeness: npt.NDArray[np.float32],
    few: int = 0,
) -> None:
    """Write the cosines of queries [Q, V] with the rows of `wanted` ids [Q, C] into `likeness` [Q, C].

    Row i [V] is that of `ids[i]`, which ascend; where it has none (`has`), NaN is written. What is not among the ids
    stays as it is. `few`: how many rows of a query, at least, are compared in more than their first 64 values, those
    with the highest cosines of these; the others have `UNLIKE`. With 0 all are compared whole.
    """

    def run(piece: tuple[int, int]) -> None:
        own = slice(*piece)
        _compare(queries[own], wanted[own], ids, rows, has, likeness[own], few)

    if len(ids):
        spread(run, cuts(len(queries), workers()))


@kernel
def _compare(queries, wanted, ids, rows, has, likeness, few):  # type: ignore[no-untyped-def]
    queries, wanted, ids, rows, has = borrow(queries), borrow(wanted), borrow(ids), borrow(rows), borrow(has)
    V = rows.shape[1]
    values = rows.reshape(-1)  # to be asked for a cache line at a time
    has_gaps = ids[-1] - ids[0] >= len(ids)
    places, columns = np.empty(wanted.shape[1], np.int64), np.empty(wanted.shape[1], np.int64)
    levels, counts = np.empty(wanted.shape[1], np.int16), np.empty(LEVELS, np.int64)
    for q in range(len(queries)):
        query = queries[q]
        own, _ = _products(query, query)
        count = 0  # all are found before the first is compared: else misses of the cache keep rows waiting
        for c in range(len(places)):
            at = _place(ids, wanted[q, c]) if has_gaps else wanted[q, c] - ids[0]
            if not 0 <= at < len(ids):
                continue
            if not has[at]:
                likeness[q, c] = np.nan
                continue
            places[count], columns[count] = at, c
            count += 1
        if 0 < 2 * few <= count and V > GLANCE:
            least = _glance(query, values, rows, places[:count], levels, counts, few)
            count = _likeliest(levels, least, places[:count], columns, likeness[q])
        for i in range(min(AHEAD, count)):
            _ask_for(values, places[i], V)
        for i in range(count):
            if i + AHEAD < count:
                _ask_for(values, places[i + AHEAD], V)
            both, other = _products(query, rows[places[i]])
            if np.int64(own) + np.int64(other) == 2 * np.int64(both):  # the square of their distance is zero
                likeness[q, columns[i]] = 1.0
            else:
                lengths = math.sqrt(np.float64(own)) * math.sqrt(np.float64(other))
                likeness[q, columns[i]] = np.float64(both) / max(lengths, 1e-12)


@inlined
def _glance(query, values, rows, places, levels, counts, few):  # type: ignore[no-untyped-def]
    """Write the level of each row by its first values, and return the one that `few` rows or more reach."""
    V = rows.shape[1]
    own, _ = _of_pieces(query, query, GLANCE // PIECE)
    scale = np.float32(LEVELS / 2) / np.float32(math.sqrt(np.float32(max(own, 1))))
    counts[:] = 0
    for i in range(min(GLANCES_AHEAD, len(places))):
        prefetch(values, places[i] * V)
    for i in range(len(places)):
        if i + GLANCES_AHEAD < len(places):
            prefetch(values, places[i + GLANCES_AHEAD] * V)
        both, other = _of_pieces(query, rows[places[i]], GLANCE // PIECE)
        level = np.float32(both) * scale / np.float32(math.sqrt(np.float32(max(other, 1)))) + np.float32(LEVELS / 2)
        levels[i] = min(np.int64(level), LEVELS - 1)
        counts[levels[i]] += 1
    least = LEVELS
    reached = 0
    while reached < few:
        least -= 1
        reached += counts[least]
    return least


@inlined
def _likeliest(levels, least, places, columns, likeness):  # type: ignore[no-untyped-def]
    """Leave the rows that reach a level, and return how many; the others are written."""
    count = 0
    for i in range(len(places)):
        if levels[i] < least:
            likeness[columns[i]] = UNLIKE
        else:
            places[count], columns[count] = places[i], columns[i]
            count += 1
    return count


@inlined
def _products(query, row):  # type: ignore[no-untyped-def]
    """The inner product of two int8 arrays of one length, and of the second with itself: int32."""
    both, other = _of_pieces(query, row, len(query) // PIECE)
    for v in range(len(query) // PIECE * PIECE, len(query)):
        both = np.int32(both + np.int32(query[v]) * np.int32(row[v]))
        other = np.int32(other + np.int32(row[v]) * np.int32(row[v]))
    return both, other


@intrinsic  # type: ignore[untyped-decorator]
def _of_pieces(typing: Any, query: Any, row: Any, pieces: Any) -> tuple[Any, Callable[..., Any]]:
    """The same over the first pieces: many products in one instruction where there is one that adds them in pairs."""
    signature = types.UniTuple(types.int32, 2)(query, row, types.int64)
    sums = ir.VectorType(_I32, PIECE // 2)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        starts = [
            context.make_array(kind)(context, builder, each).data for kind, each in ((query, args[0]), (row, args[1]))
        ]
        totals = [cgutils.alloca_once_value(builder, ir.Constant(sums, [0] * (PIECE // 2))) for _ in range(2)]

        def halves(values: Any) -> list[Any]:  # every second value; compilers know the sum of both products
            orders = (ir.Constant(sums, list(range(first, PIECE, 2))) for first in (0, 1))
            return [builder.sext(builder.shuffle_vector(values, values, order), sums) for order in orders]

        with cgutils.for_range(builder, args[2]) as loop:
            at = builder.mul(loop.index, _I64(PIECE))
            places = [builder.bitcast(builder.gep(start, [at]), _BYTES.as_pointer()) for start in starts]
            wide = [builder.sext(builder.load(place, align=1), _WIDE) for place in places]
            own, other = map(halves, wide)
            for total, (low, high) in zip(totals, (own, other), strict=True):
                both = builder.add(builder.mul(low, other[0]), builder.mul(high, other[1]))
                builder.store(builder.add(builder.load(total), both), total)
        kind = ir.FunctionType(_I32, [sums])
        add = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.add.v{PIECE // 2}i32")
        found = [builder.call(add, [builder.load(total)]) for total in totals]
        return context.make_tuple(builder, signature.return_type, found)

    return signature, generate


@inlined
def _ask_for(values, at, V):  # type: ignore[no-untyped-def]
    for line in range(0, V, LINE):
        prefetch(values, at * V + line)


@inlined
def _place(ids, wanted):  # type: ignore[no-untyped-def]
    """Where an id is, or -1: mostly there are few gaps, and it is as far from the first one as its number is."""
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
