"""Packed codes of many vectors by planes: little more than the matrix product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transhash.kernels import kernel
from transhash.shallow.vectors import PIECE, ROWS, Rows, chunks
from transhash.threads import cuts, spread, workers


def signs_of(head: NDArray[np.float32], rows: Rows, *, normalize: bool) -> NDArray[np.uint8]:
    """Packed codes, uint8 (N, B/8), of vectors (N, F): the signs of `x @ head[:-1] + head[-1]`, head (F + 1, B).

    `normalize`: of x / |x|. No vector is divided for that: what is added is multiplied by |x|, which keeps all signs.
    Raises `VectorsError` for vectors that cannot be used.
    """
    bits = head.shape[1]
    order = np.arange(bits).reshape(-1, 8).T.ravel()  # the first bits of all bytes, then the second ones, ...
    weights, added = np.ascontiguousarray(head[:-1, order]), head[-1, order]
    codes = np.empty((len(rows), bits // 8), np.uint8)
    room = np.empty((min(ROWS, len(rows)), bits), np.float32)
    for where, some, lengths in chunks(rows):
        values = np.matmul(some, weights, out=room[: len(some)])
        scale = lengths[:, 0] if normalize else np.ones(len(some), np.float32)
        part = codes[where]

        def packed(piece: tuple[int, int]) -> None:
            of = slice(*piece)
            _packed(values[of], added, scale[of], part[of])  # noqa: B023  # called before the next chunk

        spread(packed, cuts(len(some), workers(), PIECE))
    return codes


@kernel
def _packed(values, added, scale, codes):  # type: ignore[no-untyped-def]
    """Codes (n, B/8) of values (n, B), bit k of byte j in column k * B/8 + j: neighbours go into neighbouring lanes."""
    width = codes.shape[1]
    for row in range(len(values)):
        for byte in range(width):
            code = 0
            for bit in range(8):
                column = bit * width + byte
                code += code + (values[row, column] + added[column] * scale[row] > 0)
            codes[row, byte] = code
