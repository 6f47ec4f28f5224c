"""How many codes a search in tables has to read is told where it searches in tables, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.search import floors
from transhash.search import tables
from transhash.search.segment import WORTH_TABLES


def test_for_a_code_itself_the_smallest_of_its_buckets_is_read() -> None:
    codes = np.random.default_rng(1).integers(0, 256, (WORTH_TABLES, 8), np.uint8)
    words, asked = codes.view("<u8")[:, 0], 5
    cut = tables.substrings(64, len(codes))
    sizes = []
    for low, high in zip(cut[:-1].tolist(), cut[1:].tolist(), strict=True):
        parts = (words >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        sizes.append([int((parts == part).sum()) for part in parts[:asked]])
    floor = floors.of_tables(codes, codes[:asked], np.zeros(asked, np.int64))
    assert floor is not None
    assert floor["codes"] == np.min(sizes, axis=0).mean()


@pytest.mark.parametrize(("count", "bits", "distance"), [(WORTH_TABLES - 1, 64, 0), (WORTH_TABLES, 128, 40)])
def test_where_all_codes_are_compared_nothing_is_told(count: int, bits: int, distance: int) -> None:
    codes = np.random.default_rng(1).integers(0, 256, (count, bits // 8), np.uint8)
    assert floors.of_tables(codes, codes[:5], np.full(5, distance)) is None
