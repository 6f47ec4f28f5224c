"""How far stated probabilities are from what happens: the reliability of a calibration on pairs it was not fitted to.

DeGroot and Fienberg, "The Comparison and Evaluation of Forecasters", The Statistician 1983; the expected calibration
error as in Naeini et al., AAAI 2015, with a distance of the code for a bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transhash.codes import hamming
from transhash.evaluation.cosine import Labels, related
from transhash.model.calibration import Calibration
from transhash.plain import JsonObject

Numbers = NDArray[np.int64]
_BLOCK = 256  # queries whose distances are in memory


@dataclass(frozen=True, eq=False)
class Reliability:
    """For each Hamming distance 0 … B what was stated, and what was so."""

    stated: NDArray[np.float64]  # (B+1,), the calibration's probability of relevance
    relevant: Numbers  # (B+1,), relevant pairs at this distance
    pairs: Numbers  # (B+1,), all pairs at this distance

    @property
    def observed(self) -> NDArray[np.float64]:
        """The share of pairs that are relevant at each distance [B+1]; NaN where there are none."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.relevant / self.pairs)

    @property
    def expected_error(self) -> float:
        """Expected calibration error: the mean over all pairs of |stated - observed|."""
        return float(np.abs(self.pairs * self.stated - self.relevant).sum() / self.pairs.sum())

    def error_within(self, probability: float) -> float:
        """The same over the pairs of a probability stated at least so high: those that a search shows; NaN for none."""
        shown = self.stated >= probability
        if not self.pairs[shown].any():
            return float("nan")
        stated, relevant, pairs = self.stated[shown], self.relevant[shown], self.pairs[shown]
        return float(np.abs(pairs * stated - relevant).sum() / pairs.sum())

    def to_dict(self) -> JsonObject:
        """All of it in JSON's own types."""
        return {
            "expected_error": self.expected_error,
            "stated": self.stated.tolist(),
            "relevant": self.relevant.tolist(),
            "pairs": self.pairs.tolist(),
        }


def pairs_by_distance(
    query: NDArray[np.uint8], query_labels: Labels, database: NDArray[np.uint8], db_labels: Labels
) -> tuple[Numbers, Numbers]:
    """Relevant pairs and all pairs of query and database at each distance: int64 [B+1] each."""
    bits = 8 * query.shape[1]
    relevant, pairs = np.zeros(bits + 1, np.int64), np.zeros(bits + 1, np.int64)
    for start in range(0, len(query), _BLOCK):
        distances = hamming(query[start : start + _BLOCK], database)
        pairs += np.bincount(distances.ravel(), minlength=bits + 1)
        for row, label in zip(distances, query_labels[start : start + _BLOCK], strict=True):
            relevant += np.bincount(row[related(label, db_labels)], minlength=bits + 1)
    return relevant, pairs


def reliability(calibration: Calibration, relevant: Numbers, pairs: Numbers) -> Reliability:
    """What a calibration states about pairs, beside what they are."""
    return Reliability(calibration.probability(np.arange(len(pairs))), relevant, pairs)
