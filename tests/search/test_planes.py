"""A scan by half bytes finds what a scan that counts bits finds, at any length, bound and number of codes."""

from __future__ import annotations

import numpy as np
import pytest

from transhash.search import planes, scan
from transhash.search.small import NONE
from transhash.search.store import Store, frozen
from transhash.search.words import PADDING, to_words

EVERYTHING = np.empty(0, np.uint64)
QUERIES = 19  # not a multiple of those that are compared together


def stored(codes: np.ndarray) -> Store:
    """A store without tables."""
    none = np.empty(0, np.uint32)
    words = to_words(codes, 8 * codes.shape[1], PADDING)
    return frozen(Store(words, np.arange(len(codes), dtype=np.uint32), none, np.zeros(1, np.int64), none, none, none))


@pytest.mark.skipif(not planes.FAST, reason="without AVX2 no block is turned")
@pytest.mark.parametrize("bits", [8, 64, 72, 128, 192, 256, 512])
@pytest.mark.parametrize("size", [1, 31, 64, 65, 2500])
def test_half_bytes_find_what_counted_bits_find(bits: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSHASH_THREADS", "2")
    monkeypatch.setattr(planes, "TURNED", planes.FEW)
    rng = np.random.default_rng(bits + size)
    codes = rng.integers(0, 256, (size, bits // 8), np.uint8)
    asked = rng.integers(0, 256, (QUERIES, bits // 8), np.uint8)
    asked[0] = codes[-1]
    asked[1] = ~codes[0]  # nothing is farther, at 256 bits one more than a byte can say
    distances = np.bitwise_count(asked[:, None] ^ codes).sum(axis=2, dtype=np.int64)
    store, queries = stored(codes), to_words(asked, bits)
    bounds = rng.permutation(np.resize([-1, 0, bits // 3, bits // 2, 254, 255, 256, bits], QUERIES).clip(max=bits))
    assert planes.room(queries, scan.BLOCK_BYTES // 64) is not None
    assert (scan.count_within(store, EVERYTHING, queries, bounds) == (distances <= bounds[:, None]).sum(axis=1)).all()
    keys = np.where(distances <= bounds[:, None], distances << 32 | np.arange(size), NONE)
    found = scan.nearest(store, EVERYTHING, queries, size + 1, bits, bounds)
    assert (found[:, :size] == np.sort(keys, axis=1)).all()
    assert (found[:, size] == NONE).all()


def test_few_queries_are_compared_without_turning() -> None:
    assert planes.room(np.zeros((planes.TURNED - 1, 1), np.uint64), 64) is None
