"""Vector instructions say of many codes at once what counting the bits of each says."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from transhash.search.bitops import TOLD, load, near64
from transhash.search.words import PADDING


@pytest.mark.parametrize("words", [1, 2, 4, 8, 16])
def test_of_64_codes_those_within_a_bound_are_found(words: int) -> None:
    @numba.njit
    def masks(codes, queries, width, bound):  # type: ignore[no-untyped-def]
        found = np.empty((len(queries), (len(codes) - PADDING) // 64), np.int64)
        for q in range(len(queries)):
            query = load(queries, q, width)
            for i in range(found.shape[1]):
                found[q, i] = near64(codes, 64 * i, query, bound)
        return found

    rng = np.random.default_rng(words)
    codes = rng.integers(0, 2**64, (5 * 64 + PADDING, words), np.uint64)
    few = codes[:2] ^ (np.uint64(1) << rng.integers(0, 64, (2, words), np.uint64))  # a bit of each word
    queries = np.concatenate([codes[7:8], ~codes[70:71], few, rng.integers(0, 2**64, (3, words), np.uint64)])
    distances = np.bitwise_count(queries[:, None] ^ codes[:-PADDING]).sum(axis=2, dtype=np.int64)
    width = tuple(np.int64(0) for _ in range(words))
    for bound in {-1, 0, 1, words, 32 * words - 5, 32 * words, 64 * words - 1, 64 * words, TOLD, TOLD + 1}:
        found = np.unpackbits(masks(codes, queries, width, bound).view(np.uint8), axis=1, bitorder="little")
        is_within = distances <= bound
        if bound <= TOLD:
            np.testing.assert_array_equal(found, is_within)
        else:
            assert (found >= is_within).all()
