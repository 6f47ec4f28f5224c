"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transhash.plain import JsonObject


@dataclass(frozen=True, eq=False)
class Scores:
    """The figures of one retrieval run. All scores are shares between 0 and 1, means over the queries.

    A query without a relevant item in the database counts 0 everywhere, except that `map_skipping` leaves it out, and
    so does recall, which it does not have.
    """

    map: float
    """AP@topk averaged over all orders of equal distances: the expectation of `map_conventional`."""
    map_conventional: float
    """AP@topk, ties in the order of the database; divided by the hits inside the top k, 0 without such a hit."""
    map_skipping: float
    """As `map_conventional`, but queries without a hit inside the top k are left out; 0 when that leaves none."""
    precision_at: Mapping[int, float]
    """Precision among the first N items, for each N, averaged over all orders of equal distances."""
    precision_by_radius: NDArray[np.float64]
    """[B+1]: precision within each Hamming radius 0 … B; 0 for a query that finds nothing within it."""
    recall_by_radius: NDArray[np.float64]
    """[B+1]: recall within each Hamming radius 0 … B; with the above, the precision-recall curve."""
    bits: int
    """B, the length of a code."""
    queries: int
    """Number of queries."""
    queries_without_relevant: int
    """Number of queries that no item of the database is relevant to."""
    database: int
    """Number of items searched."""
    topk: int
    """Where the ranking was cut for mAP, in items; at most `database`."""
    map_reranked: float | None = None
    """As `map`, equal distances ordered by the inner product of the query's relaxed code; None without those."""

    @property
    def precision_radius_2(self) -> float:
        """Precision within Hamming radius 2 (look-up in a hash table); a query that finds nothing counts 0."""
        return float(self.precision_by_radius[2])

    @property
    def recall_radius_2(self) -> float:
        """Recall within Hamming radius 2."""
        return float(self.recall_by_radius[2])

    def to_dict(self) -> JsonObject:
        """All of it in JSON's own types; the keys of `precision_at` become strings, as JSON has them."""
        return {
            "map": self.map,
            "map_conventional": self.map_conventional,
            "map_skipping": self.map_skipping,
            "map_reranked": self.map_reranked,
            "precision_at": {str(place): precision for place, precision in self.precision_at.items()},
            "precision_radius_2": self.precision_radius_2,
            "recall_radius_2": self.recall_radius_2,
            "precision_by_radius": self.precision_by_radius.tolist(),
            "recall_by_radius": self.recall_by_radius.tolist(),
            "bits": self.bits,
            "queries": self.queries,
            "queries_without_relevant": self.queries_without_relevant,
            "database": self.database,
            "topk": self.topk,
        }
