"""Codes: bits and packed bytes, and distances between them.

A packed code is uint8 (B/8,); bit 0 is the most significant bit of byte 0. NumPy alone.
"""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.errors import DataError

MOST_BITS = 512  # of a code that a model gives; an index takes longer ones
BLOCK_BYTES = 64 << 20  # of intermediate results in `hamming`


def pack(bits: ArrayLike) -> NDArray[np.uint8]:
    """Bits or relaxed codes (N, B) to packed codes, uint8 (N, B/8): a value above 0 is a one, zero itself is not.

    Raises `DataError` when B is not a positive multiple of 8 or a value is not a real number.
    """
    values = np.asarray(bits)
    if values.dtype.kind not in "biuf":
        raise DataError("", f"cannot pack an array of {values.dtype}", "give bits or real values")
    if values.ndim != 2 or values.shape[1] == 0 or values.shape[1] % 8:
        raise DataError(
            "", f"cannot pack an array of shape {values.shape}", "give (N, B) with B a positive multiple of 8"
        )
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise DataError(
            "", "cannot pack codes with NaN among their values", "encode with another model: this one is broken"
        )
    return np.packbits(values > 0, axis=1)


def unpack(codes: ArrayLike, bits: int | None = None) -> NDArray[np.uint8]:
    """Packed codes, uint8 (N, B/8), to their bits, uint8 (N, B) of zeros and ones; `bits`: the B that is expected."""
    return np.unpackbits(check_codes(codes, bits), axis=1)


def from_binary(embeddings: ArrayLike) -> NDArray[np.uint8]:
    """Packed codes, uint8 (N, B/8), of what other programs call binary embeddings of their vectors' signs.

    `np.packbits(x > 0, axis=1)`, the layout of usearch and of sentence-transformers' `ubinary`, is ours; int8 (N, B/8)
    is sentence-transformers' `binary`, the same less 128. Raises `DataError` for anything else.
    """
    array = np.asarray(embeddings)
    if array.dtype == np.int8:
        array = array.view(np.uint8) ^ np.uint8(128)
    return check_codes(array)


def to_signs(codes: ArrayLike) -> NDArray[np.float32]:
    """Packed codes, uint8 (N, B/8), to float32 (N, B) of -1 and +1."""
    return unpack(codes).astype(np.float32) * 2 - 1


def hamming(a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
    """Every distance between packed codes a (Na, B/8) and b (Nb, B/8): int32 (Na, Nb). Brute force; an oracle."""
    a = check_codes(a)
    b = check_codes(b, bits=8 * a.shape[1])
    words_a, words_b = to_words(a), np.ascontiguousarray(to_words(b).T)
    distances = np.zeros((len(a), len(b)), np.int32)
    rows = max(1, BLOCK_BYTES // max(1, words_b[0].nbytes))
    for start in range(0, len(a), rows):
        for word_a, word_b in zip(words_a[start : start + rows].T, words_b, strict=True):
            distances[start : start + rows] += np.bitwise_count(word_a[:, None] ^ word_b)
    return distances


def to_words(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Rows of bytes, (N, b), as words of 64 bits, filled up with zeros, which do not differ: uint64 (N, words)."""
    padded = np.zeros((len(rows), -(-rows.shape[1] // 8) * 8), np.uint8)
    padded[:, : rows.shape[1]] = rows
    return padded.view(np.uint64)


def whole(value: object) -> int | None:
    """The whole number that a value is, of Python or of NumPy; None for anything else, True and False included."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return None


def check_codes(codes: ArrayLike, bits: int | None = None) -> NDArray[np.uint8]:
    """The codes as a contiguous uint8 (N, B/8) array; raises `DataError` when they are something else."""
    array = np.asarray(codes)
    if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] == 0:
        raise DataError(
            "",
            f"not packed codes: an array of {array.dtype}, shape {array.shape}",
            "give uint8 (N, bits/8), as `HashModel.encode` returns and `transhash.codes.pack` makes",
        )
    if bits is not None and array.shape[1] * 8 != bits:
        raise DataError("", f"codes of {array.shape[1] * 8} bits where {bits} are needed", "use one model for both")
    return np.ascontiguousarray(array)


def check_values(values: ArrayLike, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Relaxed codes as float64 (N, B); raises `DataError` when they are not those of the packed codes (N, B/8)."""
    array = np.asarray(values)
    shape = (len(codes), 8 * codes.shape[1])
    if array.dtype.kind != "f" or array.shape != shape:
        raise DataError(
            "",
            f"values are {array.dtype} of shape {array.shape}",
            f"give the relaxed codes, float {shape}, as `HashModel.values` returns them",
        )
    if not np.isfinite(array).all():
        raise DataError("", "values contain infinity or NaN", "encode with another model: this one is broken")
    if (pack(array) != codes).any():
        raise DataError("", "the signs of the values are not the bits of the codes", "give values of the same rows")
    return array.astype(np.float64)
