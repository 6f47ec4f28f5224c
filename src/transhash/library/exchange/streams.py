"""Long columns that stay in their files: read from front to back, as often as wanted, a page in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Vectors(Protocol):
    """Vectors (N, F) that are read in parts: an array, a mapped file, a column of a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N, F."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """Some of them, an array (n, F)."""


class Stream(Sequence[T]):
    """Values that can be read again from the start; slices in their order cost nothing more."""

    def __init__(self, length: int, start: Callable[[], Iterator[T]]) -> None:
        """`start` gives all `length` of them, each time that it is called."""
        self._length = length
        self._start = start
        self._waiting = start()
        self._at = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return self._start()

    @overload
    def __getitem__(self, rows: int) -> T: ...
    @overload
    def __getitem__(self, rows: slice) -> list[T]: ...
    def __getitem__(self, rows: int | slice) -> T | list[T]:
        if isinstance(rows, int):
            return self[range(self._length)[rows] :][0]
        first, last, _ = rows.indices(self._length)
        if first < self._at:
            self._waiting, self._at = self._start(), 0
        found = list(islice(self._waiting, first - self._at, last - self._at))
        self._at = max(last, self._at)
        return found


class VectorStream:
    """Vectors of a file, which come in arrays of any number of rows."""

    def __init__(self, shape: tuple[int, int], start: Callable[[], Iterator[NDArray[np.generic]]]) -> None:
        """`start` gives all (N, F) of them, each time that it is called."""
        self.shape: tuple[int, ...] = shape
        self._start = start
        self._restart()

    def _restart(self) -> None:
        self._waiting = self._start()
        self._rest: list[NDArray[np.generic]] = []
        self._at = 0

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        first, last, _ = rows.indices(len(self))
        if first < self._at:
            self._restart()
        while self._at + sum(map(len, self._rest)) < last:
            self._rest.append(next(self._waiting))
            while self._rest and self._at + len(self._rest[0]) <= first:
                self._at += len(self._rest.pop(0))
        held = np.concatenate(self._rest)
        found, self._rest = held[first - self._at : last - self._at], [held[last - self._at :]]
        self._at = last
        return found
