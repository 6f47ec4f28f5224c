"""Retrieval protocols: which images of a set are queries, which train, which are searched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transhash.data.datasets import ImageSet
from transhash.errors import DataError

Rows = NDArray[np.int64]

PROTOCOLS = {
    "cifar10": "100 queries and 500 training images a class of all 60,000; the other 54,000 are searched",
    "cifar10-1": "as cifar10, but the training images are searched too (59,000)",
    "cifar10-2": "the 10,000 test images are queries; the 50,000 training images train and are searched",
    "folder": "a tenth of each class are queries; the rest trains and is searched",
}


@dataclass(frozen=True)
class Split:
    """Row numbers of a data set, each part sorted."""

    query: Rows
    train: Rows
    database: Rows

    @property
    def checksum(self) -> str:
        """SHA-256 of the three parts, hex: equal checksums are equal splits."""
        parts = (part.astype("<i8").tobytes() for part in (self.query, self.train, self.database))
        return hashlib.sha256(b"|".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def split(protocol: str, images: ImageSet, *, seed: int = 0) -> Split:
    """The split of a data set under a protocol (see `PROTOCOLS`); the same seed gives the same split everywhere.

    Raises `DataError` for an unknown protocol, a class with too few images for it, or a negative seed.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"no protocol is called {protocol!r}; there are {', '.join(PROTOCOLS)}")
    if seed < 0:
        raise DataError(f"the split's seed is {seed}; it must be 0 or more")
    labels = images.labels
    if labels.ndim != 1:
        raise DataError(f"the protocol {protocol!r} is for images with one label each")
    rows = np.arange(len(labels))
    if protocol == "cifar10-2":
        train, query = rows[: images.training], rows[images.training :]
        if not len(query):
            raise DataError(f"{images.name} has no test part, which the protocol cifar10-2 queries with")
        return Split(query, train, train)
    random = np.random.Generator(np.random.PCG64(seed))
    parts: tuple[list[Rows], list[Rows], list[Rows]] = ([], [], [])
    for number, name in enumerate(images.classes):
        members = random.permutation(np.flatnonzero(labels == number))
        queries, training = (100, 500)
        if protocol == "folder":
            queries = max(1, len(members) // 10)
            training = len(members) - queries
        if len(members) < queries + max(1, training) + (protocol == "cifar10"):  # something must be left to search
            raise DataError(f"class {name!r} has {len(members)} images, too few for the protocol {protocol!r}")
        parts[0].append(members[:queries])
        parts[1].append(members[queries : queries + training])
        parts[2].append(members[queries + (training if protocol == "cifar10" else 0) :])
    query, train, database = (np.sort(np.concatenate(part)) for part in parts)
    return Split(query, train, database)


def validation_split(
    train: Rows, labels: NDArray[np.int64] | NDArray[np.uint8], share: float, *, seed: int
) -> tuple[Rows, Rows]:
    """Hold out a share of the training images, the same of each class: what is left to train on, and the held-out."""
    if not share:
        return train, train[:0]
    random = np.random.Generator(np.random.PCG64([seed, 1]))
    held = np.zeros(len(train), bool)
    strata = labels[train] if labels.ndim == 1 else labels[train].argmax(axis=1)
    for number in np.unique(strata):
        members = random.permutation(np.flatnonzero(strata == number))
        held[members[: round(share * len(members))]] = True
    return train[~held], random.permutation(train[held])
