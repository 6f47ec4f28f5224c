"""The scan in plain NumPy: for collections so small that importing the compiler would cost more than the search."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from transhash.search.words import Words

NONE = np.int64(np.iinfo(np.int64).max)
WORK = 1 << 21  # word comparisons that NumPy does in less time than Numba needs to be imported
WORK_IN_ALL = 1 << 26  # comparisons that took as long: a process that has made so many will make more
WORK_ONCE_LOADED = 1 << 9

_done = 0  # comparisons that this process has made here

Keys = npt.NDArray[np.int64]


def is_small(words: Words, size: int, queries: Words) -> bool:
    """Whether plain NumPy is the quicker way, given what this process has imported already."""
    global _done  # noqa: PLW0603
    work = size * len(queries) * int(words.shape[1])
    if "transhash.search.scan" in sys.modules:
        return work <= WORK_ONCE_LOADED
    _done += work
    return work <= WORK and _done <= WORK_IN_ALL


def nearest(words: Words, size: int, queries: Words, k: int) -> Keys:
    """The same as `scan.nearest`."""
    keys = _keys(words, size, queries)
    if k < size:
        keys = np.partition(keys, k - 1, axis=1)[:, :k]
    best = np.full((len(queries), k), NONE)
    best[:, : keys.shape[1]] = np.sort(keys, axis=1)
    return best


def within(words: Words, size: int, queries: Words, bounds: Keys) -> tuple[npt.NDArray[np.int64], Keys]:
    """The same as `scan.within`."""
    keys = np.sort(_keys(words, size, queries), axis=1)
    near = keys >> 32 <= bounds[:, None]
    return near.sum(axis=1), keys[near]


def _keys(words: Words, size: int, queries: Words) -> Keys:
    distances = np.zeros((len(queries), size), np.int64)
    for word in range(words.shape[1]):
        distances += np.bitwise_count(queries[:, word, None] ^ words[None, :size, word])
    return (distances << 32) | np.arange(size)
