"""Codes as the engine sees them: rows of 64-bit words, so that a distance is a few population counts."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from transhash.codes import whole
from transhash.errors import HammingIndexError

MAX_BITS = 2048
PADDING = 64  # rows of zeros behind the last code: kernels read whole vectors and mask what lies beyond

Words = npt.NDArray[np.uint64]
Arrays: TypeAlias = dict[str, npt.NDArray[Any]]  # those of a file, by name


def check_bits(bits: object) -> int:
    """The length of codes that an index can hold; raises `HammingIndexError`."""
    count = whole(bits)
    if count is None or count < 8 or count > MAX_BITS or count % 8:
        raise HammingIndexError("", f"codes of {bits!r:.40} bits", f"use a multiple of 8 from 8 to {MAX_BITS}")
    return count


def word_count(bits: int) -> int:
    """Words in a row for codes of `bits` bits: 1, 2, 4 … 32 (a power of two, for the vector kernels)."""
    return int(1 << max(0, (bits - 1) // 64).bit_length())


def to_words(codes: object, bits: int, padding: int = 0) -> Words:
    """Packed codes uint8 [N, bits/8] -> read-only uint64 [N + padding, words], perhaps the same memory.

    Raises HammingIndexError.
    """
    if not isinstance(codes, np.ndarray):
        raise HammingIndexError(
            "", f"codes are a {type(codes).__name__}", f"give a NumPy array, uint8 [N, {bits // 8}]"
        )
    if codes.dtype != np.uint8:
        raise HammingIndexError("", f"codes have dtype {codes.dtype}", f"give packed bits, uint8 [N, {bits // 8}]")
    if codes.ndim != 2:
        raise HammingIndexError(
            "", f"codes have {codes.ndim} dimension(s)", f"give uint8 [N, {bits // 8}], a single code as code[None]"
        )
    if codes.shape[1] != bits // 8:
        raise HammingIndexError(
            "",
            f"codes have {codes.shape[1]} bytes each, but the index holds {bits}-bit codes of {bits // 8} bytes",
            "use codes of the index's model",
        )
    width = 8 * word_count(bits)
    if padding or codes.shape[1] < width or not (codes.flags.c_contiguous and type(codes) is np.ndarray):
        rows = np.zeros((len(codes) + padding, width), np.uint8)
        rows[: len(codes), : codes.shape[1]] = codes
    else:
        rows = codes  # as they are
    words = rows.view("<u8")
    if not words.dtype.isnative or not words.flags.aligned:
        words = words.astype(np.uint64)
    words.flags.writeable = False
    return words


def to_codes(words: Words, bits: int) -> npt.NDArray[np.uint8]:
    """The inverse of `to_words` without padding: uint8 [N, bits/8], a copy."""
    packed = np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8)
    return packed.reshape(len(words), 8 * words.shape[1])[:, : bits // 8].copy()
