"""Data sets of labelled images, in the layouts that people have them in.

images = load_dataset("cifar10", "data/cifar10")   # archives, class folders or Parquet: all give the same
images.images.decode(rows, 70)                      # uint8 (len(rows), 70, 70, 3)
images.labels                                       # int64 (N,)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from transhash.data import cifar
from transhash.data.corel import corel5k
from transhash.data.lists import COLUMNS, read_lists
from transhash.data.mosaic import mosaics
from transhash.data.parquet import parquet_files, parquet_parts, read_parquet
from transhash.data.sets import Images, ImageSet
from transhash.data.tiny_imagenet import imagenet100_64, imagenet200_64
from transhash.errors import DataError
from transhash.images import IMAGE_SUFFIXES, Source

__all__ = ["DATASETS", "ImageSet", "Images", "load_dataset"]


def load_dataset(name: str, root: str | os.PathLike[str]) -> ImageSet:
    """The data set `name` (see `DATASETS`) found at `root`.

    Raises `DataError` when the name is unknown or nothing at `root` is in a known layout.
    """
    if name not in DATASETS:
        raise DataError("", f"no data set is called {name!r}", f"there are {', '.join(DATASETS)}")
    path = Path(root)
    if not path.exists():
        raise DataError(path, "no such file or folder", f"give the place of the data set {name!r} (--data)")
    return DATASETS[name](path)


def _cifar10(root: Path) -> ImageSet:
    """CIFAR-10, 60,000 images: the official Python or binary archive, class folders, or Parquet as on the hub.

    Rows are in the order of the files (class folders: sorted by path), the 50,000 training images first.
    """
    found: tuple[Sequence[Source] | NDArray[np.uint8], NDArray[np.int64], tuple[str, ...], int]
    if archive := cifar.find_archive(root):
        pixels, numbers, count = cifar.read_archive(archive)
        found = pixels, numbers, cifar.CLASSES, count
    elif parts := parquet_parts(root):
        train, test = (read_parquet(part, cifar.CLASSES) for part in parts)
        if train.classes != test.classes:
            raise DataError(root, "the training and the test files name different classes", "take both from one set")
        found = (
            train.pictures + test.pictures,
            np.concatenate([train.labels, test.labels]),
            train.classes,
            len(train.labels),
        )
    elif (root / "train").is_dir() and (root / "test").is_dir():
        train_files, train_labels, classes = _class_folders(root / "train")
        test_files, test_labels, test_classes = _class_folders(root / "test")
        if classes != test_classes:
            raise DataError(root, "train/ and test/ have different class folders", "make them the same")
        found = train_files + test_files, np.concatenate([train_labels, test_labels]), classes, len(train_labels)
    else:
        inside = ", ".join(sorted(p.name for p in root.iterdir())[:5]) if root.is_dir() else root.name
        raise DataError(
            root,
            f"no CIFAR-10 here (found {inside or 'an empty folder'})",
            "accepted are cifar-10-python.tar.gz, cifar-10-binary.tar.gz, either one extracted, "
            "train/CLASS/* and test/CLASS/* pictures, or train*.parquet and test*.parquet as on the Hugging "
            "Face hub",
        )
    sources, labels, classes, training = found
    if len(classes) != len(cifar.CLASSES):
        raise DataError(
            root, f"{len(classes)} classes where CIFAR-10 has 10", "use the data set `folder` for other pictures"
        )
    return ImageSet("cifar10", Images(sources), labels, classes, training)


def _cifar10_mosaic(root: Path) -> ImageSet:
    """26,000 pictures of two by two CIFAR-10 images, labelled with the union of their classes; the same files."""
    return mosaics(_cifar10(root))


def _folder(root: Path) -> ImageSet:
    """A folder of class folders of pictures of any size: the class is the folder's name. Or the same in Parquet."""
    if shards := parquet_files(root):
        part = read_parquet(shards)
        return ImageSet("folder", Images(part.pictures), part.labels, part.classes, len(part.labels))
    files, labels, classes = _class_folders(root)
    if len(classes) < 2:
        raise DataError(
            root, f"{len(classes)} class folders with pictures", "put the pictures in a folder for each class"
        )
    return ImageSet("folder", Images(files), labels, classes, len(files))


def _class_folders(root: Path) -> tuple[list[Source], NDArray[np.int64], tuple[str, ...]]:
    """The pictures below each folder in `root`, sorted by path, and the folders' numbers; hidden ones left out.

    Raises `DataError` for a folder that cannot be read, whose class or pictures would be missing.
    """
    files: list[Source] = []
    labels: list[int] = []
    classes: list[str] = []
    if not root.is_dir():
        raise DataError(root, "not a folder", "give a folder of class folders")
    _, names, _ = next(os.walk(root, onerror=_unreadable))
    for name in sorted(name for name in names if not name.startswith(".")):
        found: list[Path] = []
        for folder, inner, here in os.walk(root / name, onerror=_unreadable):
            inner[:] = [each for each in inner if not each.startswith(".")]
            found += [Path(folder, each) for each in here if not each.startswith(".")]
        found = sorted(path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
        if found:
            files += found
            labels += [len(classes)] * len(found)
            classes.append(name)
    return files, np.array(labels, np.int64), tuple(classes)


def _unreadable(error: OSError) -> NoReturn:
    raise DataError(error.filename, f"cannot be read ({error.strerror})", "make it readable, or take it out") from error


DATASETS: dict[str, Callable[[Path], ImageSet]] = {
    "cifar10": _cifar10,
    "cifar10-mosaic": _cifar10_mosaic,
    "imagenet100-64": imagenet100_64,
    "imagenet200-64": imagenet200_64,
    "corel5k": corel5k,
    "folder": _folder,
    **{name: partial(read_lists, name) for name in COLUMNS},
}
