"""A model without a network: the code of a picture is which pixels of its small copy are brighter than their mean."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from transhash.codes import pack
from transhash.errors import ImageError
from transhash.images import load_picture
from transhash.model import Encoded
from transhash.model.calibration import Calibration
from transhash.model.fitted import embedding
from transhash.model.likeness import Likeness


class FakeModel:
    bits = 64
    lengths = (64,)
    size = 1_200_000
    measured: dict[str, str] = {}  # noqa: RUF012
    image_size = 8
    crop = 1.0
    rounding = 0.0
    calibration: Calibration | None = None
    likeness: Likeness | None = None
    nearness: Likeness | None = None  # of cosines after a library's own map

    device = "cpu"

    def __init__(self, name: str = "fake", folder: str | Path = "/nowhere/fake") -> None:
        self.name = name
        self.folder = Path(folder)
        self.fingerprint = hashlib.sha256(name.encode()).hexdigest()
        self.decoded: list[Any] = []  # every source that was opened

    def encode(self, items: Iterable[Any]) -> np.ndarray:
        return pack(self.values(items))

    def values(self, items: Iterable[Any]) -> np.ndarray:
        encoded = [one for batch in self.stream(items) for one in batch]
        for one in encoded:
            if one.error:
                raise one.error
        return np.array([one.values for one in encoded], np.float32).reshape(-1, self.bits)

    def stream(
        self,
        items: Iterable[Any],
        *,
        source: Callable[[Any], Any] | None = None,
        batch_size: int = 4,
        max_pixels: int | None = None,
    ) -> Iterator[list[Encoded]]:
        iterator = iter(items)
        while batch := list(islice(iterator, batch_size)):
            yield [self.one(item, source(item) if source else item, max_pixels) for item in batch]

    def square(self, source: Any, *, max_pixels: int = 10**9) -> np.ndarray:
        return load_picture(source, self.image_size, max_pixels=max_pixels).pixels

    def read(self, squares: np.ndarray) -> np.ndarray:
        grey = squares.astype(np.float32).mean(axis=3).reshape(len(squares), -1)
        return np.asarray(grey - grey.mean(axis=1, keepdims=True))

    def read_embeddings(self, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = self.read(squares)
        return values, embedding(values)

    def parts(self, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = self.read(squares)
        return values[:, :32], values[:, 32:]

    def one(self, item: Any, source: Any, max_pixels: int | None) -> Encoded:
        self.decoded.append(source)
        try:
            picture = load_picture(source, self.image_size, max_pixels=max_pixels)
        except ImageError as error:
            return Encoded(item, None, None, error, 0, 0)
        grey = picture.pixels.astype(np.float32).mean(axis=2).ravel()
        values = grey - grey.mean()
        facts = (picture.width, picture.height, picture.is_first, picture.taken)
        return Encoded(item, np.packbits(values > 0), values, None, *facts)
