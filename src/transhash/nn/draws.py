"""Random numbers that do not depend on how many processes share a batch.

All draw from one seed for the whole batch, in which their rows follow one another, and each takes those of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

_place = (0, 1)  # this process, and how many there are


@contextmanager
def shared(process: int, processes: int) -> Iterator[None]:
    """While it lasts, `uniform` is asked for the rows of one process out of several that have as many each."""
    global _place  # noqa: PLW0603 - as torch's generator is one for all
    before, _place = _place, (process, processes)
    try:
        yield
    finally:
        _place = before


def uniform(rows: int, *shape: int, low: float = 0.0, high: float = 1.0, device: torch.device | None = None) -> Tensor:
    """Random numbers for rows of this process's own, from torch's generator: float32 (rows, *shape)."""
    process, processes = _place
    drawn = torch.empty(rows * processes, *shape, device=device).uniform_(low, high)
    return drawn[process * rows : (process + 1) * rows]
