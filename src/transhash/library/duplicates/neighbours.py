"""Neighbours: which pictures of a library are near one another by their embeddings, found exactly, by products of
matrices."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transhash.kernels import inlined, kernel
from transhash.threads import cuts, spread, workers

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

MOST = 200_000  # pictures of which all pairs are multiplied
PARTNERS = 8  # nearest pictures of one that it is compared with: copies come first
LEAST = 0.65  # cosine of pictures that are compared
TURNED_LEAST = 0.3  # the same, where turned ones are looked for: turning changes an embedding more than anything else
AT_ONCE = 1 << 14  # pairs whose cosines are calculated at once
ROOM = 1 << 25  # products at once


def neighbours(
    embeddings: npt.NDArray[np.int8], partners: int = PARTNERS, least: float = LEAST
) -> tuple[Numbers, Numbers]:
    """The pairs of rows of embeddings [N, V] of which one is among the nearest of the other, and which of them.

    Pairs are int64 [P, 2], each once, in order, the lesser row first; ranks int64 [P], 0 for the nearest of either.
    """
    count = len(embeddings)
    unit = embeddings.astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    near = np.full((count, partners), np.float32(least))  # cosines of each row's nearest, and which these are
    rows = np.full((count, partners), count)
    step = max(1, ROOM // max(count, 1))
    for begin in range(0, count, step):
        _take_all(unit[begin : begin + step] @ unit[begin:].T, begin, near[begin:], rows[begin:])  # each pair once
    mine, ranks = np.nonzero(rows < count)
    others = rows[mine, ranks]
    every = np.minimum(mine, others) * count + np.maximum(mine, others)
    order = np.lexsort((ranks, every))
    found, first = np.unique(every[order], return_index=True)
    return np.stack((found // max(count, 1), found % max(count, 1)), axis=1), ranks[order][first]


def cosines(embeddings: npt.NDArray[np.int8], pairs: Numbers) -> Floats:
    """The cosine of each pair [P, 2] of rows of embeddings [N, V]."""
    found = np.empty(len(pairs), np.float32)
    for begin in range(0, len(pairs), AT_ONCE):
        one, two = (embeddings[rows].astype(np.float32) for rows in pairs[begin : begin + AT_ONCE].T)
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
        found[begin : begin + AT_ONCE] = (one * two).sum(axis=1) / np.maximum(lengths, 1e-9)
    return found


def _take_all(products: Floats, begin: int, near: Floats, rows: Numbers) -> None:
    """Let all pictures from row `begin` on take their nearest from products [n, N - begin] of the first n of them."""
    spread(lambda piece: _take_rows(products, begin, *piece, near, rows), cuts(len(products), workers()))
    spread(lambda piece: _take_columns(products, begin, *piece, near, rows), cuts(len(near), workers()))


@kernel
def _take_rows(products, begin, first, last, near, rows):  # type: ignore[no-untyped-def]
    """Let the pictures of rows `first` to `last` take those of the columns behind them."""
    for i in range(first, last):
        for j in range(i + 1, products.shape[1]):
            if products[i, j] >= near[i, -1]:
                _take(near[i], rows[i], products[i, j], begin + j)


@kernel
def _take_columns(products, begin, first, last, near, rows):  # type: ignore[no-untyped-def]
    """Let the pictures of columns `first` to `last` take those of the rows before them."""
    for i in range(products.shape[0]):
        for j in range(max(first, i + 1), last):
            if products[i, j] >= near[j, -1]:
                _take(near[j], rows[j], products[i, j], begin + i)


@inlined
def _take(near, rows, cosine, row):  # type: ignore[no-untyped-def]
    """Put a row where it belongs among the nearest, by cosine and then by number; the last one falls out."""
    place = len(near)
    while place and (cosine > near[place - 1] or (cosine == near[place - 1] and row < rows[place - 1])):
        place -= 1
    for i in range(len(near) - 1, place, -1):
        near[i], rows[i] = near[i - 1], rows[i - 1]
    if place < len(near):
        near[place], rows[place] = cosine, row
