"""Parquet files of images in the layout of the Hugging Face hub: a struct {bytes, path} and a class number a row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError
from transhash.images import Source
from transhash.plain import parsed
from transhash.system import needs

_IMAGE_COLUMNS = ("img", "image")
_LABEL_COLUMNS = ("label", "labels", "fine_label")
_SHARD = re.compile(r"-\d+-of-(\d+)\.parquet$")  # train-00000-of-00002.parquet


@dataclass(frozen=True)
class Part:
    """One part of a data set, the files of its shards in order."""

    pictures: list[Source]  # encoded bytes
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


def parquet_parts(root: Path, test_part: str = "test") -> tuple[list[Path], list[Path]] | None:
    """The shards of the training and of the test part at `root` or in a folder of it; none when either is missing.

    `test_part`: how the names of the test part's files begin.

    Raises `DataError` when some shards of a part are missing, or lie among those of another set.
    """
    if not root.is_dir():
        return None
    for folder in (root, *sorted(p for p in root.iterdir() if p.is_dir())):
        train = sorted(folder.glob("train*.parquet"))
        test = sorted(folder.glob(f"{test_part}*.parquet"))
        if train and test:
            _check_whole(train)
            _check_whole(test)
            return train, test
    return None


def parquet_files(root: Path) -> list[Path]:
    """The Parquet files in a folder, sorted, but hidden ones; raises `DataError` when shards of a set are missing."""
    shards = sorted(root.glob("[!.]*.parquet")) if root.is_dir() else []
    for _, of_a_set in groupby(shards, lambda path: _SHARD.split(path.name)[0]):
        _check_whole([*of_a_set])
    return shards


def _check_whole(shards: list[Path]) -> None:
    """Raise `DataError` unless the shards are as many as their names say."""
    totals = {int(found[1]) if (found := _SHARD.search(path.name)) else None for path in shards}
    if totals not in ({None}, {len(shards)}):
        names = ", ".join(path.name for path in shards[:3]) + (", …" if len(shards) > 3 else "")
        raise DataError(shards[0].parent, f"{names} are not one whole set of files", "keep all files of one set")


def read_parquet(shards: list[Path], default_classes: tuple[str, ...] = (), *, below: int | None = None) -> Part:
    """The images and labels of some shards; raises `DataError` when they are not in the hub's layout.

    `below`: read only the rows of classes with smaller numbers, and no more of the files than these lie in.
    """
    with needs("parquet"):
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq
    pictures: list[Source] = []
    labels = []
    classes = default_classes
    named: Path | None = None
    for path in shards:
        try:
            schema = pq.read_schema(path)
            image, label = _columns(schema, path)
            only = None if below is None else [(label, "<", below)]
            table = pq.read_table(path, columns=[image, label], filters=only)
            encoded = pc.struct_field(table[image], "bytes")  # in chunks: one alone holds 2 GB at most
        except (pa.ArrowException, OSError) as error:
            raise DataError(path, f"not a whole Parquet file ({error})", "download it again") from error
        if table[image].null_count or encoded.null_count or table[label].null_count:
            raise DataError(path, "rows without a picture's bytes or without a label", "leave them out of the file")
        pictures += encoded.to_pylist()
        labels.append(table[label].to_numpy().astype(np.int64))
        if names := _class_names(schema.metadata or {}, label):
            if named and names != classes:
                said = f"names other classes than {named.name}, or in another order"
                raise DataError(path, said, "take all files from one set")
            classes, named = names, path
    numbers = np.concatenate(labels)
    if not len(numbers):
        raise DataError(shards[0], "no rows", "download it again")
    if numbers.min() < 0 or numbers.max() >= len(classes):
        raise DataError(
            shards[0].parent,
            f"labels from {numbers.min()} to {numbers.max()} for {len(classes)} classes",
            "number the classes from 0",
        )
    return Part(pictures, numbers, classes)


def _columns(schema: Any, path: Path) -> tuple[str, str]:
    """The names of the columns of pictures and of class numbers; raises `DataError` when they are of other types."""
    import pyarrow as pa

    image = next((name for name in _IMAGE_COLUMNS if name in schema.names), None)
    label = next((name for name in _LABEL_COLUMNS if name in schema.names), None)
    if image is None or label is None:
        raise DataError(
            path, f"no columns `img` or `image` and `label`, but {', '.join(schema.names)}", "rename the columns"
        )
    kind = schema.field(image).type
    content = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else None
    if content not in (pa.binary(), pa.large_binary()):
        raise DataError(path, f"column `{image}` is {kind}", "it must be a struct with the picture file's `bytes`")
    if not pa.types.is_integer(schema.field(label).type):
        raise DataError(path, f"column `{label}` is {schema.field(label).type}", "it must be the class's number")
    return image, label


def _class_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    """The class names that a file carries: a JSON list under `classes`, or the hub's description of its features."""
    try:
        if b"classes" in metadata:
            names = parsed(metadata[b"classes"])
        else:
            names = parsed(metadata[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, ValueError, TypeError):
        return ()
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()
