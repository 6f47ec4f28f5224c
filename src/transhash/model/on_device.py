"""Encoding on a GPU: decoded by helping processes, joined to large batches, computed by one thread.

Decoded pictures wait for the GPU, not it for them, as long as decoding can keep up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from transhash.model.encoding import Encoded, Pictures

_AHEAD = 2  # calls of the GPU that are under way at the same time


def in_large_batches(
    decoded: Iterator[list[Pictures]], encode: Callable[[Pictures], list[Encoded]], at_once: int
) -> Iterator[list[Encoded]]:
    """Decoded batches, in order, joined to some `at_once` pictures and encoded."""
    waiting: deque[Future[list[Encoded]]] = deque()
    with ThreadPoolExecutor(1, "transhash-device") as device:
        try:
            for pictures in _joined(decoded, at_once):
                waiting.append(device.submit(encode, pictures))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _joined(decoded: Iterator[list[Pictures]], at_once: int) -> Iterator[Pictures]:
    parts: list[Pictures] = []
    for batch in decoded:
        parts += batch
        if sum(len(part.items) for part in parts) >= at_once:
            yield _one(parts)
            parts = []
    if parts:
        yield _one(parts)


def _one(parts: list[Pictures]) -> Pictures:
    starts = np.cumsum([0, *(len(part.items) for part in parts)]).tolist()
    return Pictures(
        [item for part in parts for item in part.items],
        np.concatenate([part.squares for part in parts]),
        [fact for part in parts for fact in part.facts],
        {start + i: error for start, part in zip(starts, parts, strict=False) for i, error in part.errors.items()},
    )
