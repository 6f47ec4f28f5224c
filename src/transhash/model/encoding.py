"""Encoding many pictures: decoded and encoded in batches side by side, each picture with what became of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError, ImageError
from transhash.images import Source
from transhash.images.helpers import Decoder
from transhash.progress import Progress
from transhash.system import processors
from transhash.threads import submit

if TYPE_CHECKING:
    from concurrent.futures import Future

S = TypeVar("S")
T = TypeVar("T")
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Encoded:
    """What became of one item: its code and relaxed code, or the error that names why it has none."""

    item: Any  # as it was passed in
    code: NDArray[np.uint8] | None  # (bits/8,)
    values: NDArray[np.float32] | None  # (bits,), the relaxed code, whose signs are the bits
    error: ImageError | None
    width: int  # of the picture as stored, pixels; 0 when unknown
    height: int
    is_first: bool = False  # of several frames or pages
    taken: datetime | None = None  # by the camera's clock
    features: NDArray[np.float32] | None = None  # (F,), what the hash layers read
    all_values: NDArray[np.float32] | None = None  # relaxed codes of all of the model's lengths, side by side
    embedding: NDArray[np.int8] | None = None  # (V,), the longest of these in a byte a value (`transhash.model.fitted`)


class PictureFacts(NamedTuple):
    """What `Encoded` says of a picture besides its code: unknown of one that cannot be decoded."""

    width: int = 0
    height: int = 0
    is_first: bool = False
    taken: datetime | None = None


class Pictures(NamedTuple):
    """Decoded pictures of some items. One that cannot be used is black, and has its error."""

    items: list[Any]
    squares: NDArray[np.uint8]  # (N, S, S, 3)
    facts: list[PictureFacts]
    errors: dict[int, ImageError]  # by position


def collect(batches: Iterable[list[Encoded]], skipped: Callable[[ImageError], object] | None = None) -> list[Encoded]:
    """The pictures of a stream that could be used, in order; `skipped` is called with the error of each other one.

    Without `skipped`, raises the first `ImageError`.
    """
    usable = []
    for batch in batches:
        for encoded in batch:
            if encoded.error is None:
                usable.append(encoded)
            elif skipped is None:
                raise encoded.error
            else:
                skipped(encoded.error)
    return usable


def decode(batch: list[Any], source: Callable[[Any], Source] | None, decoder: Decoder) -> Pictures:
    """The pictures of a batch of items; `source` gives that of an item, where the item is something else."""
    found: list[Source | ImageError] = []
    for item in batch:
        try:
            found.append(source(item) if source else item)
        except ImageError as error:
            found.append(error)
    pictures = Pictures(
        batch, np.zeros((len(batch), decoder.size, decoder.size, 3), np.uint8), [PictureFacts()] * len(batch), {}
    )
    for i, picture in enumerate(decoder.decode(found)):
        if isinstance(picture, ImageError):
            pictures.errors[i] = picture
        else:
            pictures.squares[i] = picture.pixels
            pictures.facts[i] = PictureFacts(picture.width, picture.height, picture.is_first, picture.taken)
    return pictures


def in_batches(
    work: Callable[[list[S]], list[T]], items: Iterable[S], batch_size: int, threads: int | None
) -> Generator[list[T], None, None]:
    """`work` on batches of items, in order, each in one of `threads` workers (by default one for each core).

    At most two batches a worker are under way, so that memory stays bounded however long `items` is. Raises
    `ValueError` for batches of nothing.
    """
    from concurrent.futures import ThreadPoolExecutor

    if batch_size < 1:
        raise ValueError(f"a batch of {batch_size} pictures encodes nothing: give 1 or more")
    threads = threads or processors()
    iterator = iter(items)
    waiting: deque[Future[list[T]]] = deque()
    with ThreadPoolExecutor(threads, "transhash-encode") as pool:
        try:
            while True:
                while len(waiting) < 2 * threads and (batch := list(islice(iterator, batch_size))):
                    waiting.append(submit(pool, work, batch))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def gathered(
    batches: Iterable[list[Encoded]],
    part: Callable[[Encoded], NDArray[Number] | None],
    progress: Progress,
    skipped: Callable[[ImageError], None] | None,
) -> list[NDArray[Number]]:
    """One part of what a model made of each picture, to learn from; raises `DataError` when no picture had any."""
    found: list[NDArray[Number]] = []
    for batch in batches:
        for encoded in batch:
            one = part(encoded)
            if one is not None:
                found.append(one)
            elif skipped and encoded.error:
                skipped(encoded.error)
        progress("learning", len(found), 0, "")
    if not found:
        raise DataError("", "none of the pictures could be used", "there is nothing to learn from")
    return found
