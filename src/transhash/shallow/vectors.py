"""Vectors of one's own as they come: arrays, lists and tables, checked, and in chunks however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.errors import VectorsError

ROWS = 8192  # vectors that are in memory as float32 at a time

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
            array = array.astype(np.float32)
        except ValueError as error:
            raise VectorsError("", f"vectors of {array.dtype} are no numbers ({error})", "give real numbers") from error
    return array


def chunks(rows: Rows) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32]]]:
    """Vectors (N, F) in chunks: which they are, themselves as float32 (n, F), and their lengths, float32 (n, 1).

    Raises `VectorsError` for infinity and NaN.
    """
    for start in range(0, len(rows), ROWS):
        some = np.asarray(rows[start : start + ROWS], np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.einsum("nf,nf->n", some, some)
        if not np.isfinite(squares).all():
            if not np.isfinite(some).all():
                raise VectorsError("", "the vectors contain infinity or NaN", "leave these rows out")
            raise VectorsError("", "the vectors are too long for float32", "divide them by their lengths")
        yield slice(start, start + len(some)), some, np.sqrt(squares)[:, None]
