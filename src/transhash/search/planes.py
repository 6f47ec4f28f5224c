"""A block of codes turned on its side, so that 32 of them are compared with a query at once by looking up half bytes.

A block's row is one half byte of 64 codes. The distance of a half byte to the query's is looked up in a table of 16
(`vpshufb`, one instruction for 32 codes), and these are added up in bytes: two instructions a code of 128 bits, where
counting bits with AVX2 takes several times as many. Turning a block costs more than to compare it with a few queries.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from llvmlite.binding import get_host_cpu_features  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

from transhash.kernels import inlined, kernel
from transhash.search.words import Words

TOGETHER = 4  # queries: each half byte of the codes that was loaded serves all of them
ROWS = 64  # codes side by side
FEW = 8  # queries for which it is not worth to turn a block
MOST = 254  # a greater distance may be one of `SATURATED`
SATURATED = 255
HALF_BYTES = 16  # in a word

# Numba compiles for this processor unless it is told otherwise
FAST = bool(get_host_cpu_features().get("avx2")) and config.CPU_NAME is None and config.CPU_FEATURES is None

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_LANES = 32
_BYTES = ir.VectorType(_I8, _LANES)
_DISTANCES = np.array([[(a ^ b).bit_count() for b in range(16)] for a in range(16)], np.uint8).view(np.uint64)


class Room(NamedTuple):
    """What a thread needs for it: `FAST` machines only."""

    turned: npt.NDArray[np.uint8]  # a block [block / ROWS, half bytes, ROWS]
    tables: npt.NDArray[np.uint64]  # of each query, each half byte: its distances to all 16 others [Q, half bytes, 2]
    limits: npt.NDArray[np.uint8]  # of the queries that are compared together
    masks: npt.NDArray[np.uint64]  # which codes are within them [TOGETHER, block / ROWS]


def room(queries: Words, block: int) -> Room | None:
    """Room to compare blocks of `block` codes with `queries`, if that is of use here; `block` a multiple of `ROWS`."""
    if not FAST or len(queries) < FEW:
        return None
    half_bytes = HALF_BYTES * queries.shape[1]
    tables = np.empty((-(-len(queries) // TOGETHER) * TOGETHER, half_bytes, 2), np.uint64)
    _look_up(queries, _DISTANCES, tables)
    return Room(
        np.empty(block * half_bytes, np.uint8),
        tables,
        np.empty(TOGETHER, np.uint8),
        np.empty((TOGETHER, block // ROWS), np.uint64),
    )


@kernel
def _look_up(queries, distances, tables):  # type: ignore[no-untyped-def]
    for q in range(len(tables)):
        for place in range(tables.shape[1]):
            word = queries[min(q, len(queries) - 1), place // HALF_BYTES]
            half = np.int64(word >> np.uint64(4 * (place % HALF_BYTES))) & 15
            tables[q, place, 0] = distances[half, 0]
            tables[q, place, 1] = distances[half, 1]


@inlined
def turn(codes, top, bottom, width, room):  # type: ignore[no-untyped-def]
    """Turn the block of rows `top` to `bottom`; up to 31 rows behind it are read."""
    half_bytes = HALF_BYTES * len(width)
    for row in range(0, bottom - top, _LANES):
        _turn32(codes, top + row, width, room.turned, row // ROWS * half_bytes * ROWS + row % ROWS)


@inlined
def compare(rows, first, bounds, width, room):  # type: ignore[no-untyped-def]
    """Fill `room.masks`: which of the block's first `rows` codes may be within `bounds` of `TOGETHER` queries.

    Those of `first` on. All that are within a bound of at most `MOST`, and no others; more with a greater bound.
    """
    half_bytes = HALF_BYTES * len(width)
    for i in range(TOGETHER):
        room.limits[i] = min(max(bounds[min(first + i, len(bounds) - 1)], 0), SATURATED)
    for row in range(0, rows, ROWS):
        _compare64(room.turned, row * half_bytes, room.tables, first, width, room.limits, room.masks, row // ROWS)


def _order(places: Any) -> ir.Constant:
    return ir.Constant(ir.VectorType(_I32, len(places)), list(places))


_LOW = _order([place for i in range(_LANES // 2) for place in (i, _LANES + i)])
_HIGH = _order([place for i in range(_LANES // 2, _LANES) for place in (i, _LANES + i)])


@intrinsic  # type: ignore[untyped-decorator]
def _turn32(typing: Any, codes: Any, row: Any, width: Any, turned: Any, place: Any) -> tuple[Any, Callable[..., Any]]:
    """32 rows from `row` on, as rows of half bytes from `place` on, `ROWS` bytes apart."""
    signature = types.void(codes, types.int64, width, turned, types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(codes)(context, builder, args[0]).data
        target = builder.gep(context.make_array(turned)(context, builder, args[3]).data, [args[4]])
        start = builder.gep(source, [builder.mul(args[1], _I64(width.count))])
        start = builder.bitcast(start, _BYTES.as_pointer())
        parts = [builder.load(builder.gep(start, [_I64(i)]), align=8) for i in range(8 * width.count)]
        for _ in range(5):  # each step makes the highest of the five bits of a row's number the lowest of an address
            halves = zip(parts[: len(parts) // 2], parts[len(parts) // 2 :], strict=True)
            parts = [builder.shuffle_vector(a, b, order) for a, b in halves for order in (_LOW, _HIGH)]
        low, four = ir.Constant(_BYTES, [15] * _LANES), ir.Constant(_BYTES, [4] * _LANES)
        for i, part in enumerate(parts):
            for half, value in enumerate((builder.and_(part, low), builder.lshr(part, four))):
                at = builder.gep(target, [_I64((2 * i + half) * ROWS)])
                builder.store(value, builder.bitcast(at, _BYTES.as_pointer()), align=1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator]
def _compare64(
    typing: Any, turned: Any, place: Any, tables: Any, first: Any, width: Any, limits: Any, masks: Any, column: Any
) -> tuple[Any, Callable[..., Any]]:
    """Which of the 64 codes at `place` are within `limits` of the queries from `first` on, into `masks[:, column]`."""
    signature = types.void(turned, types.int64, tables, types.int64, width, limits, masks, types.int64)
    half_bytes = HALF_BYTES * width.count
    pairs = [(q, part) for q in range(TOGETHER) for part in range(ROWS // _LANES)]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def data(kind: Any, argument: int) -> Any:
            return context.make_array(kind)(context, builder, args[argument]).data

        def load(start: Any, offset: Any, kind: ir.VectorType) -> Any:
            return builder.load(builder.bitcast(builder.gep(start, [offset]), kind.as_pointer()), align=1)

        def function(name: str) -> Any:
            kind = ir.FunctionType(_BYTES, [_BYTES, _BYTES])
            return cgutils.get_or_insert_function(builder.module, kind, name)

        look_up, add = function("llvm.x86.avx2.pshuf.b"), function("llvm.uadd.sat.v32i8")
        block = builder.gep(data(turned, 0), [args[1]])
        table_bytes = builder.bitcast(data(tables, 2), _I8.as_pointer())
        own = builder.gep(table_bytes, [builder.mul(args[3], _I64(half_bytes * 16))])
        none = ir.Constant(_BYTES, [0] * _LANES)
        totals = {pair: cgutils.alloca_once(builder, _BYTES) for pair in pairs}
        for total in totals.values():
            builder.store(none, total)
        with cgutils.for_range(builder, _I64(half_bytes // 2)) as loop:  # two at a time: all at once spill registers
            for half in range(2):
                at = builder.add(builder.mul(loop.index, _I64(2)), _I64(half))
                line = builder.mul(at, _I64(ROWS))
                codes = [load(block, builder.add(line, _I64(i)), _BYTES) for i in range(0, ROWS, _LANES)]
                for q, part in pairs:
                    if part == 0:
                        offset = builder.add(builder.mul(at, _I64(16)), _I64(q * half_bytes * 16))
                        table = load(own, offset, ir.VectorType(_I8, 16))
                        table = builder.shuffle_vector(table, table, _order([*range(16), *range(16)]))
                    found = builder.call(look_up, [table, codes[part]])
                    total = builder.load(totals[q, part])
                    builder.store(builder.call(add, [total, found]), totals[q, part])
        view = context.make_array(masks)(context, builder, args[6])
        columns = builder.extract_value(view.shape, 1)
        for q, part in pairs:
            limit = builder.load(builder.gep(data(limits, 5), [_I64(q)]))
            limit = builder.insert_element(ir.Constant(_BYTES, ir.Undefined), limit, _I32(0))
            limit = builder.shuffle_vector(limit, limit, _order([0] * _LANES))
            near = builder.icmp_unsigned("<=", builder.load(totals[q, part]), limit)
            at = builder.gep(view.data, [builder.add(builder.mul(_I64(q), columns), args[7])])
            at = builder.gep(builder.bitcast(at, _I32.as_pointer()), [_I64(part)])
            builder.store(builder.bitcast(near, _I32), at)
        return context.get_dummy_value()

    return signature, generate
