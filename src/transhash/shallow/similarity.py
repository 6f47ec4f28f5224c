"""Which training pictures are alike, from their labels, without a matrix of all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.errors import DataError
from transhash.shallow.functions import Features, Labels

GROUPS = 4096  # of which all are compared, 134 MB: sums over fewer are the same but for their last digits


@dataclass(frozen=True)
class Similarity:
    """Pairs that share a class: pictures with the same labels form a group, and groups are compared when it is needed.

    `groups` is int64 (N,), `kinds` the labels of each group: its class, int64 (G,), or its classes, bool (G, C).
    """

    groups: NDArray[np.int64]
    kinds: NDArray[np.int64] | NDArray[np.bool_]

    @classmethod
    def of(cls, labels: Labels, features: Features, method: str) -> Similarity:
        """From classes (N,) or multi-hot (N, C). Raises `DataError` where `method` cannot learn from them."""
        if labels is None:
            raise DataError(
                "", f"{method} learns from labels and there are none", "give labels, or take lsh, itq or sh"
            )
        checked = check_labels(labels, len(features), method)
        if checked.ndim == 1:
            classes, groups = np.unique(checked, return_inverse=True)
            return cls(groups.astype(np.int64), np.arange(len(classes)))
        rows, groups = np.unique(checked, axis=0, return_inverse=True)
        return cls(groups.reshape(-1).astype(np.int64), rows)

    def __getitem__(self, rows: NDArray[np.int64]) -> Similarity:
        return Similarity(self.groups[rows], self.kinds)

    def times(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """The (N, N) matrix of +1 and -1, times vectors (N, V) or one vector (N,)."""
        groups, table = self._compared
        sums = np.zeros((len(table), *vectors.shape[1:]))
        np.add.at(sums, groups, vectors)
        return np.asarray((table @ sums)[groups])

    def dense(self) -> NDArray[np.float64]:
        """The matrix itself, float64 (N, N) of +1 and -1."""
        here, groups = np.unique(self.groups, return_inverse=True)
        return _table(self.kinds[here])[groups[:, None], groups[None, :]]

    @cached_property
    def _compared(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The group of each picture, and all groups compared; where there are very many, those of these pictures."""
        if len(self.kinds) <= GROUPS:
            return self.groups, _table(self.kinds)
        here, groups = np.unique(self.groups, return_inverse=True)
        return groups, _table(self.kinds[here])


def _table(kinds: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.float64]:
    """Which groups are alike: float64 (G, G) of +1 and -1."""
    if kinds.ndim == 1:
        return np.where(kinds[:, None] == kinds, 1.0, -1.0)
    rows = kinds.astype(np.float64)
    return np.where(rows @ rows.T > 0, 1.0, -1.0)


def check_labels(labels: ArrayLike, count: int, method: str) -> NDArray[np.generic]:
    """Labels as classes (N,), also those of one column (N, 1), or multi-hot, bool (N, C).

    Raises `DataError` for other shapes, for missing labels, and for columns of anything but 0 and 1.
    """
    remedy = "give (N,) classes or (N, C) multi-hot, a row a picture"
    try:
        array = np.asarray(labels)
    except ValueError:
        raise DataError("", f"{method} got labels that are lists of different lengths", remedy) from None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (1, 2) or len(array) != count or 0 in array.shape[1:]:
        raise DataError("", f"{method} got labels of shape {array.shape} for {count} pictures", remedy)
    if _missing(array):
        raise DataError("", "some labels are missing (None or NaN)", "leave these rows out, or give them a class")
    if array.ndim == 2:
        ones = np.asarray(array == 1)
        if array.dtype.kind not in "biufO" or not (ones | (array == 0)).all():
            raise DataError("", f"labels in {array.shape[1]} columns are not all 0 or 1", remedy)
        return ones
    if array.dtype.kind == "O":
        try:
            np.unique(array)
        except TypeError:
            raise DataError("", "labels are of kinds that cannot be compared", "give numbers or texts") from None
    return array


def _missing(array: NDArray[np.generic]) -> bool:
    if array.dtype.kind == "O":
        try:
            return any(each is None or bool(each != each) for each in array.ravel())  # noqa: PLR0124
        except (TypeError, ValueError):  # pandas.NA
            return True
    if array.dtype.kind in "mM":
        return bool(np.isnat(array).any())
    return array.dtype.kind in "fc" and bool(np.isnan(array).any())
