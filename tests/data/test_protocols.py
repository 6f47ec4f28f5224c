"""Splits: the right sizes, disjoint, and the same everywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from transhash.data.datasets import Images, ImageSet, load_dataset
from transhash.data.protocols import split, validation_split
from transhash.errors import DataError


def image_set(per_class: int, classes: int = 10, training: int | None = None) -> ImageSet:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(classes), per_class))
    names = tuple(f"class {i}" for i in range(classes))
    return ImageSet("toy", Images([b""] * len(labels)), labels, names, training or len(labels))


def test_cifar10_pools_all_images_and_keeps_the_parts_apart() -> None:
    images = image_set(700)
    parts = split("cifar10", images)
    assert [len(part) for part in (parts.query, parts.train, parts.database)] == [1000, 5000, 1000]
    assert len(np.unique(np.concatenate([parts.query, parts.train, parts.database]))) == 7000
    for part, each in ((parts.query, 100), (parts.train, 500), (parts.database, 100)):
        assert np.bincount(images.labels[part]).tolist() == [each] * 10


def test_cifar10_1_searches_the_training_images_too() -> None:
    images = image_set(700)
    parts, apart = split("cifar10-1", images), split("cifar10", images)
    np.testing.assert_array_equal(parts.query, apart.query)
    np.testing.assert_array_equal(parts.database, np.union1d(apart.train, apart.database))


def test_cifar10_2_queries_with_the_test_images() -> None:
    parts = split("cifar10-2", image_set(10, training=70))
    assert parts.query.tolist() == list(range(70, 100))
    assert parts.train.tolist() == parts.database.tolist() == list(range(70))
    with pytest.raises(DataError, match="no test part"):
        split("cifar10-2", image_set(10))


def test_a_folder_of_ones_own_gives_a_tenth_as_queries() -> None:
    parts = split("folder", image_set(25, classes=3))
    assert len(parts.query) == 6
    np.testing.assert_array_equal(parts.train, parts.database)
    assert not np.intersect1d(parts.query, parts.train).size


def test_a_small_class_of_a_folder_still_gives_a_query() -> None:
    assert len(split("folder", image_set(2, classes=3)).query) == 3


def test_of_folders_20_pictures_a_class_train_and_all_but_the_queries_are_searched() -> None:
    labels = np.array([0] * 100 + [1] * 15 + [2])
    images = ImageSet("toy", Images([b""] * 116), labels, ("many", "few", "one"), 116)
    parts, all_train = split("folder-20", images), split("folder", images)
    np.testing.assert_array_equal(parts.query, all_train.query)
    np.testing.assert_array_equal(parts.database, all_train.database)
    assert np.bincount(labels[parts.train], minlength=3).tolist() == [20, 14, 0]
    assert np.isin(parts.train, parts.database).all()


def test_a_seed_is_a_split() -> None:
    images = image_set(700)
    assert split("cifar10", images).checksum == split("cifar10", images, seed=0).checksum
    assert split("cifar10", images, seed=1).checksum != split("cifar10", images).checksum


def test_too_few_images_and_unknown_protocols_are_named() -> None:
    with pytest.raises(DataError, match="class 'class 0' has 600 images, too few"):
        split("cifar10", image_set(600))
    with pytest.raises(DataError, match="the split's seed is -1"):
        split("cifar10", image_set(700), seed=-1)
    with pytest.raises(DataError, match="there are cifar10, cifar10-1"):
        split("cifar100", image_set(5))


def test_a_class_with_one_picture_is_searched_and_that_is_said() -> None:
    labels = np.array([0] * 20 + [1] * 20 + [2] + [3])
    images = ImageSet("toy", Images([b""] * 42), labels, ("many", "more", "one", "single"), 42)
    parts = split("folder", images)
    assert np.isin([40, 41], parts.database).all()
    assert not np.isin([40, 41], np.concatenate([parts.query, parts.train])).any()
    assert [np.bincount(labels[part], minlength=4).tolist()[:2] for part in (parts.query, parts.train)] == [
        [2, 2],
        [18, 18],
    ]
    [note] = parts.notes
    assert "one, single" in note
    assert split("folder", image_set(30)).notes == ()


@pytest.mark.parametrize("protocol", ["folder", "folder-20"])
def test_a_class_without_a_picture_is_left_out_and_that_is_said(protocol: str) -> None:
    """A Parquet file names all classes of its set, whichever its rows are of."""
    labels = np.array([0] * 20 + [2] * 20)
    images = ImageSet("toy", Images([b""] * 40), labels, ("many", "none", "more", "nothing"), 40)
    parts = split(protocol, images)
    assert parts.notes == ("classes without a picture, which are left out: none, nothing",)
    without = split(protocol, replace(images, labels=labels // 2, classes=("many", "more")))
    assert parts.checksum == without.checksum


def test_a_set_of_classes_with_one_picture_each_is_refused() -> None:
    with pytest.raises(DataError, match="no class has two pictures"):
        split("folder", image_set(1))


def test_validation_images_come_out_of_every_class_of_the_training_images() -> None:
    images = image_set(50)
    rows = np.arange(100, 500)
    train, held = validation_split(rows, images.labels, 0.2, seed=0)
    np.testing.assert_array_equal(np.union1d(train, held), rows)
    assert not np.intersect1d(train, held).size
    before, after = np.bincount(images.labels[rows]), np.bincount(images.labels[held])
    np.testing.assert_array_equal(after, np.round(0.2 * before))
    np.testing.assert_array_equal(validation_split(rows, images.labels, 0.2, seed=0)[1], held)
    assert len(validation_split(rows, images.labels, 0, seed=0)[1]) == 0


def test_validation_images_of_several_labels_come_out_of_every_label() -> None:
    random = np.random.default_rng(0)
    labels = (random.random((4000, 21)) < np.geomspace(0.005, 0.4, 21)).astype(np.uint8)
    rows = np.arange(500, 4000)
    train, held = validation_split(rows, labels, 0.2, seed=0)
    np.testing.assert_array_equal(np.union1d(train, held), rows)
    assert not np.intersect1d(train, held).size
    wanted = 0.2 * labels[rows].sum(axis=0)
    np.testing.assert_array_less(np.abs(labels[held].sum(axis=0) - wanted), 1 + 0.1 * wanted)
    unlabelled = ~labels.any(axis=1)
    assert np.count_nonzero(unlabelled[held]) == round(0.2 * np.count_nonzero(unlabelled[rows]))
    np.testing.assert_array_equal(validation_split(rows, labels, 0.2, seed=0)[1], held)


def test_one_label_each_in_columns_is_held_out_as_classes_are() -> None:
    labels = np.eye(4, dtype=np.uint8)[np.arange(80) % 4]
    _, held = validation_split(np.arange(80), labels, 0.25, seed=0)
    assert labels[held].sum(axis=0).tolist() == [5] * 4
    images = ImageSet("toy", Images([b""] * 80), labels, ("a", "b", "c", "d"), 80)
    with pytest.raises(DataError, match="one label each"):
        split("folder", images)


def test_the_held_out_rows_of_single_labels_are_fixed() -> None:
    """A run that was broken off must find the same rows held out when it goes on."""
    _, held = validation_split(np.arange(60), np.arange(60) % 3, 0.1, seed=0)
    assert held.tolist() == [38, 16, 4, 30, 0, 59]


CHECKSUMS = {
    "cifar10": "f93b5dadfd56d1ecdc86a8545662f0ab2f5a858da98c16d5c0f3b0dcb348a0ca",
    "cifar10-1": "055a34d42563872ee393c8a98f82397ed5f98241879fc98169ba43ad1d4ff6e0",
    "cifar10-2": "9959e42c291ea8ea9805bf626b247ccc7d7ff396c41c9430ed80ddc8b4a75db4",
    "cifar10-mosaic": "02d5badf4ef77a8d683ee0969bcf82a64d3fdbb8120a7e40c343db88d8e2f1b0",
    "imagenet100-64": "71cad106061d442b62bd77006d62627d284541de0c02380151e693659ca02514",
}


@pytest.mark.parametrize("protocol", CHECKSUMS)
def test_the_splits_of_the_real_images_are_those_of_the_documentation(protocol: str, data_root: Path) -> None:
    name = "cifar10" if protocol in ("cifar10-1", "cifar10-2") else protocol
    images = load_dataset(name, data_root / ("tiny-imagenet" if name == "imagenet100-64" else "cifar10"))
    assert split(protocol, images).checksum == CHECKSUMS[protocol]
