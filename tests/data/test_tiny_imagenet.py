"""ImageNet-100 at 64 pixels, out of a small Tiny-ImageNet and the real one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from layouts import png
from transhash.data.datasets import load_dataset
from transhash.data.protocols import PROTOCOLS, split
from transhash.errors import DataError

NAMES = [f"n{number:08d} thing {number}" for number in range(200)]


def part(path: Path, labels: np.ndarray, names: list[str] = NAMES) -> None:
    """A picture a row whose colour is its row's number; few rows in a group, so that reading can pass some over."""
    pictures = [{"bytes": png(np.full((4, 4, 3), row % 256, np.uint8)), "path": None} for row in range(len(labels))]
    table = pa.table({"img": pictures, "label": pa.array(labels, pa.int64())})
    pq.write_table(table.replace_schema_metadata({"classes": json.dumps(names)}), path, row_group_size=50)


def test_it_is_the_first_hundred_classes_of_both_parts(tmp_path: Path) -> None:
    train, valid = np.repeat(np.arange(200), 2), np.random.default_rng(0).permutation(200)
    part(tmp_path / "train.parquet", train)
    part(tmp_path / "valid.parquet", valid)
    images = load_dataset("imagenet100-64", tmp_path)
    assert images.classes == tuple(NAMES[:100])
    assert (images.name, images.training, len(images.images)) == ("imagenet100-64", 200, 300)
    np.testing.assert_array_equal(images.labels, np.concatenate([train[:200], valid[valid < 100]]))
    expected = np.concatenate([np.arange(200), np.flatnonzero(valid < 100)])
    np.testing.assert_array_equal(images.images.decode(np.arange(300), 4)[:, 0, 0, 0], expected)


def archive(root: Path, train: np.ndarray, valid: np.ndarray) -> Path:
    """The same as the unpacked archive, pictures named as it names them."""
    folder = root / "tiny-imagenet-200"
    ids = [name.split()[0] for name in NAMES]
    for row, label in enumerate(train):
        place = folder / "train" / ids[label] / "images" / f"{ids[label]}_{row % 2}.JPEG"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(np.full((4, 4, 3), row % 256, np.uint8)))
    (folder / "val" / "images").mkdir(parents=True)
    for row in range(len(valid)):
        (folder / "val" / "images" / f"val_{row}.JPEG").write_bytes(png(np.full((4, 4, 3), row % 256, np.uint8)))
    listed = [f"val_{row}.JPEG\t{ids[label]}\t0\t0\t62\t62\n" for row, label in enumerate(valid)]
    (folder / "val" / "val_annotations.txt").write_text("".join(listed))
    (folder / "words.txt").write_text("".join(f"{name.split()[0]}\t{name.split(' ', 1)[1]}\n" for name in NAMES))
    return root


def test_the_unpacked_archive_gives_the_same(tmp_path: Path) -> None:
    train, valid = np.repeat(np.arange(200), 2), np.random.default_rng(0).permutation(200)
    part(tmp_path / "train.parquet", train)
    part(tmp_path / "valid.parquet", valid)
    expected = load_dataset("imagenet100-64", tmp_path)
    folder = archive(tmp_path, train, valid) / "tiny-imagenet-200" / "train" / "n00000000" / "images"
    (folder / "._n00000000_0.JPEG").write_bytes(b"what a Mac leaves")
    found = load_dataset("imagenet100-64", tmp_path / "tiny-imagenet-200")
    assert (found.classes, found.training) == (expected.classes, expected.training)
    assert isinstance(found.images.sources[0], Path)
    np.testing.assert_array_equal(found.labels, expected.labels)
    rows = np.arange(300)
    np.testing.assert_array_equal(found.images.decode(rows, 4), expected.images.decode(rows, 4))


def test_an_archive_that_is_not_whole_is_named(tmp_path: Path) -> None:
    root = archive(tmp_path, np.repeat(np.arange(200), 2), np.arange(200))
    annotations = root / "tiny-imagenet-200" / "val" / "val_annotations.txt"
    annotations.write_text(annotations.read_text() + "val_200.JPEG\tn99999999\n")
    with pytest.raises(DataError, match=r"val_annotations\.txt, line 201: no picture and class"):
        load_dataset("imagenet100-64", root)
    annotations.write_text("val_0.JPEG\tn00000001\n")
    with pytest.raises(DataError, match=r"val: no images of class 'n00000000 thing 0'"):
        load_dataset("imagenet100-64", root)


def test_files_of_something_else_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no Tiny-ImageNet here; give the folder of the unpacked"):
        load_dataset("imagenet100-64", tmp_path)
    every = np.arange(200)
    part(tmp_path / "train.parquet", every)
    part(tmp_path / "valid.parquet", every[::2])
    with pytest.raises(DataError, match=r"valid\.parquet: no images of class 'n00000001 thing 1'"):
        load_dataset("imagenet100-64", tmp_path)
    part(tmp_path / "valid.parquet", every, NAMES[::-1])
    with pytest.raises(DataError, match=r"valid\.parquet: 200 class names where .* sorted by WordNet id"):
        load_dataset("imagenet100-64", tmp_path)


def test_all_classes_of_the_same_files(tmp_path: Path) -> None:
    train, valid = np.repeat(np.arange(200), 2), np.random.default_rng(0).permutation(200)
    part(tmp_path / "train.parquet", train)
    part(tmp_path / "valid.parquet", valid)
    images = load_dataset("imagenet200-64", tmp_path)
    assert (images.name, images.classes, images.training) == ("imagenet200-64", tuple(NAMES), 400)
    np.testing.assert_array_equal(images.labels, np.concatenate([train, valid]))
    parts = split("imagenet200-64", images)
    np.testing.assert_array_equal(parts.train, np.arange(400))
    np.testing.assert_array_equal(parts.database, parts.train)
    np.testing.assert_array_equal(parts.query, np.arange(400, 600))


def test_the_split_of_the_real_images(data_root: Path) -> None:
    images = load_dataset("imagenet100-64", data_root / "tiny-imagenet")
    assert images.classes[0].startswith("n01443537")
    assert images.classes[-1].startswith("n03250847")
    parts = split("imagenet100-64", images)
    for rows, each in ((parts.query, 50), (parts.train, 130), (parts.database, 500)):
        assert np.bincount(images.labels[rows]).tolist() == [each] * 100
    assert not np.intersect1d(parts.query, parts.database).size
    assert np.isin(parts.train, parts.database).all()
    assert not np.array_equal(split("imagenet100-64", images, seed=1).train, parts.train)
    assert PROTOCOLS["imagenet100-64"].topk == 1000


def test_the_real_pictures_are_those_of_their_rows(data_root: Path) -> None:
    images = load_dataset("imagenet100-64", data_root / "tiny-imagenet")
    valid = pq.read_table(data_root / "tiny-imagenet" / "valid.parquet").to_pylist()
    first = next(row for row in valid if row["label"] < 100)
    assert images.labels[50_000] == first["label"]
    expected = np.asarray(Image.open(io.BytesIO(first["img"]["bytes"])).convert("RGB"))
    np.testing.assert_array_equal(images.images.decode(np.array([50_000]), 64)[0], expected)
