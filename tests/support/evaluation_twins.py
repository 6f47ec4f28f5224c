"""Reference twins: the metrics as their definitions read, one ranking at a time, slow and obvious."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain, permutations, product

import numpy as np
from numpy.typing import NDArray


def signs(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Packed codes as the field has them: -1 and +1, [N, B]."""
    return np.unpackbits(codes, axis=1).astype(np.float64) * 2.0 - 1.0


def columns(labels: NDArray[np.int64], classes: int) -> NDArray[np.uint8]:
    """Classes as the field has them: one-hot, [N, C]."""
    return np.eye(classes, dtype=np.uint8)[labels]


def rankings(
    q: NDArray[np.float64], ql: NDArray[np.uint8], db: NDArray[np.float64], dbl: NDArray[np.uint8]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """For each query, relevance (0 or 1) and Hamming distance of the database as ranked, ties in its order."""
    for code, label in zip(q, ql, strict=True):
        distance = (db.shape[1] - db @ code) / 2
        order = np.argsort(distance, kind="stable")
        relevant = (dbl.astype(np.int64) @ label.astype(np.int64) > 0).astype(np.int64)
        yield relevant[order], distance[order]


def top_map(
    q: NDArray[np.float64],
    ql: NDArray[np.uint8],
    db: NDArray[np.float64],
    dbl: NDArray[np.uint8],
    topk: int,
    *,
    skip: bool = False,
) -> float:
    """mAP@k of the field's `CalcTopMap`; with `skip`, of HashNet's family."""
    scores = []
    for relevant, _ in rankings(q, ql, db, dbl):
        places = np.flatnonzero(relevant[:topk]) + 1
        if len(places):
            scores.append(float(np.mean(np.arange(1, len(places) + 1) / places)))
        elif not skip:
            scores.append(0.0)
    return float(np.mean(scores)) if scores else 0.0


def top_map_curve(
    q: NDArray[np.float64], ql: NDArray[np.uint8], db: NDArray[np.float64], dbl: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall at each rank [N] of the field's `CalcTopMapWithPR`; every query has a relevant item."""
    precision, recall = [], []
    for relevant, _ in rankings(q, ql, db, dbl):
        hits = np.cumsum(relevant)
        precision.append(hits / np.arange(1, len(hits) + 1))
        recall.append(hits / hits[-1])
    return np.mean(precision, axis=0), np.mean(recall, axis=0)


def average_precision(relevant: Sequence[int], topk: int) -> Fraction:
    """AP@k of one ranking, exactly: the mean, over the hits inside the top k, of the precision at each; 0 without."""
    found: list[Fraction] = []
    for place, hit in enumerate(relevant[:topk], start=1):
        if hit:
            found.append(Fraction(len(found) + 1, place))
    return sum(found, Fraction(0)) / len(found) if found else Fraction(0)


def tie_orders(ties: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Every ranking (as relevance) that keeps the ties' order and permutes the items within each tie."""
    return [tuple(chain(*order)) for order in product(*(tuple(permutations(tie)) for tie in ties))]
