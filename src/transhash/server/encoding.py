"""Pictures that were sent become relaxed codes and embeddings: decoded one by one, encoded many at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transhash.codes import pack
from transhash.errors import ImageError
from transhash.images.guarded import CALM_SECONDS, Guard, Sent
from transhash.model import Embedder
from transhash.server import faults
from transhash.server.metrics import Metrics
from transhash.server.settings import Settings
from transhash.server.workers import Batches, each
from transhash.system import processors

if TYPE_CHECKING:
    from transhash.model import HashModel

R = TypeVar("R")
ENCODED_AT_ONCE = 16


class Upload(NamedTuple):
    """A picture that was sent: decoded and encoded, once."""

    sent: Sent
    values: NDArray[np.float32]  # [bits], the relaxed code
    embedding: NDArray[np.int8]  # [V]
    fingerprint: str  # of the model that encoded it

    @property
    def code(self) -> NDArray[np.uint8]:
        """The packed code."""
        return np.ravel(pack(self.values[None]))


Decoded: TypeAlias = "Sent | Upload"


class Encoding:
    """Encodes pictures that strangers sent, with the model that is there when they come.

    Each is decoded in a process that can be ended, and of one sender all processes but one are at work at once: whoever
    sends pictures that take long waits for them alone.
    """

    def __init__(self, model: Callable[[], HashModel | Embedder], settings: Settings, metrics: Metrics) -> None:
        self._model = model
        self._settings = settings
        self._metrics = metrics
        count = max(2, processors())
        self._guard = Guard(count, seconds=settings.decode_seconds, memory=settings.decode_memory)
        self._of_one = count - 1
        self._turns: dict[str, _Turns] = {}
        self._decode: Batches[Callable[[], Decoded], Decoded] = Batches(
            "pictures", each(lambda job: job()), threads=count, batch=1, waiting=settings.max_waiting
        )
        self._encode: Batches[Sent, Upload] = Batches(
            "pictures", self._encoded, threads=processors(), batch=ENCODED_AT_ONCE, waiting=settings.max_waiting
        )
        metrics.waiting.set_function(lambda: self._encode.waiting + sum(each.waiting for each in self._turns.values()))

    @property
    def busy(self) -> bool:
        """Whether pictures are being encoded."""
        return self._encode.busy or self._decode.busy

    def close(self) -> None:
        """Finish what is under way."""
        self._decode.close(self._settings.stop_seconds)
        self._guard.close()
        self._encode.close(self._settings.stop_seconds)

    async def encode(self, pictures: list[bytes], sender: str) -> list[Upload | ImageError]:
        """Pictures of a sender encoded, or what is wrong with them; raises a `Fault` when too many wait."""
        turns = self._turns.setdefault(sender, _Turns(self._of_one))
        if turns.waiting + len(pictures) > self._settings.max_waiting:
            raise faults.busy("pictures")
        turns.waiting += len(pictures)
        try:
            work = asyncio.gather(*(self._one(each, turns) for each in pictures), return_exceptions=True)
            results = await within(self._settings.seconds, work)
        finally:
            turns.waiting -= len(pictures)
            self._turns = {name: one for name, one in self._turns.items() if one.waiting or one.busy}
        uploads: list[Upload | ImageError] = []
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, ImageError):
                raise result
            uploads.append(result)
        return uploads

    async def _one(self, picture: bytes, turns: _Turns) -> Upload:
        model = self._model()
        dropped = threading.Event()

        def decode() -> Decoded:
            if dropped.is_set():  # its client has gone
                raise faults.late()
            most, calm, began = self._settings.max_pixels, turns.slow, time.monotonic()
            try:
                if isinstance(model, Embedder):  # it wants all pixels, of which few pictures' are held at once
                    return self._embedded(model, self._guard.whole(picture, max_pixels=most, calm=calm))
                return self._guard.picture(picture, model.image_size, model.crop, max_pixels=most, calm=calm)
            finally:
                turns.slow = turns.slow or time.monotonic() - began > CALM_SECONDS

        await turns.begin()
        try:
            future = self._decode.put([decode])[0]
        except faults.Fault:
            turns.end()
            raise
        future.add_done_callback(turns.end)
        try:
            sent = await asyncio.shield(future)
        except asyncio.CancelledError:
            dropped.set()
            raise
        return sent if isinstance(sent, Upload) else await self._encode.do(sent)

    def _embedded(self, model: Embedder, sent: Sent) -> Upload:
        pixels = sent.decoded.pixels
        kept = model.embed(model.pictures([Image.fromarray(pixels)]))
        self._metrics.encoded.inc()
        self._metrics.batches.inc()
        decoded = sent.decoded._replace(pixels=pixels[:0])
        values = model.head.values(kept)[0].astype(np.float32)
        return Upload(Sent(decoded, sent.suffix), values, kept[0], model.fingerprint)

    def _encoded(self, sent: list[Sent]) -> list[Upload | Exception]:
        model = self._model()
        if isinstance(model, Embedder):  # another library took the place of the one that they came for
            raise faults.library()
        values, embeddings = model.read_embeddings(np.stack([each.decoded.pixels for each in sent]))
        self._metrics.encoded.inc(len(sent))
        self._metrics.batches.inc()
        return [Upload(*each, model.fingerprint) for each in zip(sent, values, embeddings, strict=True)]


class _Turns:
    """What the pictures of one sender wait for: so many processes at once."""

    def __init__(self, at_once: int) -> None:
        self.waiting = 0  # pictures that are not answered
        self.busy = 0  # processes that work for it
        self.slow = False  # one of its pictures took long: the next ones wait for everybody else's
        self._free = asyncio.Semaphore(at_once)

    async def begin(self) -> None:
        """Wait for a turn."""
        await self._free.acquire()
        self.busy += 1

    def end(self, future: asyncio.Future[Decoded] | None = None) -> None:
        """A turn is over, though nobody may wait for its end any longer."""
        self._free.release()
        self.busy -= 1
        if future is not None and not future.cancelled():
            future.exception()  # it is known


async def within(seconds: float, work: Awaitable[R]) -> R:
    """The result of work; raises a `Fault` when it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise faults.late() from None


async def in_time(seconds: float, future: asyncio.Future[R]) -> R:
    """The same for what a future will have, in less time."""
    timer = future.get_loop().call_later(seconds, _late, future)
    try:
        return await future
    finally:
        timer.cancel()


def _late(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(faults.late())
