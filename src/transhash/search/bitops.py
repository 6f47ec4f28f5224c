"""Vector instructions for Numba, written as LLVM IR: population counts over many codes at once.

LLVM lowers the generic vectors to what the machine has (AVX-512 VPOPCNTDQ, AVX2 shuffles, NEON CNT).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
LONG = 8  # words of a code beyond which rows are compared one by one


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
