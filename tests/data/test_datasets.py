"""One tiny CIFAR-10 in every layout, and the real one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collection import lock
from layouts import LABELS, LAYOUTS, PER_BATCH, PIXELS, TRAINING, folders, parquet
from transhash.data.cifar import CLASSES
from transhash.data.datasets import ImageSet, load_dataset
from transhash.errors import DataError


def pixels_of(images: ImageSet) -> np.ndarray:
    return images.images.decode(np.arange(len(images.images)), 32)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_rows(layout: str, tmp_path: Path) -> None:
    images = load_dataset("cifar10", LAYOUTS[layout](tmp_path))
    np.testing.assert_array_equal(pixels_of(images), PIXELS)
    np.testing.assert_array_equal(images.labels, LABELS)
    assert (images.classes, images.training, images.name) == (CLASSES, TRAINING, "cifar10")


NAMES = [f"name {i}" for i in range(10)]
DESCRIPTION = {"info": {"features": {"label": {"names": NAMES, "_type": "ClassLabel"}}}}


@pytest.mark.parametrize("metadata", [{"classes": NAMES}, {"huggingface": DESCRIPTION}], ids=["classes", "hub's"])
def test_class_names_are_those_the_files_carry(metadata: dict[str, object], tmp_path: Path) -> None:
    carried = {key: json.dumps(value) for key, value in metadata.items()}
    parquet(tmp_path, "img", "label", carried, ("train.parquet", "test.parquet"))
    assert load_dataset("cifar10", tmp_path).classes == tuple(NAMES)


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


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "train" / "cat" / "._023.png").write_bytes(b"what a Mac leaves beside a picture")
    (tmp_path / "train" / "cat" / ".thumbnails").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "train" / "cat" / ".thumbnails" / "023.png")
    assert len(load_dataset("cifar10", tmp_path).images) == len(PIXELS)


@pytest.mark.parametrize("locked", ["", "cat", "cat/deep"])
def test_a_folder_that_cannot_be_read_is_named(locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folders(tmp_path) / "train" / "cat" / "deep").mkdir()
    lock(monkeypatch, tmp_path / "train" / locked)
    with pytest.raises(DataError, match=rf"{locked}: cannot be read \(Permission denied\)"):
        load_dataset("folder", tmp_path / "train")


def test_the_real_pictures_are_decoded_as_they_are(data_root: Path) -> None:
    images = load_dataset("cifar10", data_root / "cifar10").images
    rows = np.array([0, 49_999, 50_000, 59_999])
    expected = [np.asarray(Image.open(io.BytesIO(images.sources[row]))) for row in rows]
    np.testing.assert_array_equal(images.decode(rows, 32), expected)


def test_nothing_there_says_what_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match=r"found notes\.txt.*accepted are cifar-10-python.tar.gz"):
        load_dataset("cifar10", tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        load_dataset("cifar10", tmp_path / "nowhere")
    with pytest.raises(DataError, match="there are cifar10, "):
        load_dataset("mnist", tmp_path)
    with pytest.raises(DataError, match="a folder for each class"):
        load_dataset("folder", tmp_path)
