"""Data sets that are damaged, not whole or malicious: refused with one sentence that names the file."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layouts import CLASSES, LAYOUTS, PIXELS, TRAINING, archived, binary, plain_parquet, png, python, string
from transhash.data.datasets import load_dataset
from transhash.errors import DataError, ImageError, TransHashError


class Bomb:
    def __reduce__(self):
        return os.mkdir, (str(Bomb.target),)


def test_a_pickle_that_wants_more_than_arrays_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    python(tmp_path)
    Bomb.target = tmp_path / "exploded"
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps({b"data": Bomb()}, protocol=2))
    with pytest.raises(DataError, match=r"data_batch_3: not a batch of CIFAR-10 \(it asks for posix.mkdir\)"):
        load_dataset("cifar10", tmp_path)
    assert not Bomb.target.exists()


def test_a_pickle_that_passes_bytes_off_as_addresses_is_refused(tmp_path: Path) -> None:
    """A dtype of objects whose flags are cleared: NumPy would follow the file's bytes as pointers and crash."""
    python(tmp_path)
    path = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    objects = path.read_bytes().replace(string(b"u1"), string(b"O8"))
    path.write_bytes(objects.replace(struct.pack("<i", 3072), struct.pack("<i", 3072 // 8), 1))  # 8 bytes an address
    with pytest.raises(DataError, match=r"data_batch_3: not a batch of CIFAR-10 \(its `data` is no table of bytes\)"):
        load_dataset("cifar10", tmp_path)


@pytest.mark.parametrize("number", [b"r" + struct.pack("<I", 10**7), b"p10000000\n"], ids=["binary", "text"])
def test_a_pickle_that_has_memory_taken_for_objects_it_lacks_is_refused(number: bytes, tmp_path: Path) -> None:
    python(tmp_path)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"\x80\2}" + number + b".")
    with pytest.raises(DataError, match=r"data_batch_3: not a batch of CIFAR-10 \(it numbers 10,000,000 objects\)"):
        load_dataset("cifar10", tmp_path)


@pytest.mark.parametrize(
    "batch",
    [
        [1],
        {b"data": np.zeros((1, 3072), np.uint8)},
        {b"data": np.zeros((1, 3072)), b"labels": [1]},
        {b"data": np.zeros(3072, np.uint8), b"labels": [1]},
        {b"data": np.zeros((1, 3072), np.uint8), b"labels": [0.5]},
    ],
    ids=["no dictionary", "no labels", "not bytes", "no table", "labels not whole"],
)
def test_a_pickle_of_something_else_is_named(batch: object, tmp_path: Path) -> None:
    python(tmp_path)
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(DataError, match="test_batch: not a batch of CIFAR-10"):
        load_dataset("cifar10", tmp_path)


def test_what_is_missing_or_short_is_named(tmp_path: Path) -> None:
    binary(tmp_path)
    folder = tmp_path / "cifar-10-batches-bin"
    whole = (folder / "data_batch_2.bin").read_bytes()
    (folder / "data_batch_2.bin").write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"data_batch_2\.bin: 30,729 bytes"):
        load_dataset("cifar10", tmp_path)
    (folder / "data_batch_2.bin").write_bytes(b"\x0b" + whole[1:])
    with pytest.raises(DataError, match="labels outside 0 to 9"):
        load_dataset("cifar10", tmp_path)
    (folder / "data_batch_2.bin").unlink()
    with pytest.raises(DataError, match="data_batch_2 is missing"):
        load_dataset("cifar10", tmp_path)


def test_an_archive_cut_short_is_named(tmp_path: Path) -> None:
    archived(binary, "cifar-10-binary.tar.gz")(tmp_path)
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(DataError, match="not a whole archive"):
        load_dataset("cifar10", path)


@pytest.mark.parametrize("layout", ["binary archive", "python archive"])
@pytest.mark.parametrize("place", [0.5, 0.9, -8])  # in the compressed stream; -8 is its checksum
def test_an_archive_with_a_wrong_byte_is_named(layout: str, place: float, tmp_path: Path) -> None:
    LAYOUTS[layout](tmp_path)
    path = next(tmp_path.glob("*.tar.gz"))
    content = bytearray(path.read_bytes())
    content[place if place < 0 else int(place * len(content))] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a whole archive"):
        load_dataset("cifar10", tmp_path)


PICTURE = {"bytes": png(PIXELS[0]), "path": None}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"]}, "no columns `img` or `image` and `label`, but text"),
        ({"img": [b"a"], "label": [0]}, "column `img` is binary"),
        ({"img": [{"path": "a.png"}], "label": [0]}, "column `img` is struct<path: string>"),
        ({"img": [{"bytes": "/etc/hostname"}], "label": [0]}, "column `img` is struct<bytes: string>"),
        ({"img": [PICTURE], "label": ["cat"]}, "column `label` is string"),
        ({"img": [PICTURE], "label": [1.0]}, "column `label` is double"),
        ({"img": [PICTURE, None], "label": [0, 1]}, "without a picture's bytes"),
        ({"img": [PICTURE, {"bytes": None, "path": "a.png"}], "label": [0, 1]}, "without a picture's bytes"),
        ({"img": [PICTURE, PICTURE], "label": [0, None]}, "without a label"),
        ({"img": [PICTURE, PICTURE], "label": [0, 10]}, "labels from 0 to 10 for 10 classes"),
        ({"img": [PICTURE, PICTURE], "label": [-1, 0]}, "labels from -1 to 0 for 10 classes"),
    ],
)
def test_parquet_of_another_shape_is_named(columns: dict[str, list], message: str, tmp_path: Path) -> None:
    plain_parquet(tmp_path)
    pq.write_table(pa.table(columns), tmp_path / "test.parquet")
    with pytest.raises(DataError, match=message):
        load_dataset("cifar10", tmp_path)


def test_two_gigabytes_of_pictures_are_not_too_many_for_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = pa.array([{"bytes": bytes(1 << 26)}])  # many times the same, and at the end one that is named
    pictures = pa.chunked_array([*[large] * 32, pa.array([{"bytes": None}], large.type)])
    table = pa.table({"img": pictures, "label": [0] * 33})
    monkeypatch.setattr(pq, "read_table", lambda *_, **__: table)
    with pytest.raises(DataError, match="without a picture's bytes"):
        load_dataset("cifar10", plain_parquet(tmp_path))


def test_parquet_cut_short_is_named(tmp_path: Path) -> None:
    plain_parquet(tmp_path)
    whole = (tmp_path / "test.parquet").read_bytes()
    (tmp_path / "test.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"test\.parquet: not a whole Parquet file"):
        load_dataset("cifar10", tmp_path)


def test_parquet_files_that_number_their_classes_otherwise_are_not_mixed(tmp_path: Path) -> None:
    pictures = pa.array([PICTURE], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    for name, classes in (("a", ["cat", "dog"]), ("b", ["dog", "cat"])):
        table = pa.table({"image": pictures, "label": [0]})
        pq.write_table(table.replace_schema_metadata({"classes": json.dumps(classes)}), tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=r"b\.parquet: names other classes than a\.parquet, or in another order"):
        load_dataset("folder", tmp_path)


def test_parquet_without_rows_is_named(tmp_path: Path) -> None:
    plain_parquet(tmp_path)
    pq.write_table(pq.read_table(tmp_path / "test.parquet").slice(0, 0), tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"test\.parquet: no rows"):
        load_dataset("cifar10", tmp_path)


@pytest.mark.parametrize(
    "names",
    [["train-00000-of-00002.parquet"], ["train.parquet", "train-00000-of-00001.parquet"]],
    ids=["one of two", "two sets"],
)
def test_shards_that_are_not_one_whole_set_are_named(names: list[str], tmp_path: Path) -> None:
    plain_parquet(tmp_path)
    shard = (tmp_path / "train.parquet").read_bytes()
    (tmp_path / "train.parquet").unlink()
    for name in names:
        (tmp_path / name).write_bytes(shard)
    with pytest.raises(DataError, match="are not one whole set of files"):
        load_dataset("cifar10", tmp_path)


def test_a_folder_of_parquet_lacks_no_shard(tmp_path: Path) -> None:
    plain_parquet(tmp_path)
    (tmp_path / "train.parquet").rename(tmp_path / "train-00000-of-00002.parquet")
    with pytest.raises(DataError, match="are not one whole set of files"):
        load_dataset("folder", tmp_path)
    shutil.copy(tmp_path / "test.parquet", tmp_path / "train-00001-of-00002.parquet")
    (tmp_path / "._train-00001-of-00002.parquet").write_bytes(b"what a Mac leaves")
    assert len(load_dataset("folder", tmp_path).images) == len(PIXELS) + (len(PIXELS) - TRAINING)


def test_parts_with_different_classes_are_named(tmp_path: Path) -> None:
    plain_parquet(tmp_path)
    test = pq.read_table(tmp_path / "test.parquet")
    metadata = {"classes": json.dumps(CLASSES[::-1])}
    pq.write_table(test.replace_schema_metadata(metadata), tmp_path / "test.parquet")
    with pytest.raises(DataError, match="name different classes"):
        load_dataset("cifar10", tmp_path)


def test_parts_of_another_set_are_named(tmp_path: Path) -> None:
    for part, names in (("train", "ab"), ("test", "ac")):
        for name in names:
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / "0.png").write_bytes(PICTURE["bytes"])
    with pytest.raises(DataError, match="different class folders"):
        load_dataset("cifar10", tmp_path)
    (tmp_path / "test" / "c").rename(tmp_path / "test" / "b")
    with pytest.raises(DataError, match="2 classes where CIFAR-10 has 10"):
        load_dataset("cifar10", tmp_path)
    with pytest.raises(DataError, match="not a folder; give a folder of class folders"):
        load_dataset("folder", tmp_path / "train" / "a" / "0.png")


def test_a_broken_picture_in_parquet_is_named_by_its_row(tmp_path: Path) -> None:
    plain_parquet(tmp_path)
    pq.write_table(
        pa.table({"img": [PICTURE, {"bytes": b"text", "path": None}], "label": [0, 1]}), tmp_path / "test.parquet"
    )
    images = load_dataset("cifar10", tmp_path).images
    with pytest.raises(ImageError, match=r"^image 51 of the data set: not a picture"):
        images.decode([50, 51], 32)


def test_without_pyarrow_the_install_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain_parquet(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TransHashError, match=r"this needs pyarrow, .*: pip install 'transhash\[parquet\]'"):
        load_dataset("cifar10", tmp_path)
