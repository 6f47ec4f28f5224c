"""Vectors of one's own as they come: arrays, lists and tables, checked, and in chunks however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.errors import VectorsError
from transhash.kernels import kernel
from transhash.threads import cuts, spread, workers

ROWS = 4096  # vectors that are in memory as float32 at a time
PIECE = 1024  # of these that a thread takes, at least
CACHED = 256  # vectors that are made float32, and squared while they are in a core's cache

Rows: TypeAlias = NDArray[np.floating] | NDArray[np.integer]


def rows_of(vectors: ArrayLike) -> Rows:
    """Vectors (N, F) of real numbers, in whatever precision they have; a mapped file is not read.

    Raises `VectorsError` for sparse matrices, complex numbers and arrays of other shapes, and `TypeError` for objects
    that are no numbers.
    """
    if hasattr(vectors, "nnz") and hasattr(vectors, "toarray"):
        raise VectorsError("", "sparse vectors are not supported", "give a dense array, such as `X.toarray()`")
    array = np.asarray(vectors)
    if array.dtype.kind == "c":
        raise VectorsError("", "Complex data not supported", "give real numbers")
    if array.ndim != 2:
        raise VectorsError(
            "",
            f"expected an array (N, F) of vectors, got one of shape {array.shape}",
            "Reshape your data: give a row for each vector, or `x[None]` for one vector",
        )
    for axis, what in enumerate(("sample", "feature")):
        if not array.shape[axis]:
            raise VectorsError(
                "",
                f"0 {what}(s) (shape={array.shape}) while a minimum of 1 is required",
                "give at least one vector of one value",
            )
    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float64)
        except (ValueError, OverflowError) as error:
            raise VectorsError("", f"vectors of {array.dtype} are no numbers ({error})", "give real numbers") from error
    return array


def chunks(rows: Rows) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32]]]:
    """Vectors (N, F) in chunks: which they are, themselves as float32 (n, F), and their lengths, float32 (n, 1).

    A chunk is in the place of the one before it. Raises `VectorsError` for infinity and NaN.
    """
    room = None if rows.dtype == np.float32 else np.empty((min(ROWS, len(rows)), rows.shape[1]), np.float32)
    for start in range(0, len(rows), ROWS):
        given = rows[start : start + ROWS]
        some: NDArray[np.float32] = np.asarray(given, np.float32) if room is None else room[: len(given)]
        squares = np.empty(len(given), np.float32)

        def prepare(piece: tuple[int, int]) -> None:  # called before the next chunk
            step = len(some) if room is None else CACHED  # noqa: B023
            with np.errstate(over="ignore", invalid="ignore"):
                for first in range(*piece, step):
                    of = slice(first, min(first + step, piece[1]))
                    if room is not None:
                        _to_floats(given[of], some[of])  # noqa: B023
                    np.einsum("nf,nf->n", some[of], some[of], out=squares[of])  # noqa: B023

        spread(prepare, cuts(len(given), workers(), PIECE))
        if not np.isfinite(squares).all():
            if not np.isfinite(given).all():
                raise VectorsError("", "the vectors contain infinity or NaN", "leave these rows out")
            raise VectorsError("", "the vectors are too long for float32", "divide them by their lengths")
        yield slice(start, start + len(some)), some, np.sqrt(squares)[:, None]


def _to_floats(given: Rows, floats: NDArray[np.float32]) -> None:
    """Write numbers (n, F) as float32."""
    if given.dtype == np.float16 and given.dtype.isnative and given.flags.c_contiguous:
        _widened(np.asarray(given).view(np.uint16), floats.view(np.uint32), floats)
    else:
        with np.errstate(over="ignore"):
            floats[:] = given


@kernel
def _widened(halves, bits, floats):  # type: ignore[no-untyped-def]
    """The bits of float16 to float32; `bits` and `floats` are the same memory. NumPy takes seven times as long."""
    for row in range(len(halves)):
        for column in range(halves.shape[1]):
            half = np.uint32(halves[row, column])
            exponent = np.uint32(0x7F800000) if (half & np.uint32(0x7C00)) == np.uint32(0x7C00) else np.uint32(0)
            number = (half & np.uint32(0x7FFF)) << np.uint32(13) | (half & np.uint32(0x8000)) << np.uint32(16)
            bits[row, column] = number | exponent  # infinity and NaN stay
        for column in range(halves.shape[1]):
            floats[row, column] *= np.float32(2.0**112)  # the exponents of float32 start so much lower
