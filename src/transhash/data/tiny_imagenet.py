"""ImageNet-100 at 64 pixels: the first 100 of the 200 classes of Tiny-ImageNet, in the order of their WordNet ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from transhash.data.parquet import parquet_parts, read_parquet
from transhash.data.sets import Images, ImageSet
from transhash.errors import DataError

CLASSES, OF = 100, 200


def imagenet100_64(root: Path) -> ImageSet:
    """50,000 training images, then 5,000 validation images, of 100 classes; Parquet as on the hub."""
    parts = parquet_parts(root, "valid")
    if parts is None:
        raise DataError(f"{root}: no Tiny-ImageNet here; put its train*.parquet and valid*.parquet into one folder")
    train, valid = (read_parquet(part, below=CLASSES) for part in parts)
    for part, shards in zip((train, valid), parts, strict=True):
        if len(part.classes) != OF or list(part.classes) != sorted(part.classes):
            raise DataError(
                f"{shards[0]}: {len(part.classes)} class names where Tiny-ImageNet has {OF}, sorted by WordNet id; "
                "take files that carry those names"
            )
        counts = np.bincount(part.labels, minlength=CLASSES)
        if not counts.all():
            raise DataError(f"{shards[0]}: no images of class {part.classes[counts.argmin()]!r}; download it again")
    labels = np.concatenate([train.labels, valid.labels])
    images = Images(train.pictures + valid.pictures)
    return ImageSet("imagenet100-64", images, labels, train.classes[:CLASSES], len(train.labels))
