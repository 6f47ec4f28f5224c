"""The published split of CIFAR-10: what the files say, what the seed draws, and how another program reads them."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from transhash.data.datasets import Images, ImageSet, load_dataset
from transhash.data.protocols import drawn_queries, split

SPLITS = resources.files("transhash.data") / "splits"


def whole(seed: int) -> ImageSet:
    """As many images as CIFAR-10 has, in an order of their own within each part."""
    random = np.random.default_rng(seed)
    labels = np.concatenate([random.permutation(np.arange(50_000) % 10), random.permutation(np.arange(10_000) % 10)])
    return ImageSet("cifar10", Images([b""] * 60_000), labels, tuple("abcdefghij"), 50_000)


@pytest.mark.parametrize("protocol", ["cifar10", "cifar10-1"])
@pytest.mark.parametrize("order", [0, 1])
def test_the_files_are_what_seed_0_draws_in_every_order(protocol: str, order: int) -> None:
    images = whole(order)
    files, drawn = split(protocol, images), drawn_queries(protocol, images, 0)
    np.testing.assert_array_equal(files.query, drawn.query)
    np.testing.assert_array_equal(files.train, drawn.train)
    np.testing.assert_array_equal(files.database, drawn.database)


def test_the_files_are_those_of_the_list_of_checksums() -> None:
    listed = dict(reversed(line.split()) for line in (SPLITS / "SHA256SUMS").read_text().splitlines())
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in SPLITS.iterdir()}
    del found["SHA256SUMS"]
    assert listed == found


def test_other_seeds_and_other_sets_are_drawn() -> None:
    images = whole(0)
    assert split("cifar10", images, seed=1).checksum == drawn_queries("cifar10", images, 1).checksum
    assert split("cifar10", images, seed=1).checksum != split("cifar10", images).checksum
    uneven = ImageSet("cifar10", images.images, np.roll(images.labels, 1)[:-100], images.classes, 50_000)
    assert split("cifar10", uneven).checksum == drawn_queries("cifar10", uneven, 0).checksum


def test_the_splits_of_the_real_images(data_root: Path) -> None:
    images = load_dataset("cifar10", data_root / "cifar10")
    for protocol in ("cifar10", "cifar10-1"):
        assert split(protocol, images).checksum == drawn_queries(protocol, images, 0).checksum
    query = np.loadtxt(str(SPLITS / "cifar10-query.txt"), int)
    rows = [np.flatnonzero(images.labels == number)[places] for number, places in enumerate(query)]
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), split("cifar10", images).query)
