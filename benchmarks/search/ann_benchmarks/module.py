"""Exact Hamming search as ann-benchmarks asks for it: this folder is its `ann_benchmarks/algorithms/transhash`."""

import numpy as np

from transhash import HammingIndex

from ..base.module import BaseANN  # type: ignore[import-not-found]  # ann-benchmarks' own


class TransHash(BaseANN):  # type: ignore[misc]
    """HammingIndex; with an effort above 0 a query may cost as much as comparing so many codes, and is not exact."""

    def __init__(self, metric: str) -> None:
        if metric != "hamming":
            raise NotImplementedError(f"no {metric} distances")
        self.effort = 0

    def fit(self, X: np.ndarray) -> None:
        """Index vectors bool [N, D], D up to 512."""
        self.index = HammingIndex(8 * -(-X.shape[1] // 8))
        self.index.add(np.packbits(X, axis=1))
        self._nearest(X[:1], 1)  # compiles, on a machine's first use

    def set_query_arguments(self, effort: int) -> None:
        """What a query may cost; 0: all that it takes to be exact."""
        self.effort = effort

    def query(self, q: np.ndarray, n: int) -> np.ndarray:
        """The numbers of the n nearest, of a query bool [D]."""
        return np.asarray(self._nearest(q[None], n)[0])

    def batch_query(self, X: np.ndarray, n: int) -> None:
        """Search for all queries, bool [Q, D], together."""
        self.found = self._nearest(X, n)

    def get_batch_results(self) -> np.ndarray:
        """What `batch_query` found, int64 [Q, n]."""
        return self.found

    def _nearest(self, X: np.ndarray, n: int) -> np.ndarray:
        codes = np.packbits(X, axis=1)
        found = self.index.search_by(self.effort, codes, n).ids if self.effort else self.index.search(codes, n)[1]
        return np.asarray(found)

    def __str__(self) -> str:
        return f"TransHash(effort={self.effort or 'exact'})"
