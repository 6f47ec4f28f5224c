"""mAP of a ranking by the cosine of float features: what codes are held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError
from transhash.threads import spread

_BLOCK = 32  # queries a thread takes at a time

Labels = NDArray[np.int64] | NDArray[np.uint8]


def cosine_map(
    query: NDArray[np.float32],
    query_labels: Labels,
    database: NDArray[np.float32],
    db_labels: Labels,
    topk: int | None = None,
) -> float:
    """mAP@topk of features [Q, F] and [N, F] ranked by cosine, equal ones in any order.

    Labels as in `transhash.evaluate`, and so is the average precision: divided by the hits inside the top k, 0 without
    one. Raises `DataError` for features that do not fit one another or their labels.
    """
    if query.ndim != 2 or database.ndim != 2 or query.shape[1] != database.shape[1]:
        raise DataError("", f"features of shapes {query.shape} and {database.shape}", "give [Q, F] and [N, F]")
    if (len(query), len(database)) != (len(query_labels), len(db_labels)) or not len(query) or not len(database):
        raise DataError(
            "",
            "features and labels differ in number, or there are none",
            "give one label for each row, and at least one row",
        )
    N = len(database)
    topk = N if topk is None else min(topk, N)
    one, other = unit(query), unit(database).T
    places = np.arange(1, topk + 1)

    def score(start: int) -> float:
        similar = one[start : start + _BLOCK] @ other
        total = 0.0
        for row, label in zip(similar, query_labels[start : start + _BLOCK], strict=True):
            order = np.argsort(-row)[:topk]
            relevant = related(label, db_labels)[order]
            hits = relevant.cumsum()
            total += float((hits[relevant] / places[relevant]).sum() / max(hits[-1], 1))
        return total

    return sum(spread(score, range(0, len(one), _BLOCK))) / len(one)


def unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features [N, F] brought to length 1; those of length 0 stay."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12), np.float32)


def related(label: NDArray[np.int64] | NDArray[np.uint8], labels: Labels) -> NDArray[np.bool_]:
    """Which items [N] are relevant to a query: of the same class, or with a label in common."""
    if labels.ndim == 1:
        return np.asarray(labels == label)
    return np.asarray(labels[:, label.astype(bool)].any(axis=1))
