"""What an index tells of its entries without searching: which there are, and how many at each distance."""

from __future__ import annotations

import numpy as np
import pytest

from transhash import HammingIndex
from transhash.search import segments


@pytest.mark.parametrize("bits", [8, 64, 128])
def test_it_is_what_counting_gives(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "COUNTED_AT_ONCE", 100)
    random = np.random.default_rng(bits)
    codes, queries = (random.integers(0, 256, (n, bits // 8), np.uint8) for n in (1000, 3))
    index = HammingIndex(bits)
    index.add(codes[:600], np.arange(600))
    index.add(codes[600:], np.arange(600, 1000))
    index.remove(np.arange(0, 1000, 7))
    kept = np.setdiff1d(np.arange(1000), np.arange(0, 1000, 7))
    distances = np.bitwise_count(queries[:, None] ^ codes).sum(axis=2)

    for allowed in (None, np.arange(300, 800)):
        chosen = kept if allowed is None else np.intersect1d(kept, allowed)
        expected = [np.bincount(row[chosen], minlength=bits + 1) for row in distances]
        np.testing.assert_array_equal(index.histogram(queries, ids=allowed), expected)


def test_ids_that_are_there() -> None:
    index = HammingIndex(8)
    index.add(np.arange(5, dtype=np.uint8)[:, None], [3, 1, 4, 100, 5])
    index.remove([4])

    assert index.contains([1, 2, 3, 4, 5, 100, 10**15]).tolist() == [True, False, True, False, True, True, False]
    assert index.contains([]).tolist() == []
