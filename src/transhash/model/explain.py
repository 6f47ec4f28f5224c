"""What in a picture its code depends on: each patch is covered in turn, and the code is computed again.

This is an occlusion map (Zeiler & Fergus, 2014), not the network's attention: it shows what would change the code, for
any model, fitted heads included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transhash.model.hash_model import HashModel


@dataclass(frozen=True)
class Occlusion:
    """How far each stream's part of the relaxed code moves when a cell of the picture is covered.

    Float64 (cells, cells), top row first: lengths of the movement as a share of the length of that part itself. All
    cells together are the centred square that the network sees. `of_local` is None for a model without a local stream.
    """

    of_global: NDArray[np.float64]
    of_local: NDArray[np.float64] | None


def occlusion_of(
    model: HashModel,
    square: NDArray[np.uint8],
    *,
    cells: int | None = None,
    between: Callable[[], object] = lambda: None,
) -> Occlusion:
    """Cover each of `cells` × `cells` cells of a picture (by default the network's patches) with its mean colour.

    `square`: the picture as the network sees it, uint8 (S, S, 3). `between` is called before each cell. Costs as much
    as encoding `cells`² + 1 pictures.
    """
    size = len(square)
    cells = cells or max(1, min(16, size // _patch(model)))
    edges = np.linspace(0, size, cells + 1).round().astype(int)
    covered = np.repeat(square[None], cells * cells + 1, axis=0)
    mean = square.mean(axis=(0, 1)).round().astype(np.uint8)
    for number in range(cells * cells):
        row, column = divmod(number, cells)
        covered[number, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = mean
    parts = []
    for picture in covered:  # one by one: several at once take no less time, and hold others up for longer
        between()
        parts.append(model.parts(picture[None]))
    of_global, of_local = (_moves(np.concatenate(part), cells) for part in zip(*parts, strict=True))
    if of_global is None:
        raise ValueError("the model has no global stream")
    return Occlusion(of_global, of_local)


def _moves(part: NDArray[np.float32], cells: int) -> NDArray[np.float64] | None:
    """How far the rows are from the last one, that of the whole picture; None for parts of no width."""
    if not part.shape[1]:
        return None
    whole = part[-1].astype(np.float64)
    moves = np.linalg.norm(part[:-1] - whole, axis=1) / (np.linalg.norm(whole) or 1.0)
    return np.asarray(moves.reshape(cells, cells))


def _patch(model: HashModel) -> int:
    """The side of a patch in pixels."""
    config = getattr(model, "config", None)
    return int(config["network"]["vit"]["patch_size"]) if config else 1
