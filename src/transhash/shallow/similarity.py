"""Which training pictures are alike, from their labels, without a matrix of all pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError
from transhash.shallow.functions import Features, Labels


@dataclass(frozen=True)
class Similarity:
    """Pairs that share a class: pictures with the same labels form a group, and `table` compares the groups.

    `groups` is int64 (N,), `table` float64 (G, G) of +1 (alike) and -1 (not).
    """

    groups: NDArray[np.int64]
    table: NDArray[np.float64]

    @classmethod
    def of(cls, labels: Labels, features: Features, method: str) -> Similarity:
        """From classes (N,) or multi-hot (N, C). Raises `DataError` where `method` cannot learn from them."""
        if labels is None:
            raise DataError(
                "", f"{method} learns from labels and there are none", "give labels, or take lsh, itq or sh"
            )
        if labels.ndim not in (1, 2) or len(labels) != len(features):
            raise DataError(
                "",
                f"{method} got labels of shape {labels.shape} for {len(features)} pictures",
                "give (N,) classes or (N, C) multi-hot, a row a picture",
            )
        if labels.ndim == 1:
            classes, groups = np.unique(labels, return_inverse=True)
            return cls(groups.astype(np.int64), 2 * np.eye(len(classes)) - 1)
        rows, groups = np.unique(labels > 0, axis=0, return_inverse=True)
        shared = rows.astype(np.float64) @ rows.T.astype(np.float64)
        return cls(groups.reshape(-1).astype(np.int64), np.where(shared > 0, 1.0, -1.0))

    def __getitem__(self, rows: NDArray[np.int64]) -> Similarity:
        return Similarity(self.groups[rows], self.table)

    def times(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """The (N, N) matrix of +1 and -1, times vectors (N, V) or one vector (N,)."""
        sums = np.zeros((len(self.table), *vectors.shape[1:]))
        np.add.at(sums, self.groups, vectors)
        return np.asarray((self.table @ sums)[self.groups])

    def dense(self) -> NDArray[np.float64]:
        """The matrix itself, float64 (N, N) of +1 and -1."""
        return self.table[self.groups[:, None], self.groups[None, :]]
