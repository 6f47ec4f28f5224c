"""Mosaics of CIFAR-10: 2 × 2 pictures in one, labelled with the union of their classes. Multi-label data for anyone.

Tiles drawn independently would make four of five pairs of mosaics share a class. So a mosaic has one, two or three
classes, equally often; then come its classes, then tiles that show each of them at least once.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Sequence
from typing import SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from transhash.data.sets import Images, ImageSet
from transhash.errors import DataError

TRAINING, TEST = 25_000, 1_000  # mosaics of pictures of the training part, and of the test part
SIDE, MOST_CLASSES = 32, 3
_SEED = 0  # the data set's own: every user has the same mosaics


class Mosaics(Sequence[NDArray[np.uint8]]):
    """The mosaics, put together when asked for: uint8 (64, 64, 3) each."""

    def __init__(self, pictures: Images, tiles: NDArray[np.int64]) -> None:
        self.pictures = pictures
        self.tiles = tiles  # rows of the pictures, (N, 4): upper left, upper right, lower left, lower right

    @property
    def sha256(self) -> str:
        """Of the pictures and of which of them are where, hex: no mosaic need be put together for it."""
        return hashlib.sha256(self.pictures.sha256.encode() + self.tiles.astype("<i8").tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.tiles)

    @overload
    def __getitem__(self, row: SupportsIndex) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, row: slice) -> Mosaics: ...
    def __getitem__(self, row: SupportsIndex | slice) -> NDArray[np.uint8] | Mosaics:
        if isinstance(row, slice):
            return Mosaics(self.pictures, self.tiles[row])
        tiles = [self.pictures.decode_one(int(tile), SIDE) for tile in self.tiles[operator.index(row)]]
        return np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])


def mosaics(cifar10: ImageSet, training: int = TRAINING, test: int = TEST) -> ImageSet:
    """The mosaics of CIFAR-10: `training` of pictures of its training part, then `test` of its test part.

    Raises `DataError` when one of the parts lacks a class.
    """
    rows = np.arange(len(cifar10.labels))
    parts = ("training", rows[: cifar10.training], training), ("test", rows[cifar10.training :], test)
    drawn = []
    for seed, (part, of, count) in enumerate(parts):
        members = [of[cifar10.labels[of] == number] for number in range(len(cifar10.classes))]
        for name, found in zip(cifar10.classes, members, strict=True):
            if not len(found):
                raise DataError(cifar10.name, f"no images of class {name!r} in its {part} part", "take a whole set")
        drawn.append(_draw_tiles(members, count, seed))
    tiles = np.concatenate(drawn)
    labels = np.zeros((len(tiles), len(cifar10.classes)), np.uint8)
    np.put_along_axis(labels, cifar10.labels[tiles].astype(np.int64), 1, axis=1)
    return ImageSet("cifar10-mosaic", Images(Mosaics(cifar10.images, tiles)), labels, cifar10.classes, training)


def _draw_tiles(members: list[NDArray[np.int64]], count: int, seed: int) -> NDArray[np.int64]:
    """The tiles of `count` mosaics, out of the rows of each class: int64 (count, 4)."""
    random = np.random.Generator(np.random.PCG64([_SEED, seed]))
    tiles = np.empty((count, 4), np.int64)
    for mosaic in tiles:
        chosen = random.permutation(len(members))[: random.integers(1, MOST_CLASSES + 1)]
        shown = np.concatenate([chosen, random.choice(chosen, 4 - len(chosen))])
        mosaic[:] = [random.choice(members[number]) for number in random.permutation(shown)]
    return tiles
