"""Pictures that were sent become relaxed codes and embeddings, many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError
from transhash.server import faults
from transhash.server.metrics import Metrics
from transhash.server.settings import Settings
from transhash.server.workers import Batches
from transhash.system import processors

if TYPE_CHECKING:
    from transhash.model import HashModel

R = TypeVar("R")
ENCODED_AT_ONCE = 16

Relaxed = tuple[NDArray[np.float32], NDArray[np.int8]]  # a picture's relaxed code [bits] and its embedding [V]


class EncodingThreads:
    """Threads that encode pictures with the model that is there when they begin."""

    def __init__(self, model: Callable[[], HashModel], settings: Settings, metrics: Metrics) -> None:
        self._model = model
        self._settings = settings
        self._metrics = metrics
        self._threads: Batches[bytes, Relaxed] = Batches(
            "pictures", self._encoded, threads=processors(), batch=ENCODED_AT_ONCE, waiting=settings.max_waiting
        )
        metrics.waiting.set_function(lambda: self._threads.waiting)

    def close(self) -> None:
        """Finish what is under way."""
        self._threads.close(self._settings.stop_seconds)

    async def encode(self, pictures: list[bytes]) -> list[Relaxed | ImageError]:
        """Relaxed codes and embeddings of pictures, or what is wrong with them."""
        futures = self._threads.put(pictures)
        results = await within(self._settings.seconds, asyncio.gather(*futures, return_exceptions=True))
        values: list[Relaxed | ImageError] = []
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, ImageError):
                raise result
            values.append(result)
        return values

    def _encoded(self, pictures: list[bytes]) -> list[Relaxed | Exception]:
        model = self._model()
        squares: dict[int, NDArray[np.uint8]] = {}
        results: list[Relaxed | Exception] = [faults.late()] * len(pictures)
        for number, picture in enumerate(pictures):
            try:
                squares[number] = model.square(picture, max_pixels=self._settings.max_pixels)
            except ImageError as error:
                results[number] = error
        if squares:
            read = model.read_embeddings(np.stack(list(squares.values())))
            for number, *relaxed in zip(squares, *read, strict=True):
                results[number] = (relaxed[0], relaxed[1])
        self._metrics.encoded.inc(len(squares))
        self._metrics.batches.inc()
        return results


async def within(seconds: float, work: Awaitable[R]) -> R:
    """The result of work; raises a `Fault` when it takes longer."""
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError:
        raise faults.late() from None
