"""The sorting of keys, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from transhash.search import selection


@pytest.mark.parametrize("count", [0, 1, 2, 50, selection.SHORT, selection.SHORT + 1, 40_000])
@pytest.mark.parametrize("distances", [1, 2, 65, 513, 1025, 2049])
@pytest.mark.parametrize("ranks", [1, 2**11, 2**22 + 5, 2**32])
@pytest.mark.parametrize("ascending", [False, True])
def test_keys_of_any_size_are_sorted(count: int, distances: int, ranks: int, ascending: bool) -> None:
    rng = np.random.default_rng(count)
    rank = rng.integers(0, ranks, count)
    keys = rng.integers(0, distances, count) << 32 | (np.sort(rank) if ascending else rank)
    expected = np.sort(keys)
    selection.sort(keys)
    np.testing.assert_array_equal(keys, expected)
