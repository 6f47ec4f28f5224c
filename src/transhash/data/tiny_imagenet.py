"""Tiny-ImageNet at 64 pixels: its 200 classes, or the first 100 in the order of their WordNet ids (ImageNet-100)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from transhash.data.parquet import Part, parquet_parts, read_parquet
from transhash.data.sets import Images, ImageSet
from transhash.errors import DataError
from transhash.images import Source

CLASSES, OF = 100, 200
_ARCHIVE = "tiny-imagenet-200"  # what tiny-imagenet-200.zip unpacks to
_ANNOTATIONS = Path("val") / "val_annotations.txt"


def imagenet100_64(root: Path) -> ImageSet:
    """50,000 training images, then 5,000 validation images, of 100 classes: the unpacked archive, or Parquet files."""
    return _first_classes(CLASSES, "imagenet100-64", root)


def imagenet200_64(root: Path) -> ImageSet:
    """100,000 training images, then 10,000 validation images, of all 200 classes; from the same files."""
    return _first_classes(OF, "imagenet200-64", root)


def _first_classes(count: int, name: str, root: Path) -> ImageSet:
    if folder := next((folder for folder in (root, root / _ARCHIVE) if (folder / _ANNOTATIONS).is_file()), None):
        parts = [(_training_part(folder, count), folder / "train"), (_validation_part(folder, count), folder / "val")]
    elif shards := parquet_parts(root, "valid"):
        parts = [(read_parquet(part, below=count), part[0]) for part in shards]
    else:
        raise DataError(
            root,
            "no Tiny-ImageNet here",
            f"give the folder of the unpacked {_ARCHIVE}.zip, or of train*.parquet and valid*.parquet as on "
            "the Hugging Face hub",
        )
    for part, where in parts:
        if len(part.classes) != OF or list(part.classes) != sorted(part.classes):
            raise DataError(
                where,
                f"{len(part.classes)} class names where Tiny-ImageNet has {OF}, sorted by WordNet id",
                "take files that carry those names",
            )
        counts = np.bincount(part.labels, minlength=count)
        if not counts.all():
            raise DataError(where, f"no images of class {part.classes[counts.argmin()]!r}", "download it again")
    (train, _), (valid, _) = parts
    images = Images(train.pictures + valid.pictures)
    numbers = np.concatenate([train.labels, valid.labels])
    return ImageSet(name, images, numbers, train.classes[:count], len(train.labels))


def _classes(folder: Path) -> dict[str, str]:
    """The classes of the unpacked archive by WordNet id, in order, each as "id words"."""
    ids = sorted(path.name for path in (folder / "train").glob("n*") if path.is_dir())
    words: dict[str, str] = {}
    if (folder / "words.txt").is_file():
        lines = (folder / "words.txt").read_text("utf-8", "replace").splitlines()
        words = {name: text for name, _, text in (line.partition("\t") for line in lines)}
    return {name: f"{name} {words[name]}" if name in words else name for name in ids}


def _training_part(folder: Path, count: int) -> Part:
    """The pictures below the folders of the first classes, sorted by path."""
    classes = _classes(folder)
    pictures: list[Source] = []
    numbers: list[int] = []
    for number, name in enumerate([*classes][:count]):
        found = sorted((folder / "train" / name / "images").glob("[!.]*.JPEG"))
        pictures += found
        numbers += [number] * len(found)
    return Part(pictures, np.array(numbers, np.int64), tuple(classes.values()))


def _validation_part(folder: Path, count: int) -> Part:
    """The pictures of the first classes that the annotations list, in their order."""
    classes = _classes(folder)
    number_of = {name: number for number, name in enumerate(classes)}
    pictures: list[Source] = []
    numbers: list[int] = []
    for place, line in enumerate((folder / _ANNOTATIONS).read_text("utf-8", "replace").splitlines()):
        fields = line.split("\t")
        if len(fields) < 2 or fields[1] not in number_of:
            raise DataError(
                f"{folder / _ANNOTATIONS}, line {place + 1}", "no picture and class of this set", "unpack it again"
            )
        if number_of[fields[1]] < count:
            pictures.append(folder / "val" / "images" / fields[0])
            numbers.append(number_of[fields[1]])
    return Part(pictures, np.array(numbers, np.int64), tuple(classes.values()))
