"""Ids of entries in order: an array, or a run of consecutive ones that need no memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, overload

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.int64]

_NONE = np.empty(0, np.int64)
_NONE.flags.writeable = False


@dataclass(frozen=True)
class Run:
    """The ids first, first + 1, … of `count` entries."""

    first: int
    count: int

    def __len__(self) -> int:
        return self.count

    @overload
    def __getitem__(self, ranks: int) -> int: ...

    @overload
    def __getitem__(self, ranks: Numbers | npt.NDArray[np.bool_]) -> Numbers: ...

    def __getitem__(self, ranks: int | Numbers | npt.NDArray[np.bool_]) -> int | Numbers:
        if isinstance(ranks, np.ndarray):
            if ranks.dtype == np.bool_:
                ranks = np.flatnonzero(ranks)
            return ranks.astype(np.int64) + self.first
        return self.first + (ranks + self.count if ranks < 0 else ranks)


Ids: TypeAlias = Numbers | Run


def held(ids: Numbers) -> Ids:
    """The same ids (ascending, at least one), without an array where they are consecutive."""
    run = int(ids[-1]) - int(ids[0]) + 1 == len(ids)
    return Run(int(ids[0]), len(ids)) if run else ids


def by_rank(ids: Ids) -> tuple[int, Numbers]:
    """What kernels read: (first, known), where the id of a rank is known[rank], or first + rank if none are known."""
    return (ids.first, _NONE) if isinstance(ids, Run) else (0, ids)


def ranks_of(ids: Ids, wanted: Numbers) -> tuple[npt.NDArray[np.bool_], Numbers]:
    """Which of `wanted` are among the ids, and the rank at which each is, or would be (less than their number)."""
    if isinstance(ids, Run):
        ranks = np.clip(wanted - ids.first, 0, max(0, len(ids) - 1))
        return (wanted >= ids.first) & (wanted < ids.first + len(ids)), ranks
    ranks = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return ids[ranks] == wanted, ranks
