"""Mosaics: what they show, what they are labelled with, and how they are split."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from layouts import PIXELS, TRAINING, plain_parquet
from transhash.data.datasets import Images, ImageSet, load_dataset
from transhash.data.mosaic import mosaics
from transhash.data.protocols import PROTOCOLS, split
from transhash.errors import DataError, ImageError


def quarters(picture: np.ndarray) -> list[np.ndarray]:
    return [picture[:32, :32], picture[:32, 32:], picture[32:, :32], picture[32:, 32:]]


def test_a_mosaic_shows_the_classes_it_is_labelled_with(tmp_path: Path) -> None:
    cifar10 = load_dataset("cifar10", plain_parquet(tmp_path))
    made = mosaics(cifar10, training=60, test=20)
    pictures = made.images.decode(np.arange(80), 64)
    row_of = {pixels.tobytes(): row for row, pixels in enumerate(PIXELS)}
    for number, (picture, label) in enumerate(zip(pictures, made.labels, strict=True)):
        rows = np.array([row_of[np.ascontiguousarray(tile).tobytes()] for tile in quarters(picture)])
        assert set(cifar10.labels[rows]) == set(np.flatnonzero(label))
        assert (rows < TRAINING).all() if number < 60 else (rows >= TRAINING).all()
    assert (made.training, made.labels.dtype, made.labels.shape) == (60, np.uint8, (80, 10))


def test_one_two_and_three_classes_are_equally_frequent_wherever_they_lie() -> None:
    labels = np.tile(np.arange(10), 60)
    made = mosaics(ImageSet("toy", Images([b""] * 600), labels, tuple("abcdefghij"), 500), training=6000, test=100)
    sizes = np.bincount(made.labels[:6000].sum(axis=1), minlength=5)
    assert sizes[[0, 4]].tolist() == [0, 0]
    np.testing.assert_allclose(sizes[1:4], 2000, atol=150)  # 4 deviations
    np.testing.assert_allclose(made.labels.mean(axis=0), 0.2, atol=0.025)
    tiles = labels[made.images.sources.tiles]
    one_of_two = made.labels.sum(axis=1) == 2
    lone = [(row == row[place]).sum() == 1 for row in tiles[one_of_two] for place in range(4)]
    np.testing.assert_allclose(
        np.reshape(lone, (-1, 4)).mean(axis=0), 1 / 8, atol=0.04
    )  # a class of one tile is anywhere


def test_a_broken_tile_is_named() -> None:
    cifar10 = ImageSet("toy", Images([b"no picture"] * 40), np.arange(40) % 2, ("a", "b"), 20)
    with pytest.raises(ImageError, match=r"image \d+ of the data set: not a picture"):
        mosaics(cifar10, training=4, test=2).images.decode(np.array([0]), 64)


def test_the_split_of_the_real_mosaics(data_root: Path) -> None:
    images = load_dataset("cifar10-mosaic", data_root / "cifar10")
    parts = split("cifar10-mosaic", images)
    assert [len(part) for part in (parts.query, parts.train, parts.database)] == [1000, 5000, 20_000]
    assert np.unique(np.concatenate([parts.query, parts.train, parts.database])).size == 26_000
    assert (parts.query >= 25_000).all()
    assert not np.array_equal(split("cifar10-mosaic", images, seed=1).train, parts.train)
    assert PROTOCOLS["cifar10-mosaic"].topk == 5000
    relevant = (images.labels[parts.query].astype(int) @ images.labels[parts.database].T.astype(int)) > 0
    assert 0.3 < relevant.mean() < 0.45


def test_the_real_mosaics_are_the_same_everywhere(data_root: Path) -> None:
    images = load_dataset("cifar10-mosaic", data_root / "cifar10")
    tiles = images.images.sources.tiles
    assert tiles[[0, 24_999, 25_000, 25_999]].tolist() == [
        [21386, 34079, 33354, 30013],
        [20222, 22935, 24947, 38354],
        [59038, 59725, 59957, 59618],
        [57477, 57942, 57553, 57025],
    ]
    encoded = load_dataset("cifar10", data_root / "cifar10").images.sources
    expected = [np.asarray(Image.open(io.BytesIO(encoded[tile]))) for tile in tiles[0]]
    np.testing.assert_array_equal(quarters(images.images.decode(np.array([0]), 64)[0]), expected)


def test_a_class_that_a_part_does_not_have_is_named() -> None:
    labels = np.repeat(np.arange(2), 20)
    with pytest.raises(DataError, match="toy: no images of class 'a' in its test part"):
        mosaics(ImageSet("toy", Images([b""] * 40), labels, ("a", "b"), 30))


def test_too_few_mosaics_to_train_on_are_named() -> None:
    labels = np.tile(np.arange(2), 20)
    made = mosaics(ImageSet("toy", Images([b""] * 40), labels, ("a", "b"), 30), training=5000, test=2)
    with pytest.raises(DataError, match="5,000 images besides its queries"):
        split("cifar10-mosaic", made)
