"""The photographs that the model in the box learns from: which, packed small, without repeats of those that judge.

Each set is a folder as its publisher lays it out (docs/models.md names them). A picture is squeezed to a square of 160
pixels, or of fewer where it has fewer; a small JPEG file stays as it is. A training picture that looks like one of the
sets that choose or report, or like its mirror image, is left out. Packed pictures are Parquet files of at most 52 MiB,
so that they can be carried to another machine, with every set in each of them.
"""

from __future__ import annotations

import csv
import io
import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.photographs.sets import SETS, pictures

SIZE = 160  # pixels, of a packed picture
SMALL = 2000  # bytes of a JPEG file that stays as it is
QUALITY = 68  # of WebP
FILE_BYTES = 52 << 20
ALIKE = 0.97  # correlation of two pictures of 16 × 16 grey blocks, above which one is a repeat of the other
_BLOCKS = 16

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Source = Path | bytes
Found = list[tuple[Source, str | None]]  # pictures and their classes


def _folder(path: Path) -> str | None:
    return path.parent.name


def _unknown(_: Path) -> str | None:
    return None


def _before(path: Path) -> str | None:
    return path.stem.rsplit("_", 1)[0].lower() if "_" in path.stem else None


def _after(path: Path) -> str | None:
    return path.stem.rsplit("_", 1)[-1]


def _first(path: Path) -> str | None:
    return path.stem.partition("_")[0]


@dataclass(frozen=True)
class Part:
    """Some photographs of a set."""

    place: str
    pattern: str
    most: int
    class_of: Callable[[Path], str | None] = _folder
    every: int = 0  # of the classes in order every so many'th is held out of training; 0: none

    def files(self, root: Path, *, held: bool = False) -> Found:
        """The photographs and their classes, drawn by a seed; of a set with held out classes these, or all others."""
        if self.pattern.endswith(".parquet"):
            found = _of_parquet(root / self.place / self.pattern)
        else:
            known = _flickr_classes(root) if self.place.startswith("flickr") else {}
            paths = pictures(root / self.place, self.pattern)
            found = [(path, known.get(path.name) or self.class_of(path)) for path in paths]
        if self.every:
            classes = sorted({kind for _, kind in found if kind})
            out = set(classes[:: self.every])
            found = [(source, kind) for source, kind in found if (kind in out) == held]
        random.Random(0).shuffle(found)
        return found[: self.most]


TRAINING = {
    "imagenette": Part("imagenette", "**/train/*/*", 5000),
    "imagewoof": Part("imagewoof", "**/train/*/*", 6000),
    "flickr": Part("flickr", "train/*", 7000, _unknown),  # its classes are in train.csv
    "mini": Part("miniimagenet", "**/*.jpg", 24000, every=5),
    "tiny": Part("tiny-imagenet", "train.parquet", 40000),
    "cub": Part("cub/images", "*/*", 4500, every=4),
    "instruments": Part("instruments/train", "*/*", 5000),
    "cars": Part("cars/cars_train", "**/*.jpg", 6000, _unknown),
    "rsicd": Part("rsicd", "*/*.jpg", 6000, _before, every=4),
    "intel": Part("intel", "**/train/*/*", 5000),
    "houses": Part("houses", "**/*.jpg", 2140, _after),
    "animals": Part("animals", "*/*", 2000),
    "trashnet": Part("trashnet/dataset-resized", "*/*", 2500),
    "dtd": Part("dtd/images", "*/*", 1200),
    "voc": Part("voc/JPEGImages", "*", 1900, _unknown),
    "birds": Part("birds/valid", "*/*", 2600),
    "food": Part("food", "**/*.jpg", 12000),
    "samples": Part("samples1000", "*", 1000, _unknown),
    "objects": Part("objects/dataset", "*/*", 3800),
    "rsscn7": Part("rsscn7", "*/*", 2000),
    "seedlings": Part("seedlings/train_validation", "*/*", 1500),
    "weather": Part("weather/train", "*", 1000, _unknown),
    "monkeys": Part("monkeys/training", "*/*", 1100),
    "five": Part("five", "*/*", 1500, _first),
    "mini37": Part("mini37", "**/n*/*", 660),
    "nips": Part("nips/dataset/images", "*", 1000, _unknown),
    "bsds": Part("bsds/BSDS500/data/images", "*/*", 500, _unknown),
    "driving": Part("driving", "*/*", 400, _unknown),
}
CHOOSING = {
    "imagenette": Part("imagenette", "**/val/*/*", 1000),
    "imagewoof": Part("imagewoof", "**/val/*/*", 1000),
    "mini": Part("miniimagenet", "**/*.jpg", 1500, every=5),
    "cub": Part("cub/images", "*/*", 1000, every=4),
    "rsicd": Part("rsicd", "*/*.jpg", 1000, _before, every=4),
    "bikes": Part("bikes", "dataset*/*/*", 700),
    "sketch4match": Part("sketch4match/data", "*/*.jpg", 1500),
}


def pack(root: Path, to: Path) -> None:
    """Write `choosing.parquet` and `training-NN.parquet`; what is there already stays."""
    to.mkdir(parents=True, exist_ok=True)
    if any(to.glob("training-*.parquet")):
        return
    with ProcessPoolExecutor() as pool:
        judges, choosing = [], []
        for name, part in CHOOSING.items():
            found = list(_packed(pool, name, part.files(root, held=True)))
            choosing += [row for row, _ in found]
            judges += [blocks for _, blocks in found]
        for name, read in SETS.items():
            if photos := read(root):
                found = list(_packed(pool, name, [(file, None) for file in photos.files]))
                judges += [blocks for _, blocks in found]
                print(f"{name}: {len(found)} pictures that judge", file=sys.stderr)
        _write(to / "choosing.parquet", choosing)
        others, rows = np.stack(judges), []
        for name, part in TRAINING.items():
            found = list(_packed(pool, name, part.files(root)))
            if not found:
                print(f"{name}: no photographs in {root / part.place}")
                continue
            repeated = repeats(np.stack([blocks for _, blocks in found]), others)
            rows += [row for (row, _), twice in zip(found, repeated, strict=True) if not twice]
            print(f"{name}: {len(found)} photographs, {repeated.sum()} repeats", file=sys.stderr, flush=True)
    random.Random(0).shuffle(rows)
    count = -(-sum(len(picture) for picture, _, _ in rows) // FILE_BYTES)
    for number in range(count):
        _write(to / f"training-{number:02d}.parquet", rows[number::count])


Row = tuple[bytes, str, str | None]  # a picture, its set, its class


def _write(file: Path, rows: list[Row]) -> None:
    names = ("picture", "set", "class")
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), file)


def stored(file: Path) -> tuple[list[bytes], list[str], list[str | None]]:
    """What a packed file has: pictures, their sets, their classes."""
    table = pq.read_table(file)
    return table["picture"].to_pylist(), table["set"].to_pylist(), table["class"].to_pylist()


def _packed(pool: ProcessPoolExecutor, name: str, found: Found) -> Iterator[tuple[Row, Floats]]:
    """Rows of a set, and blocks of each; pictures that cannot be read are left out."""
    read = pool.map(partial(_small, name=name), found, chunksize=32)
    return (each for each in read if each is not None)


def _small(found: tuple[Source, str | None], name: str) -> tuple[Row, Floats] | None:
    source, kind = found
    data = source if isinstance(source, bytes) else source.read_bytes()
    square = squeezed(data)
    if square is None:
        return None
    sample = blocks(square[None])[0]
    if len(data) > SMALL or not data.startswith(b"\xff\xd8"):
        file = io.BytesIO()
        with Image.open(io.BytesIO(data)) as image:
            side = min(SIZE, max(image.size))
        small = Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC)
        small.save(file, "WEBP", quality=QUALITY, method=2)
        data = file.getvalue()
    return (data, name, kind), sample


def squeezed(data: bytes) -> Bytes | None:
    """A picture upright on white, squeezed to a square: uint8 (160, 160, 3); None for one that cannot be read."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.draft("RGB", (2 * SIZE, 2 * SIZE))
            image = ImageOps.exif_transpose(opened)
            if image.mode in {"P", "LA", "RGBA", "PA"}:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
            return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _flickr_classes(root: Path) -> dict[str, str]:
    listed = root / "flickr/train.csv"
    if not listed.is_file():
        return {}
    with listed.open(newline="") as file:
        return {f"{int(number):05d}.jpg": kind for number, kind, *_ in list(csv.reader(file))[1:]}


def _of_parquet(file: Path) -> Found:
    if not file.is_file():
        return []
    table = pq.read_table(file)
    return [
        (row["bytes"], str(kind))
        for row, kind in zip(table["img"].to_pylist(), table["label"].to_pylist(), strict=True)
    ]


def blocks(squares: Bytes) -> Floats:
    """Grey means of 16 × 16 blocks, of mean 0 and length 1: float32 (N, 256)."""
    side = squares.shape[1] // _BLOCKS
    grey = np.stack([square.mean(axis=2, dtype=np.float32) for square in squares])
    means = grey.reshape(len(grey), _BLOCKS, side, _BLOCKS, side).mean(axis=(2, 4)).reshape(len(grey), -1)
    means -= means.mean(axis=1, keepdims=True)
    return np.asarray(means / (np.linalg.norm(means, axis=1, keepdims=True) + 1e-6), np.float32)


def repeats(own: Floats, others: Floats) -> NDArray[np.bool_]:
    """Which pictures, by their blocks (N, 256), look like one of the `others` (M, 256), or like its mirror image."""
    mirrored = own.reshape(-1, _BLOCKS, _BLOCKS)[:, :, ::-1].reshape(len(own), -1)
    found = np.zeros(len(own), bool)
    for start in range(0, len(own), 1000):
        part = slice(start, start + 1000)
        for each in (own, mirrored):
            found[part] |= (each[part] @ others.T).max(axis=1) > ALIKE
    return found
