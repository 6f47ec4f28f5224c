"""Bitmaps of entries: which are set, in little memory."""

import tracemalloc

import numpy as np
import pytest

from transhash.search.store import ALL, bitmap, full, set_ranks


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1 << 20, (1 << 20) + 1, 3_000_001])
def test_the_ranks_that_are_set(count: int) -> None:
    random = np.random.default_rng(count)
    some = np.flatnonzero(random.random(count) < 0.2)
    assert np.array_equal(set_ranks(bitmap(count, some), count), some)
    for whole in (full(count), ALL):
        assert np.array_equal(set_ranks(whole, count), np.arange(count))
    assert len(set_ranks(bitmap(count, some[:0]), count)) == 0


def test_few_ranks_of_very_many_take_little_memory() -> None:
    count = 1 << 28  # a filter on a billion codes once took 24 GB
    bits = np.zeros(count // 64, np.uint64)
    bits[-1] = np.uint64(1) << np.uint64(63)
    tracemalloc.start()
    assert set_ranks(bits, count).tolist() == [count - 1]
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()
