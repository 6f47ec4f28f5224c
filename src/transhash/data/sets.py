"""What a data set is, once it is read: pictures, labels, and the names of the classes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError
from transhash.images import Source, load_square
from transhash.progress import Progress, silent
from transhash.system import processors

Rows = NDArray[np.int64]
Labels = NDArray[np.int64] | NDArray[np.uint8]
_SMALL = 32  # pixels a side, of pictures that are only tried


class Images:
    """The pictures of a set: files, encoded bytes, or pixels; decoded when asked for."""

    def __init__(self, sources: Sequence[Source] | NDArray[np.uint8]) -> None:
        self.sources = sources

    def __len__(self) -> int:
        return len(self.sources)

    @cached_property
    def sha256(self) -> str:
        """Of the content of all pictures, in their order, hex: equal digests are equal pictures."""
        own = getattr(self.sources, "sha256", None)
        if own is not None:
            return str(own)
        if isinstance(self.sources, np.ndarray):
            return hashlib.sha256(repr(self.sources.shape).encode() + self.sources.tobytes()).hexdigest()
        with ThreadPoolExecutor(processors()) as pool:
            digests = pool.map(_digest, self.sources, chunksize=64)
            return hashlib.sha256(b"".join(digests)).hexdigest()

    def decode(self, rows: NDArray[np.int64], size: int, *, crop: float = 1.0) -> NDArray[np.uint8]:
        """Return the central squares of pictures as `load_picture` makes them: uint8 (n, size, size, 3).

        `rows` are their row numbers, int64 (n,).
        Raises `ImageError` for a picture that cannot be used.
        """
        with ThreadPoolExecutor(processors()) as pool:
            pictures = list(pool.map(lambda row: self.decode_one(row, size, crop=crop), rows))
        return np.stack(pictures) if pictures else np.empty((0, size, size, 3), np.uint8)

    def decode_one(self, row: int, size: int, *, crop: float = 1.0) -> NDArray[np.uint8]:
        """As `decode`, of one picture: uint8 (size, size, 3). Raises `ImageError` when it cannot be used."""
        source = self.sources[row]
        try:
            return load_square(source, size, crop=crop)
        except ImageError as error:
            if isinstance(source, bytes):  # which have no name of their own
                raise ImageError(f"image {row} of the data set", error.reason, error.remedy) from None
            raise

    def unusable(self, progress: Progress = silent) -> list[ImageError]:
        """Why pictures cannot be used, of all that cannot, in their order; decodes every picture."""

        def fault(row: int) -> ImageError | None:
            try:
                self.decode_one(row, _SMALL)
            except ImageError as error:
                return error
            return None

        found = []
        with ThreadPoolExecutor(processors()) as pool:
            for row, error in enumerate(pool.map(fault, range(len(self)))):
                found += [error] if error else []
                progress("looking for others", row + 1, len(self), "")
        return found


def _digest(source: Source) -> bytes:
    """Of a picture's content; of a file that cannot be read of nothing, as decoding it will say."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    if isinstance(source, str | os.PathLike):
        try:
            with open(source, "rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError:
            return hashlib.sha256().digest()
    pixels = np.asarray(source)
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()


@dataclass(frozen=True)
class Split:
    """Row numbers of a data set, each part sorted."""

    query: Rows
    train: Rows
    database: Rows
    notes: tuple[str, ...] = ()  # what a user should know of it, a sentence each

    @property
    def checksum(self) -> str:
        """SHA-256 of the three parts, hex: equal checksums are equal splits."""
        parts = (part.astype("<i8").tobytes() for part in (self.query, self.train, self.database))
        return hashlib.sha256(b"|".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@dataclass(frozen=True)
class ImageSet:
    """A labelled set. Where a set comes in two parts, the training part is first and has `training` images."""

    name: str
    images: Images
    labels: Labels  # int64 (N,) class numbers, or uint8 (N, C) multi-hot
    classes: tuple[str, ...]
    training: int  # images of the training part; all of them where there is one part only
    notes: tuple[str, ...] = ()  # what a user should know of it, a sentence each
    given: Split | None = None  # the parts, where the set's own files give them

    @property
    def labels_sha256(self) -> str:
        """Of the labels and the names of the classes, hex."""
        told = repr((self.labels.dtype.str, self.labels.shape, self.classes)).encode()
        return hashlib.sha256(told + np.ascontiguousarray(self.labels).tobytes()).hexdigest()
