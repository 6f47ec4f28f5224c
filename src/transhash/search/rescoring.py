"""Candidates by Hamming distance, ordered by the vectors that their codes were made of: exact cosines of a few."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.errors import VectorsError


def rescore(
    queries: ArrayLike, vectors: ArrayLike, candidates: ArrayLike, k: int = 10
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Of candidates, int64 (Q, C), the k whose vectors have the greatest cosine with the query's.

    `queries`: float (Q, F). `vectors`: (N, F), float32, float16 or int8, also a mapped file (`np.load(path,
    mmap_mode="r")`), of which only the candidates' rows are read. A candidate is a row number, as `HammingIndex.search`
    gives them where codes were added in order; -1 is none. Returns cosines, float32 (Q, k), and row numbers, int64
    (Q, k), by cosine, then by number; where there are fewer than k, -1 and a cosine of -inf.

    Raises `VectorsError` for arrays that do not fit.
    """
    asked, found = np.asarray(queries, np.float32), np.asarray(candidates, np.int64)
    rows = vectors if isinstance(vectors, np.ndarray) else np.asarray(vectors)
    if asked.ndim != 2 or found.ndim != 2 or rows.ndim != 2 or len(asked) != len(found):
        raise VectorsError(
            "",
            f"queries {asked.shape}, vectors {rows.shape} and candidates {found.shape} do not fit",
            "give (Q, F), (N, F) and (Q, C)",
        )
    if asked.shape[1] != rows.shape[1] or (found.size and found.max() >= len(rows)):
        raise VectorsError(
            "",
            f"vectors of {rows.shape[1]} values in {len(rows)} rows, for queries of {asked.shape[1]} values",
            "give the vectors that the codes were made of, in their order",
        )
    cosines = np.full((len(asked), k), -np.inf, np.float32)
    ids = np.full((len(asked), k), -1, np.int64)
    for number, (query, wanted) in enumerate(zip(asked, found, strict=True)):
        each = np.unique(wanted[wanted >= 0])  # ascending: a mapped file is read from front to back
        some = np.asarray(rows[each], np.float32)
        lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(query)
        likeness = some @ query / np.maximum(lengths, np.finfo(np.float32).tiny)
        order = np.argsort(-likeness, kind="stable")[:k]
        cosines[number, : len(order)], ids[number, : len(order)] = likeness[order], each[order]
    return cosines, ids
