"""Vector instructions for Numba, written as LLVM IR: population counts over many codes at once.

LLVM lowers the generic vectors to what the machine has (AVX-512 VPOPCNTDQ, AVX2 shuffles, NEON CNT).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from llvmlite.binding import get_host_cpu_features  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

from transhash.kernels import inlined

# What the processor that Numba compiles for is known to have: this one, but for what NUMBA_CPU_FEATURES changes
HAS = get_host_cpu_features() if config.CPU_NAME is None else {}
HAS |= {feature[1:]: feature[0] == "+" for feature in (config.CPU_FEATURES or "").split(",") if feature}
LONG = 8  # words of a code beyond which rows are compared one by one
TOLD = 254  # bits: with a greater bound `near64` may name others than those within it
COUNTS = all(HAS.get(each) for each in ("avx512f", "avx512bw", "avx512vpopcntdq"))  # eight words in one instruction

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_LANES, _OCTETS = ir.VectorType(_I64, 8), ir.VectorType(_I8, 64)


def order(lanes: Iterable[int]) -> ir.Constant:
    """Which lanes a shuffle takes, in order."""
    taken = list(lanes)
    return ir.Constant(ir.VectorType(_I32, len(taken)), taken)


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    one = builder.insert_element(ir.Constant(ir.VectorType(value.type, 1), ir.Undefined), value, _I32(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


def _ctpop(builder: Any, vector: Any) -> Any:
    kind = vector.type
    name = f"llvm.ctpop.v{kind.count}i64" if isinstance(kind, ir.VectorType) else "llvm.ctpop.i64"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
    return builder.call(function, [vector])


def _counted(builder: Any, start: Any, pattern: Any, rows: int) -> Any:
    """In how many bits each of the rows from `start` on differs from `pattern`: all rows in one vector."""
    words = pattern.type.count
    repeat = ir.Constant(ir.VectorType(_I32, rows * words), [i % words for i in range(rows * words)])
    pattern = builder.shuffle_vector(pattern, pattern, repeat)
    block = builder.load(builder.bitcast(start, pattern.type.as_pointer()), align=8)
    counts = _ctpop(builder, builder.xor(block, pattern))
    lanes = rows * words
    while lanes > rows:  # add neighbours until one lane is one row
        lanes //= 2
        kind = ir.VectorType(_I32, lanes)
        even = ir.Constant(kind, list(range(0, 2 * lanes, 2)))
        odd = ir.Constant(kind, list(range(1, 2 * lanes, 2)))
        counts = builder.add(builder.shuffle_vector(counts, counts, even), builder.shuffle_vector(counts, counts, odd))
    return counts


def _counted_by_row(builder: Any, start: Any, pattern: Any, rows: int) -> Any:
    """The same, one row after the other: what LLVM compiles in reasonable time for long codes."""
    kind = pattern.type
    name = f"llvm.vector.reduce.add.v{kind.count}i64"
    total = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_I64, [kind]), name)
    counts = ir.Constant(ir.VectorType(_I64, rows), ir.Undefined)
    for row in range(rows):
        place = builder.gep(start, [_I64(row * kind.count)])
        code = builder.load(builder.bitcast(place, kind.as_pointer()), align=8)
        count = builder.call(total, [_ctpop(builder, builder.xor(code, pattern))])
        counts = builder.insert_element(counts, count, _I32(row))
    return counts


def _make_near(rows: int) -> Any:
    def near(typing: Any, codes: Any, row: Any, query: Any, bound: Any) -> tuple[Any, Callable[..., Any]]:
        words = query.count
        signature = types.int64(codes, types.int64, query, types.int64)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            codes, row, query, bound = args
            data = context.make_array(signature.args[0])(context, builder, codes).data
            start = builder.gep(data, [builder.mul(row, _I64(words))])
            kind = ir.VectorType(_I64, words)
            pattern = ir.Constant(kind, ir.Undefined)
            for place, word in enumerate(cgutils.unpack_tuple(builder, query, words)):
                pattern = builder.insert_element(pattern, word, _I32(place))
            if words > LONG:
                counts = _counted_by_row(builder, start, pattern, rows)
            else:
                counts = _counted(builder, start, pattern, rows)
            mask = builder.icmp_signed("<=", counts, _splat(builder, bound, rows))
            return builder.zext(builder.bitcast(mask, ir.IntType(rows)), _I64)

        return signature, generate

    near.__name__ = near.__qualname__ = f"near{rows}"
    return intrinsic(near)


# near8(codes uint64 [N, words], row, query words as a tuple, bound) -> bit i says that row + i is within `bound`.
# All 8 (32) rows are read: arrays carry words.PADDING spare rows, and callers mask what lies beyond their end.
near8 = _make_near(8)
near32 = _make_near(32)


@inlined
def near64(codes, row, query, bound):  # type: ignore[no-untyped-def]
    """As `near32`, of 64 rows; with a bound beyond `TOLD` there may be others, too."""
    if COUNTS and len(query) <= LONG:
        near = _near64(codes, row, query, bound)
        return _across(near) if near else near
    return near32(codes, row, query, bound) | (near32(codes, row + 32, query, bound) << 32)


@inlined
def near_some(codes, row, end, query, bound):  # type: ignore[no-untyped-def]
    """Which of the rows from `row` on, before `end`, may be within `bound`, and of how many that tells."""
    left = end - row
    if COUNTS and left > 48:
        count, near = 64, near64(codes, row, query, bound)
    elif left > 8:
        count, near = 32, near32(codes, row, query, bound)
    else:
        count, near = 8, near8(codes, row, query, bound)
    if left < count:
        near &= (np.int64(1) << left) - 1
    return near, count


@inlined
def _across(bits):  # type: ignore[no-untyped-def]
    """Eight octets of bits, turned: bit `8 * i + j` comes to `8 * j + i`."""
    swapped = (bits ^ (bits >> 7)) & 0x00AA00AA00AA00AA
    bits ^= swapped ^ (swapped << 7)
    swapped = (bits ^ (bits >> 14)) & 0x0000CCCC0000CCCC
    bits ^= swapped ^ (swapped << 14)
    swapped = (bits ^ (bits >> 28)) & 0x00000000F0F0F0F0
    return bits ^ swapped ^ (swapped << 28)


@intrinsic  # type: ignore[untyped-decorator]
def _near64(typing: Any, codes: Any, row: Any, query: Any, bound: Any) -> tuple[Any, Callable[..., Any]]:
    """Which of 64 rows are within `bound`: bit `8 * i + j` says it of row `8 * j + i`.

    The counts of eight vectors are put into one, each an octet beside the others: one comparison tells of 64 rows.
    """
    words = query.count

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        start = builder.bitcast(builder.gep(data, [builder.mul(args[1], _I64(words))]), _LANES.as_pointer())
        own = cgutils.unpack_tuple(builder, args[2], words)
        pattern = ir.Constant(_LANES, ir.Undefined)
        for lane in range(_LANES.count):
            pattern = builder.insert_element(pattern, own[lane % words], _I32(lane))
        parts = [_eight(builder, start, pattern, range(i, 8 * words, words)) for i in range(words)]
        kind = ir.FunctionType(_OCTETS, [_OCTETS, _OCTETS])
        add = cgutils.get_or_insert_function(builder.module, kind, "llvm.uadd.sat.v64i8")
        sides = [order(range(side, 16, 2)) for side in (0, 1)]
        while len(parts) > 1:  # add neighbours until an octet is one row
            pairs = [
                [builder.bitcast(builder.shuffle_vector(*two, side), _OCTETS) for side in sides]
                for two in zip(parts[::2], parts[1::2], strict=True)
            ]
            parts = [builder.bitcast(builder.call(add, two), _LANES) for two in pairs]
        most = builder.select(builder.icmp_signed("<", args[3], _I64(TOLD + 1)), args[3], _I64(TOLD + 1))
        limits = _splat(builder, builder.trunc(most, _I8), _OCTETS.count)
        near = builder.icmp_unsigned("<=", builder.bitcast(parts[0], _OCTETS), limits)
        near = builder.bitcast(near, _I64)
        return builder.select(builder.icmp_signed("<", args[3], _I64(0)), _I64(0), near)

    return types.int64(codes, types.int64, query, types.int64), generate


def _eight(builder: Any, start: Any, pattern: Any, numbers: range) -> Any:
    """In how many bits the words of eight vectors differ from `pattern`: an octet for each vector, in every lane."""
    total = None
    for octet, number in enumerate(numbers):
        block = builder.load(builder.gep(start, [_I64(number)]), align=8)
        counts = _ctpop(builder, builder.xor(block, pattern))
        if octet:
            counts = builder.shl(counts, ir.Constant(_LANES, [8 * octet] * _LANES.count))
        total = counts if total is None else builder.or_(total, counts)
    return total


@intrinsic  # type: ignore[untyped-decorator]
def load(typing: Any, rows: Any, row: Any, width: Any) -> tuple[Any, Callable[..., Any]]:
    """Row `row` of uint64 [N, len(width)] as a tuple: kernels learn the width at compile time from `width`."""
    signature = types.UniTuple(types.uint64, width.count)(rows, types.int64, width)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        start = builder.mul(args[1], _I64(width.count))
        words = [builder.load(builder.gep(data, [builder.add(start, _I64(i))])) for i in range(width.count)]
        return context.make_tuple(builder, signature.return_type, words)

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator]
def ones(typing: Any, value: Any) -> tuple[Any, Callable[..., Any]]:
    """Set bits of a 64-bit integer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _ctpop(builder, args[0])

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def lowest(typing: Any, value: Any) -> tuple[Any, Callable[..., Any]]:
    """The place of the lowest set bit of a non-zero int64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing: Any, array: Any, row: Any) -> tuple[Any, Callable[..., Any]]:
    """Ask for the cache line in which row `row` of a contiguous array begins."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, args[0])
        stride = builder.extract_value(view.strides, 0)
        byte = ir.IntType(8)
        address = builder.gep(builder.bitcast(view.data, byte.as_pointer()), [builder.mul(args[1], stride)])
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, _I32(0), _I32(3), _I32(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def borrow(typing: Any, array: Any) -> tuple[Any, Callable[..., Any]]:
    """The same array without a reference count, for a loop in which counting costs more than the work.

    Whoever called must hold the array meanwhile.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(array)(context, builder, args[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        return view._getvalue()

    return array(array), generate


@intrinsic  # type: ignore[untyped-decorator]
def bits_at(typing: Any, words: Any, bit: Any) -> tuple[Any, Callable[..., Any]]:
    """The bits of a contiguous array from bit `bit` on: at least 57 of them are those of the array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        octet = builder.gep(builder.bitcast(data, ir.IntType(8).as_pointer()), [builder.lshr(args[1], _I64(3))])
        value = builder.load(builder.bitcast(octet, _I64.as_pointer()), align=1)
        return builder.lshr(value, builder.and_(args[1], _I64(7)))

    return types.uint64(words, types.int64), generate
