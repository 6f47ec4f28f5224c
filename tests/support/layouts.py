"""One tiny CIFAR-10, written to disk in every layout."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from transhash.data.cifar import CLASSES

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


def string(content: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(content)) + content


def as_published(rows: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 and its NumPy pickled it."""
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0t" + string(b"b") + b"tR"
    dtype = (
        b"cnumpy\ndtype\n("
        + string(b"u1")
        + b"K\0K\1tR(K\3"
        + string(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    )
    shape = b"(" + b"".join(b"J" + struct.pack("<i", side) for side in rows.shape) + b"t"
    state = b"(K\1" + shape + dtype + b"\x89" + string(rows.tobytes()) + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    name = string(b"batch_label") + string(b"training batch 1 of 5")
    return b"\x80\2}(" + name + string(b"labels") + numbers + string(b"data") + array + state + b"u."


def by_python_3(rows: np.ndarray, labels: list[int]) -> bytes:
    """A batch pickled again in the same protocol; the array in the other order."""
    return pickle.dumps({b"data": np.asfortranarray(rows), b"labels": labels, b"batch_label": b"one"}, protocol=2)


def python(root: Path, dump: Callable[[np.ndarray, list[int]], bytes] = as_published) -> Path:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for i, name in enumerate(BATCHES):
        part = slice(i * PER_BATCH, (i + 1) * PER_BATCH)
        (folder / name).write_bytes(dump(rows_of(PIXELS[part]), LABELS[part].tolist()))
    return root


def archived(make: Callable[[Path], Path], name: str) -> Callable[[Path], Path]:
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


LAYOUTS = {
    "binary": binary,
    "python": python,
    "python 3": lambda root: python(root, by_python_3),
    "binary archive": archived(binary, "cifar-10-binary.tar.gz"),
    "python archive": archived(python, "cifar-10-python.tar.gz"),
    "parquet": plain_parquet,
    "hub's parquet": hub_parquet,
}
