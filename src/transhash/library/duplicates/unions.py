"""Unions: which pictures hang together, pair by pair (union-find)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class Unions:
    """Numbers that are united pair by pair. Those that are united lead to the same number, the least of them."""

    def __init__(self, leaders: Numbers) -> None:
        """Begin with some that are united: the least number of each one's union."""
        self._leaders = leaders.copy()

    def unite(self, one: int, other: int) -> None:
        """Unite two numbers, and all that each is united with."""
        one, other = self.leader(one), self.leader(other)
        self._leaders[max(one, other)] = min(one, other)

    def leader(self, one: int) -> int:
        """The least number of the union that one is in."""
        while self._leaders[one] != one:
            self._leaders[one] = self._leaders[self._leaders[one]]
            one = int(self._leaders[one])
        return one

    def leaders(self) -> Numbers:
        """The leaders of all numbers."""
        found = self._leaders
        while (found[found] != found).any():
            found = found[found]
        return found


def sets(leaders: Numbers) -> list[Numbers]:
    """The numbers of each leader that has several, ascending."""
    if not len(leaders):
        return []
    united = np.flatnonzero(np.bincount(leaders)[leaders] > 1)
    order = united[np.argsort(leaders[united], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(leaders[order])) + 1) if len(order) else []
