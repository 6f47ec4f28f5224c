"""What asymmetric re-ranking gains: the mAP of the ranking by (distance, inner product)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transhash.codes import hamming, to_signs
from transhash.threads import spread


def expected_map(
    query_codes: NDArray[np.uint8],
    values: NDArray[np.float64],
    query_labels: NDArray[np.int64] | NDArray[np.bool_],
    db_codes: NDArray[np.uint8],
    db_labels: NDArray[np.int64] | NDArray[np.bool_],
    *,
    topk: int,
) -> float:
    """mAP@topk when equal distances are ordered by the inner product of `values` [Q, B] with the ±1 codes.

    What is still equal then (equal codes, above all) counts as the mean over its orders, as in `Scores.map`.
    """
    from transhash.evaluation import kernels

    codes, owners = np.unique(db_codes, axis=0, return_inverse=True)
    owners = owners.reshape(-1)
    items = np.bincount(owners, minlength=len(codes))
    signs = to_signs(codes).astype(np.float64)

    def score(q: int) -> float:
        distances = hamming(query_codes[q : q + 1], codes)[0]
        products = signs @ values[q]
        label = query_labels[q]
        relevant = db_labels[:, label].any(axis=1) if db_labels.ndim == 2 else db_labels == label
        hits = np.bincount(owners[relevant], minlength=len(codes))
        order = np.lexsort((-products, distances))
        new = np.ones(len(order), np.bool_)
        new[1:] = (np.diff(distances[order]) != 0) | (np.diff(products[order]) != 0)
        firsts = np.flatnonzero(new)
        counts = np.stack([np.add.reduceat((items - hits)[order], firsts), np.add.reduceat(hits[order], firsts)], 1)
        return float(kernels.expected_average_precision(counts[None], topk)[0])

    return float(np.mean(spread(score, range(len(values)))))
