"""The scan over the compact layout: codes are put together some at a time, and those are scanned like others."""

# ruff: noqa: PLR0917 -- the same arguments by position as in `scan`

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from transhash.search import hits, scan
from transhash.search.hits import Hits
from transhash.search.packed import Packed
from transhash.search.packing import decoded
from transhash.search.runs import Ids, Numbers
from transhash.search.selection import Keys
from transhash.search.small import NONE
from transhash.search.store import Bitmap, Store, frozen
from transhash.search.words import Words

AT_ONCE = 1 << 20  # entries


def parts(packed: Packed) -> Iterator[Store]:
    """Stores without tables of some entries each, in the order of their codes; labels are ranks of the whole."""
    none = np.empty(0, np.uint32)
    for first in range(0, packed.entries, AT_ONCE):
        words, ranks = decoded(packed, first, min(first + AT_ONCE, packed.entries))
        yield frozen(Store(words, ranks, none, np.zeros(1, np.int64), none, none, none))


def nearest(packed: Packed, alive: Bitmap, queries: Words, k: int, bits: int, bounds: Numbers) -> Keys:
    """As `scan.nearest`."""
    best = np.full((len(queries), k), NONE)
    for store in parts(packed):
        near = np.minimum(bounds, best[:, -1] >> 32)
        more = scan.nearest(store, alive, queries, k, bits, near)
        best = np.sort(np.concatenate((best, more), axis=1), axis=1)[:, :k]
    return best


def within(packed: Packed, alive: Bitmap, ids: Ids, queries: Words, bounds: Numbers, ordered: bool) -> Hits:
    """As `scan.within`."""
    levels: list[tuple[int, Hits]] = []  # merged like the digits of a binary counter: each hit moves seldom
    for store in parts(packed):
        found, level = scan.within(store, alive, ids, queries, bounds, ordered), 0
        while levels and levels[-1][0] == level:
            found, level = hits.merged(levels.pop()[1], found, ordered=ordered), level + 1
        levels.append((level, found))
    total = levels.pop()[1]
    while levels:
        total = hits.merged(levels.pop()[1], total, ordered=ordered)
    return total


def count_within(packed: Packed, alive: Bitmap, queries: Words, bounds: Numbers) -> Numbers:
    """As `scan.count_within`."""
    return sum(
        (scan.count_within(store, alive, queries, bounds) for store in parts(packed)), np.zeros(len(queries), np.int64)
    )
