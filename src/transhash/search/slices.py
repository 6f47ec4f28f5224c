"""A block of codes cut into slices: one vector for each bit, so that 512 codes are compared with a query at once.

The slices are taken three at a time. In how many of three bits a code differs from a query is a number of two bits, and
a query's own three bits are one of eight patterns: both vectors are tabulated for all eight, once for all queries. A
query then adds up its vectors as adders of hardware do: an instruction (AVX-512's `vpternlogq`) gives the sum of three
bits, another the carry, for 512 codes. That is .3 instructions a code of 128 bits, where looking up pieces of six
bits (`vpermb`) takes .7. What is added in the beginning is chosen so that the last carry says which codes lie beyond
the bound.
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
from transhash.search.bitops import HAS, LONG, order
from transhash.search.planes import ROWS
from transhash.search.words import Words
from transhash.system import aligned

FAST = bool(HAS.get("avx512f") and HAS.get("avx512bw"))
TOGETHER = 1  # queries
FEW = 32  # queries for which it is not worth to cut a block
BLOCK = 512  # codes in a vector
MOST = 64 * LONG  # any distance is told exactly

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_LANES = ir.VectorType(_I64, BLOCK // 64)
_OCTETS = ir.VectorType(_I8, 64)
_LINE = BLOCK // 8  # bytes of a vector
_PAIR = 2 * _LINE  # bytes of a pattern: its carries, then its sums
_CARRY, _SUM = 0xE8, 0x96  # what `vpternlogq` makes of three bits: the majority, and whether an odd number is set


class Room(NamedTuple):
    """What a thread needs for it: `FAST` machines only."""

    slices: npt.NDArray[np.uint64]  # [64 * words, BLOCK / 64]: a bit of all codes
    tables: npt.NDArray[np.uint64]  # [triples, 8 patterns, carries and sums, BLOCK / 64]
    patterns: npt.NDArray[np.uint16]  # [Q, triples]: where in a table a query's pattern is, in bytes
    masks: npt.NDArray[np.uint64]  # which codes are within the bound [TOGETHER, BLOCK / 64]
    some: npt.NDArray[np.uint64]  # 0 where none is [TOGETHER]


def room(queries: Words, block: int) -> Room | None:
    """Room to compare blocks of `BLOCK` codes with `queries`, if that is of use here."""
    words = queries.shape[1]
    if not FAST or len(queries) < FEW or words > LONG:
        return None
    triples = _triples.py_func(words)  # as compiled it is a part of kernels
    patterns = np.empty((len(queries), triples), np.uint16)
    _look_up(queries, patterns)
    return Room(
        aligned((64 * words * BLOCK // 64,), np.uint64),
        aligned((triples * 8 * _PAIR // 8,), np.uint64),
        patterns,
        np.empty((TOGETHER, BLOCK // 64), np.uint64),
        np.empty(TOGETHER, np.uint64),
    )


@inlined
def _triples(words):  # type: ignore[no-untyped-def]
    """How many triples of bits codes of so many words have; the last may have fewer bits."""
    return -(-64 * words // 3)


@kernel
def _look_up(queries, patterns):  # type: ignore[no-untyped-def]
    for q in range(len(queries)):
        for triple in range(patterns.shape[1]):
            pattern = np.int64(0)
            for i in range(min(3, 64 * queries.shape[1] - 3 * triple)):
                word, bit = divmod(3 * triple + i, 64)
                pattern |= np.int64((queries[q, word] >> np.uint64(bit)) & np.uint64(1)) << i
            patterns[q, triple] = pattern * _PAIR


@inlined
def turn(codes, top, bottom, width, room):  # type: ignore[no-untyped-def]
    """Cut the rows `top` to `bottom`, at most `BLOCK`, into slices and tabulate these; 63 rows behind are read."""
    for row in range(top, bottom, 64):
        _slice64(codes, row, width, room.slices, (row - top) // 64)
    _tabulate(room.slices, width, room.tables)


@inlined
def compare(rows, first, bounds, width, room):  # type: ignore[no-untyped-def]
    """Fill `room.masks` and `some`: which of the block's first `rows` codes are within the bound of query `first`.

    A bound below 0 counts as 0.
    """
    _compare512(room.tables, room.patterns, first, width, max(bounds[first], 0), room.masks)
    some = np.uint64(0)
    for column in range(-(-rows // ROWS)):
        some |= room.masks[0, column]
    room.some[0] = some


_LOW = order([place for i in range(32) for place in (i, 64 + i)])
_HIGH = order([place for i in range(32, 64) for place in (i, 64 + i)])


@intrinsic  # type: ignore[untyped-decorator]
def _slice64(typing: Any, codes: Any, row: Any, width: Any, slices: Any, column: Any) -> tuple[Any, Callable[..., Any]]:
    """The 64 rows from `row` on: bit i of each becomes `slices[i, column]`."""
    signature = types.void(codes, types.int64, width, slices, types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(codes)(context, builder, args[0]).data
        target = builder.gep(context.make_array(slices)(context, builder, args[3]).data, [args[4]])
        start = builder.bitcast(builder.gep(source, [builder.mul(args[1], _I64(width.count))]), _OCTETS.as_pointer())
        parts = [builder.load(builder.gep(start, [_I64(i)]), align=8) for i in range(8 * width.count)]
        for _ in range(6):  # a row's number is shifted out of the vectors' number: one is left for each octet
            halves = zip(parts[: len(parts) // 2], parts[len(parts) // 2 :], strict=True)
            parts = [builder.shuffle_vector(a, b, order) for a, b in halves for order in (_LOW, _HIGH)]
        for octet, part in enumerate(parts):
            for bit in range(8):
                mask = builder.and_(part, ir.Constant(_OCTETS, [1 << bit] * 64))
                mask = builder.icmp_unsigned("!=", mask, ir.Constant(_OCTETS, [0] * 64))
                place = builder.gep(target, [_I64((8 * octet + bit) * (BLOCK // 64))])
                builder.store(builder.bitcast(mask, _I64), place)
        return context.get_dummy_value()

    return signature, generate


def _chosen(builder: Any, table: int, x: Any, y: Any, z: Any) -> Any:
    """For each place the bit of `table` whose number has the three bits there."""
    kind = ir.FunctionType(_LANES, [_LANES, _LANES, _LANES, _I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.pternlog.q.512")
    return builder.call(function, [x, y, z, _I32(table)])


def _flipped(table: int, pattern: int) -> int:
    """The table of the same function of three bits, of which those that are set in `pattern` are flipped before."""
    flips = sum((pattern >> i & 1) << (2 - i) for i in range(3))  # the first operand is the highest bit
    return sum((table >> (place ^ flips) & 1) << place for place in range(8))


@intrinsic  # type: ignore[untyped-decorator]
def _tabulate(typing: Any, slices: Any, width: Any, tables: Any) -> tuple[Any, Callable[..., Any]]:
    """For each triple of slices and each pattern in how many bits the codes differ from it: carries and sums."""
    signature = types.void(slices, width, tables)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, target = (
            builder.bitcast(context.make_array(kind)(context, builder, args[i]).data, _LANES.as_pointer())
            for i, kind in ((0, slices), (2, tables))
        )

        def triple(number: Any, bits: int) -> None:
            first = builder.mul(number, _I64(3))
            own = [builder.load(builder.gep(source, [builder.add(first, _I64(i))]), align=_LINE) for i in range(bits)]
            own += [ir.Constant(_LANES, [0] * _LANES.count)] * (3 - bits)
            for pattern in range(8):
                for i, table in enumerate((_CARRY, _SUM)):
                    place = builder.gep(target, [builder.add(builder.mul(number, _I64(16)), _I64(2 * pattern + i))])
                    builder.store(_chosen(builder, _flipped(table, pattern), *own), place, align=_LINE)

        whole, rest = divmod(64 * width.count, 3)
        with cgutils.for_range(builder, _I64(whole)) as loop:
            triple(loop.index, 3)
        if rest:
            triple(_I64(whole), rest)
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator]
def _compare512(
    typing: Any, tables: Any, patterns: Any, query: Any, width: Any, bound: Any, masks: Any
) -> tuple[Any, Callable[..., Any]]:
    """Which of the codes are within a bound of 0 or more of a query: `masks[0]`."""
    signature = types.void(tables, patterns, types.int64, width, types.int64, masks)
    triples = _triples.py_func(width.count)
    digits = (64 * width.count).bit_length()  # of a distance

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def data(argument: int) -> Any:
            return context.make_array(signature.args[argument])(context, builder, args[argument]).data

        waiting: list[list[Any]] = [[] for _ in range(digits + 1)]  # vectors whose bits count 1, 2, 4, …

        def add(vector: Any, digit: int) -> None:
            waiting[digit].append(vector)
            if digit < digits and len(waiting[digit]) == 3:
                three = waiting[digit]
                waiting[digit] = [_chosen(builder, _SUM, *three)]
                add(_chosen(builder, _CARRY, *three), digit + 1)

        table = builder.bitcast(data(0), _I8.as_pointer())
        own = builder.gep(data(1), [builder.mul(args[2], _I64(triples))])
        least = builder.sub(_I64((1 << digits) - 1), args[4])  # a distance beyond the bound makes it 2 ** digits
        for digit in range(digits):
            bit = builder.and_(builder.lshr(least, _I64(digit)), _I64(1))
            vector = builder.insert_element(ir.Constant(_LANES, ir.Undefined), builder.neg(bit), _I32(0))
            add(builder.shuffle_vector(vector, vector, order([0] * _LANES.count)), digit)
        for number in range(triples):
            pattern = builder.zext(builder.load(builder.gep(own, [_I64(number)])), _I64)
            place = builder.gep(table, [builder.add(pattern, _I64(number * 8 * _PAIR))])
            place = builder.bitcast(place, _LANES.as_pointer())
            for i, digit in ((1, 0), (0, 1)):
                add(builder.load(builder.gep(place, [_I64(i)]), align=_LINE), digit)
        for digit in range(digits):
            if len(waiting[digit]) == 2:
                add(builder.and_(*waiting[digit]), digit + 1)
        beyond = waiting[digits][0]  # of these vectors at most one has a bit set
        for other in waiting[digits][1:]:
            beyond = builder.or_(beyond, other)
        near = builder.xor(beyond, ir.Constant(_LANES, [-1] * _LANES.count))
        builder.store(near, builder.bitcast(data(5), _LANES.as_pointer()), align=8)
        return context.get_dummy_value()

    return signature, generate
