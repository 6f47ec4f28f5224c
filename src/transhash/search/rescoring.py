"""Candidates by Hamming distance, ordered by the vectors that their codes were made of: exact cosines of a few."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.codes import whole
from transhash.errors import VectorsError
from transhash.search.checks import PADDED


def rescore(
    queries: ArrayLike, vectors: ArrayLike, candidates: ArrayLike, k: int = 10
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Of candidates, int64 (Q, C), the k whose vectors have the greatest cosine with the query's.

    `queries`: float (Q, F). `vectors`: (N, F), float32, float16 or int8, also a mapped file (`np.load(path,
    mmap_mode="r")`), of which only the candidates' rows are read. A candidate is a row number, as `HammingIndex.search`
    gives them where codes were added in order; -1 is none. Returns cosines, float32 (Q, k), and row numbers, int64
    (Q, k), by cosine, then by number; where there are fewer than k, -1 and a cosine of -inf.

    Raises `VectorsError` for arrays that do not fit, and for infinity or NaN.
    """
    count = whole(k)
    if count is None or count < 1:
        raise VectorsError("", f"k is {k!r:.40}", "ask for 1 result or more, as a whole number")
    k = count
    asked, found = _numbers(queries, "queries").astype(np.float64), _numbers(candidates, "candidates")
    rows = _numbers(vectors, "vectors")
    if found.dtype.kind not in "iu" and found.size:
        raise VectorsError("", f"candidates are {found.dtype}", "give row numbers, int64 (Q, C)")
    if asked.ndim != 2 or found.ndim != 2 or rows.ndim != 2 or len(asked) != len(found):
        raise VectorsError(
            "",
            f"queries {asked.shape}, vectors {rows.shape} and candidates {found.shape} do not fit",
            "give (Q, F), (N, F) and (Q, C)",
        )
    remedy = "give the vectors that the codes were made of, in their order"
    if asked.shape[1] != rows.shape[1]:
        raise VectorsError("", f"vectors of {rows.shape[1]:,} values, for queries of {asked.shape[1]:,} values", remedy)
    if found.size and found.max() >= len(rows):
        raise VectorsError("", f"row {found.max():,} is a candidate, and there are {len(rows):,} vectors", remedy)
    if max(1, len(asked)) * (k - found.shape[1]) > PADDED:
        reason = f"k is {k:,}, but each query has only {found.shape[1]:,} candidates"
        raise VectorsError("", reason, f"ask for {max(1, found.shape[1]):,} or fewer")
    cosines = np.full((len(asked), k), -np.inf, np.float32)
    ids = np.full((len(asked), k), -1, np.int64)
    for number, (query, wanted) in enumerate(zip(asked, found, strict=True)):
        each = np.unique(wanted[wanted >= 0]).astype(np.int64)  # ascending: a mapped file is read from front to back
        some = rows[each].astype(np.float64)  # in which squares of numbers of float32 are neither infinite nor 0
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(query)
            likeness = some @ query / np.maximum(lengths, np.finfo(np.float64).tiny)
        if not (np.isfinite(likeness) & np.isfinite(lengths)).all():
            raise VectorsError(
                "",
                "queries or vectors contain infinity or NaN, or numbers that are too large",
                "leave these rows out, or divide them by their lengths",
            )
        order = np.argsort(-likeness, kind="stable")[:k]
        cosines[number, : len(order)], ids[number, : len(order)] = likeness[order], each[order]
    return cosines, ids


def _numbers(given: ArrayLike, what: str) -> NDArray[Any]:
    """An array of real numbers; raises `VectorsError` for anything else."""
    try:
        array = given if isinstance(given, np.ndarray) else np.asarray(given)
    except ValueError:
        raise VectorsError("", f"{what} are lists of different lengths", "give rows of the same length") from None
    if array.dtype.kind not in "fiub":
        raise VectorsError("", f"{what} are {array.dtype}", "give real numbers")
    return array
