"""A block of codes turned on its side, so that 32 of them are compared with a query at once by looking up half bytes.

A block's row is one half byte of 64 codes. Its distance to the query's is looked up in a table of 16 (`vpshufb`, one
instruction for 32 codes), and these are added up in bytes: two instructions a code of 128 bits, where counting bits
with AVX2 takes several times as many. Turning a block costs more than to compare it with a few queries.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from transhash.kernels import inlined, kernel
from transhash.search.bitops import HAS, LONG, TOLD, order
from transhash.search.words import Words

TOGETHER = 4  # queries: each piece of the codes that was loaded serves all of them
ROWS = 64  # codes side by side
FEW = 8  # queries for which it is not worth to turn a block
MOST = TOLD  # a greater distance may be one of `SATURATED`
SATURATED = 255

FAST = bool(HAS.get("avx2"))

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_PIECE = 4  # bits
_LANES = 32  # codes in a vector
_BYTES = ir.VectorType(_I8, _LANES)
_TABLE = 1 << _PIECE  # bytes
_DISTANCES = np.bitwise_count(np.arange(_TABLE)[:, None] ^ np.arange(_TABLE)).astype(np.uint8).view(np.uint64)


class Room(NamedTuple):
    """What a thread needs for it: `FAST` machines only."""

    turned: npt.NDArray[np.uint8]  # a block [block / ROWS, pieces, ROWS]
    tables: npt.NDArray[np.uint64]  # of each query, each piece: its distances to all there are [Q, pieces, _TABLE / 8]
    limits: npt.NDArray[np.uint8]  # of the queries that are compared together
    masks: npt.NDArray[np.uint64]  # which codes are within them [TOGETHER, block / ROWS]
    some: npt.NDArray[np.uint64]  # 0 where none is [TOGETHER]


def room(queries: Words, block: int) -> Room | None:
    """Room to compare blocks of `block` codes with `queries`, if that is of use here; `block` a multiple of `ROWS`."""
    if not FAST or len(queries) < FEW or queries.shape[1] > LONG:
        return None
    pieces = _pieces.py_func(queries.shape[1])  # as compiled it is a part of kernels
    tables = np.empty((-(-len(queries) // TOGETHER) * TOGETHER, pieces, _TABLE // 8), np.uint64)
    _look_up(queries, _DISTANCES, tables)
    return Room(
        np.empty(block * pieces, np.uint8),
        tables,
        np.empty(TOGETHER, np.uint8),
        np.empty((TOGETHER, block // ROWS), np.uint64),
        np.empty(TOGETHER, np.uint64),
    )


@inlined
def _pieces(words):  # type: ignore[no-untyped-def]
    """How many pieces codes of so many words have."""
    return 64 * words // _PIECE


@kernel
def _look_up(queries, distances, tables):  # type: ignore[no-untyped-def]
    for q in range(len(tables)):
        words = queries[min(q, len(queries) - 1)]
        for place in range(tables.shape[1]):
            word, bit = divmod(place * _PIECE, 64)
            piece = np.int64(words[word] >> np.uint64(bit))
            own = distances[piece & (_TABLE - 1)]
            for i in range(len(own)):
                tables[q, place, i] = own[i]


@inlined
def turn(codes, top, bottom, width, room):  # type: ignore[no-untyped-def]
    """Turn the block of rows `top` to `bottom`; up to 63 rows behind it are read."""
    pieces = _pieces(len(width))
    for row in range(0, bottom - top, _LANES):
        _turn_some(codes, top + row, width, room.turned, row // ROWS * pieces * ROWS + row % ROWS)


@inlined
def compare(rows, first, bounds, width, room):  # type: ignore[no-untyped-def]
    """Fill `room.masks` and `some`: which of the block's first `rows` codes may be within `bounds`.

    Of `TOGETHER` queries from `first` on. All that are within a bound of at most `MOST`, and no others; more with a
    greater bound.
    """
    pieces = _pieces(len(width))
    for i in range(TOGETHER):
        room.limits[i] = min(max(bounds[min(first + i, len(bounds) - 1)], 0), SATURATED)
    for row in range(0, rows, ROWS):
        _compare64(room.turned, row * pieces, room.tables, first, width, room.limits, room.masks, row // ROWS)
    for i in range(TOGETHER):
        some = np.uint64(0)
        for column in range(-(-rows // ROWS)):
            some |= room.masks[i, column]
        room.some[i] = some


def _splat(value: int) -> ir.Constant:
    return ir.Constant(_BYTES, [value] * _LANES)


_LOW = order([place for i in range(_LANES // 2) for place in (i, _LANES + i)])
_HIGH = order([place for i in range(_LANES // 2, _LANES) for place in (i, _LANES + i)])


@intrinsic  # type: ignore[untyped-decorator]
def _turn_some(
    typing: Any, codes: Any, row: Any, width: Any, turned: Any, place: Any
) -> tuple[Any, Callable[..., Any]]:
    """As many rows as a vector has lanes, from `row` on, as rows of pieces from `place` on, `ROWS` bytes apart."""
    signature = types.void(codes, types.int64, width, turned, types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(codes)(context, builder, args[0]).data
        target = builder.gep(context.make_array(turned)(context, builder, args[3]).data, [args[4]])
        start = builder.gep(source, [builder.mul(args[1], _I64(width.count))])
        start = builder.bitcast(start, _BYTES.as_pointer())
        parts = [builder.load(builder.gep(start, [_I64(i)]), align=8) for i in range(8 * width.count)]
        for _ in range(_LANES.bit_length() - 1):  # the highest bit of a row's number becomes the lowest of an address
            halves = zip(parts[: len(parts) // 2], parts[len(parts) // 2 :], strict=True)
            parts = [builder.shuffle_vector(a, b, order) for a, b in halves for order in (_LOW, _HIGH)]
        for piece in range(_pieces.py_func(width.count)):
            octet, bit = divmod(piece * _PIECE, 8)
            value = builder.lshr(parts[octet], _splat(bit)) if bit else parts[octet]
            at = builder.gep(target, [_I64(piece * ROWS)])
            value = builder.and_(value, _splat(_TABLE - 1))
            builder.store(value, builder.bitcast(at, _BYTES.as_pointer()), align=1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator]
def _compare64(
    typing: Any, turned: Any, place: Any, tables: Any, first: Any, width: Any, limits: Any, masks: Any, column: Any
) -> tuple[Any, Callable[..., Any]]:
    """Which of the 64 codes at `place` are within `limits` of the queries from `first` on, into `masks[:, column]`."""
    signature = types.void(turned, types.int64, tables, types.int64, width, limits, masks, types.int64)
    pieces = _pieces(width.count)
    pairs = [(q, part) for q in range(TOGETHER) for part in range(ROWS // _LANES)]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def data(kind: Any, argument: int) -> Any:
            return context.make_array(kind)(context, builder, args[argument]).data

        def load(start: Any, offset: Any, kind: ir.VectorType) -> Any:
            return builder.load(builder.bitcast(builder.gep(start, [offset]), kind.as_pointer()), align=1)

        def function(name: str) -> Any:
            kind = ir.FunctionType(_BYTES, [_BYTES, _BYTES])
            return cgutils.get_or_insert_function(builder.module, kind, name)

        add = function(f"llvm.uadd.sat.v{_LANES}i8")
        choose = function("llvm.x86.avx2.pshuf.b")
        block = builder.gep(data(turned, 0), [args[1]])
        table_bytes = builder.bitcast(data(tables, 2), _I8.as_pointer())
        own = builder.gep(table_bytes, [builder.mul(args[3], _I64(pieces * _TABLE))])
        totals = {pair: cgutils.alloca_once(builder, _BYTES) for pair in pairs}
        for total in totals.values():
            builder.store(_splat(0), total)
        with cgutils.for_range(builder, _I64(pieces)) as loop:  # one at a time: all at once spill registers
            line = builder.mul(loop.index, _I64(ROWS))
            codes = [load(block, builder.add(line, _I64(i)), _BYTES) for i in range(0, ROWS, _LANES)]
            for q, part in pairs:
                if part == 0:
                    offset = builder.add(builder.mul(loop.index, _I64(_TABLE)), _I64(q * pieces * _TABLE))
                    table = load(own, offset, ir.VectorType(_I8, _TABLE))
                    table = builder.shuffle_vector(table, table, order([i % _TABLE for i in range(_LANES)]))
                found = builder.call(choose, [table, codes[part]])
                total = builder.load(totals[q, part])
                builder.store(builder.call(add, [total, found]), totals[q, part])
        view = context.make_array(masks)(context, builder, args[6])
        columns = builder.extract_value(view.shape, 1)
        for q, part in pairs:
            limit = builder.load(builder.gep(data(limits, 5), [_I64(q)]))
            limit = builder.insert_element(ir.Constant(_BYTES, ir.Undefined), limit, _I32(0))
            limit = builder.shuffle_vector(limit, limit, order([0] * _LANES))
            near = builder.icmp_unsigned("<=", builder.load(totals[q, part]), limit)
            at = builder.gep(view.data, [builder.add(builder.mul(_I64(q), columns), args[7])])
            mask = ir.IntType(_LANES)
            at = builder.gep(builder.bitcast(at, mask.as_pointer()), [_I64(part)])
            builder.store(builder.bitcast(near, mask), at)
        return context.get_dummy_value()

    return signature, generate
