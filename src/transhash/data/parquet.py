"""Parquet files of images in the layout of the Hugging Face hub: a struct {bytes, path} and a class number a row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError
from transhash.images import Source

_IMAGE_COLUMNS = ("img", "image")
_LABEL_COLUMNS = ("label", "labels", "fine_label")


@dataclass(frozen=True)
class Part:
    """One part of a data set, the files of its shards in order."""

    pictures: list[Source]  # encoded bytes
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


def parquet_parts(root: Path) -> tuple[list[Path], list[Path]] | None:
    """The shards of the training and of the test part at `root` or in a folder of it; none when either is missing."""
    if not root.is_dir():
        return None
    for folder in (root, *sorted(p for p in root.iterdir() if p.is_dir())):
        train = sorted(folder.glob("train*.parquet"))
        test = sorted(folder.glob("test*.parquet"))
        if train and test:
            return train, test
    return None


def read_parquet(shards: list[Path], default_classes: tuple[str, ...] = ()) -> Part:
    """The images and labels of some shards; raises `DataError` when they are not in the hub's layout."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise DataError(f"{shards[0]}: reading Parquet needs pyarrow; pip install 'transhash[train]'") from None
    pictures: list[Source] = []
    labels = []
    classes = default_classes
    for path in shards:
        try:
            schema = pq.read_schema(path)
            image = next(name for name in _IMAGE_COLUMNS if name in schema.names)
            label = next(name for name in _LABEL_COLUMNS if name in schema.names)
            table = pq.read_table(path, columns=[image, label])
            pictures += table[image].combine_chunks().field("bytes").to_pylist()
            labels.append(table[label].to_numpy().astype(np.int64))
        except StopIteration:
            raise DataError(f"{path}: no columns `img` or `image` and `label`, but {', '.join(schema.names)}") from None
        except (pa.ArrowException, OSError, KeyError, AttributeError) as error:
            raise DataError(f"{path}: not Parquet in the hub's layout ({error}); download it again") from error
        classes = _class_names(schema.metadata or {}, label) or classes
    return Part(pictures, np.concatenate(labels), classes)


def _class_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    """The class names that a file carries: a JSON list under `classes`, or the hub's description of its features."""
    try:
        if b"classes" in metadata:
            return tuple(json.loads(metadata[b"classes"]))
        features: dict[str, Any] = json.loads(metadata[b"huggingface"])["info"]["features"]
        return tuple(features[label]["names"])
    except (KeyError, ValueError, TypeError):
        return ()
