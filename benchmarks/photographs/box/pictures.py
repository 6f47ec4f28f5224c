"""The photographs that the model in the box learns from: which, packed small, without repeats of those that judge.

Each set is a folder as its publisher lays it out, or with a folder for each class (`training.csv` and `more.csv` list
them). A picture is squeezed to a square of 160 pixels, or of fewer where it has fewer; a small JPEG file stays as it
is. A training picture that looks like one of the sets that choose or report, or like its mirror image, is left out.
Packed pictures are Parquet files of at most 52 MiB, so that they can be carried to another machine, with every set in
each of them.
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

# Sets that teach, and the repositories that have them: those that the model that ships learned from, and others
LISTED, MORE = (Path(__file__).parent / name for name in ("training.csv", "more.csv"))
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


UNKNOWN = {"_all", "_unlabelled", "_distractor"}  # folders of pictures without a class
CLASSES: dict[str, Callable[[Path], str | None]] = {
    "folder": lambda path: None if path.parent.name in UNKNOWN else path.parent.name,
    "none": lambda _: None,
    "before _": lambda path: path.stem.rsplit("_", 1)[0].lower() if "_" in path.stem else None,
    "after _": lambda path: path.stem.rsplit("_", 1)[-1],
    "first _": lambda path: path.stem.partition("_")[0],
}  # where the class of a picture is written


@dataclass(frozen=True)
class Part:
    """Some photographs of a set."""

    place: str
    pattern: str
    most: int
    classes: str = "folder"  # one of `CLASSES`
    every: int = 0  # of the classes in order every so many'th is held out of training; 0: none

    def files(self, root: Path, *, held: bool = False) -> Found:
        """The photographs and their classes, drawn by a seed; of a set with held out classes these, or all others."""
        if self.pattern.endswith(".parquet"):
            found = _of_parquet(root / self.place / self.pattern)
        else:
            known = _flickr_classes(root) if self.place == "flickr" else {}
            paths = pictures(root / self.place, self.pattern)
            found = [(path, known.get(path.name) or CLASSES[self.classes](path)) for path in paths]
        if self.every:
            classes = sorted({kind for _, kind in found if kind})
            out = set(classes[:: self.every])
            found = [(source, kind) for source, kind in found if (kind in out) == held]
        random.Random(0).shuffle(found)
        return found[: self.most]


CHOOSING = {
    "imagenette": Part("imagenette", "**/val/*/*", 1000),
    "imagewoof": Part("imagewoof", "**/val/*/*", 1000),
    "mini": Part("miniimagenet", "**/*.jpg", 1500, every=5),
    "cub": Part("cub/images", "*/*", 1000, every=4),
    "rsicd": Part("rsicd", "*/*.jpg", 1000, "before _", every=4),
    "bikes": Part("bikes", "dataset*/*/*", 700),
    "sketch4match": Part("sketch4match/data", "*/*.jpg", 1500),
}


def training(*, more: bool = False) -> dict[str, Part]:
    """The sets that teach, by name."""
    found = {}
    for listed in (LISTED, MORE) if more else (LISTED,):
        with listed.open(newline="") as file:
            for row in csv.DictReader(file):
                most, every = int(row["most"]), int(row["held"] or 0)
                found[row["set"]] = Part(row["place"], row["pattern"], most, row["classes"], every)
    return found


def pack(root: Path, to: Path, *, more: bool = False) -> None:
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
        for name, part in training(more=more).items():
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
