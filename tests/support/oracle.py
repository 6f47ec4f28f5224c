"""Brute force, one pair at a time in spirit: what every strategy must equal."""

from __future__ import annotations

import numpy as np


def distances(queries: np.ndarray, codes: np.ndarray) -> np.ndarray:
    unpacked = np.unpackbits(queries, axis=1)[:, None] != np.unpackbits(codes, axis=1)[None]
    return np.asarray(unpacked.sum(axis=2))


def nearest(queries: np.ndarray, codes: np.ndarray, ids: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    D = np.full((len(queries), k), -1, np.int32)
    I = np.full((len(queries), k), -1, np.int64)  # noqa: E741
    for q, row in enumerate(distances(queries, codes)):
        order = np.lexsort((ids, row))[:k]
        D[q, : len(order)], I[q, : len(order)] = row[order], ids[order]
    return D, I


def in_order(found: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of each query by (distance, id), where they came in any order."""
    distances, ids = found
    order = np.lexsort((ids, distances, ids < 0))
    return np.take_along_axis(distances, order, 1), np.take_along_axis(ids, order, 1)


def within(queries: np.ndarray, codes: np.ndarray, ids: np.ndarray, radius: int) -> list[tuple[np.ndarray, np.ndarray]]:
    found = []
    for row in distances(queries, codes):
        order = np.lexsort((ids, row))
        order = order[row[order] <= radius]
        found.append((row[order], ids[order]))
    return found


def reranked(
    queries: np.ndarray, values: np.ndarray, codes: np.ndarray, ids: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `nearest`, equal distances by the inner product with ±1 codes, then by id."""
    D = np.full((len(queries), k), -1, np.int32)
    I = np.full((len(queries), k), -1, np.int64)  # noqa: E741
    signs = np.unpackbits(codes, axis=1) * 2.0 - 1
    for q, row in enumerate(distances(queries, codes)):
        order = np.lexsort((ids, -(signs @ values[q]), row))[:k]
        D[q, : len(order)], I[q, : len(order)] = row[order], ids[order]
    return D, I


def codes_of(rng: np.random.Generator, count: int, bits: int, kind: str) -> np.ndarray:
    """Codes around three centres (near), few different ones (equal), or anywhere (uniform)."""
    if kind == "uniform":
        return rng.integers(0, 256, (count, bits // 8), dtype=np.uint8)
    centres = np.random.default_rng(bits).integers(0, 256, (3, bits // 8), dtype=np.uint8)
    flips = rng.random((count, bits)) < (0.15 if kind == "near" else 1.5 / bits)
    return centres[rng.integers(0, 3, count)] ^ np.packbits(flips, axis=1)
