"""One tiny CIFAR-10 in every layout."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from transhash.data.cifar import CLASSES
from transhash.data.datasets import ImageSet, load_dataset
from transhash.errors import DataError

PER_BATCH = 10
PIXELS = np.random.default_rng(0).integers(0, 256, (6 * PER_BATCH, 32, 32, 3), dtype=np.uint8)
LABELS = np.tile(np.arange(10), 6)
TRAINING = 5 * PER_BATCH
BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def rows_of(pixels: np.ndarray) -> np.ndarray:
    return pixels.transpose(0, 3, 1, 2).reshape(len(pixels), 3072)


def binary(root: Path) -> Path:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    for i, name in enumerate(BATCHES):
        part = slice(i * PER_BATCH, (i + 1) * PER_BATCH)
        records = np.concatenate([LABELS[part, None].astype(np.uint8), rows_of(PIXELS[part])], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    return root


def python(root: Path) -> Path:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for i, name in enumerate(BATCHES):
        part = slice(i * PER_BATCH, (i + 1) * PER_BATCH)
        batch = {b"data": rows_of(PIXELS[part]), b"labels": LABELS[part].tolist(), b"batch_label": b"one"}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    return root


def archived(make, name: str):
    def archive(root: Path) -> Path:
        inside = root / "inside"
        inside.mkdir()
        with tarfile.open(root / name, "w:gz") as tar:
            for path in sorted(make(inside).rglob("*")):
                tar.add(path, path.relative_to(inside))
        return root

    return archive


def folders(root: Path) -> Path:
    for row, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        folder = root / ("train" if row < TRAINING else "test") / CLASSES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{row:03d}.png")
    return root


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def parquet(root: Path, column: str, label: str, metadata: dict[str, str], names: tuple[str, str]) -> Path:
    for name, part in zip(names, (slice(0, TRAINING), slice(TRAINING, None)), strict=True):
        images = [{"bytes": png(pixels), "path": None} for pixels in PIXELS[part]]
        table = pa.table({column: images, label: pa.array(LABELS[part], pa.int64())})
        (root / name).parent.mkdir(exist_ok=True)
        pq.write_table(table.replace_schema_metadata(metadata), root / name)
    return root


def plain_parquet(root: Path) -> Path:
    return parquet(root, "img", "label", {"classes": json.dumps(CLASSES)}, ("train.parquet", "test.parquet"))


def hub_parquet(root: Path) -> Path:
    features = {"info": {"features": {"labels": {"names": list(CLASSES), "_type": "ClassLabel"}}}}
    names = ("plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet")
    return parquet(root, "image", "labels", {"huggingface": json.dumps(features)}, names)


def pixels_of(images: ImageSet) -> np.ndarray:
    return images.images.decode(np.arange(len(images.images)), 32)


LAYOUTS = {
    "binary": binary,
    "python": python,
    "binary archive": archived(binary, "cifar-10-binary.tar.gz"),
    "python archive": archived(python, "cifar-10-python.tar.gz"),
    "parquet": plain_parquet,
    "hub's parquet": hub_parquet,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_rows(layout: str, tmp_path: Path) -> None:
    images = load_dataset("cifar10", LAYOUTS[layout](tmp_path))
    np.testing.assert_array_equal(pixels_of(images), PIXELS)
    np.testing.assert_array_equal(images.labels, LABELS)
    assert (images.classes, images.training, images.name) == (CLASSES, TRAINING, "cifar10")


def test_class_folders_give_the_same_pictures_sorted_by_class(tmp_path: Path) -> None:
    images = load_dataset("cifar10", folders(tmp_path))
    order = np.concatenate([np.argsort(LABELS[:TRAINING], kind="stable"), TRAINING + np.arange(PER_BATCH)])
    np.testing.assert_array_equal(pixels_of(images), PIXELS[order])
    np.testing.assert_array_equal(images.labels, LABELS[order])
    assert images.training == TRAINING


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    images = load_dataset("folder", folders(tmp_path) / "train")
    assert images.classes == CLASSES
    assert np.bincount(images.labels).tolist() == [5] * 10


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


def test_parquet_of_another_shape_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "train.parquet")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "test.parquet")
    with pytest.raises(DataError, match="no columns `img` or `image` and `label`, but text"):
        load_dataset("cifar10", tmp_path)
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="not Parquet"):
        load_dataset("cifar10", tmp_path)


def test_nothing_there_says_what_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match=r"found notes\.txt.*accepted are cifar-10-python.tar.gz"):
        load_dataset("cifar10", tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        load_dataset("cifar10", tmp_path / "nowhere")
    with pytest.raises(DataError, match="there are cifar10, folder"):
        load_dataset("mnist", tmp_path)
    with pytest.raises(DataError, match="a folder for each class"):
        load_dataset("folder", tmp_path)
