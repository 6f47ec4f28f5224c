"""The photographs that the model in the box learns from: which, packed as small squares, without repeats.

Each set is a folder as its publisher lays it out (docs/models.md names them). A picture is squeezed to a square of 192
pixels. A training picture that looks like one of the sets that choose or report, or like its mirror image, is left out.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.photographs.sets import pictures

SIZE = 192  # pixels, of a packed picture
ALIKE = 0.97  # correlation of two pictures of 16 × 16 grey blocks, above which one is a repeat of the other
_BLOCKS = 16

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def _folder(path: Path) -> str | None:
    return path.parent.name


def _unknown(_: Path) -> str | None:
    return None


def _before(path: Path) -> str | None:
    return path.stem.rsplit("_", 1)[0].lower() if "_" in path.stem else None


def _after(path: Path) -> str | None:
    return path.stem.rsplit("_", 1)[-1]


@dataclass(frozen=True)
class Part:
    """Some photographs of a set."""

    place: str
    pattern: str
    most: int
    class_of: Callable[[Path], str | None] = _folder
    every: int = 0  # of the classes in order every so many'th is held out of training; 0: none

    def files(self, root: Path, *, held: bool = False) -> list[tuple[Path, str | None]]:
        """The photographs and their classes, drawn by a seed; of a set with held out classes these, or all others."""
        found = [(path, self.class_of(path)) for path in pictures(root / self.place, self.pattern)]
        if self.every:
            classes = sorted({kind for _, kind in found if kind})
            out = set(classes[:: self.every])
            found = [(path, kind) for path, kind in found if (kind in out) == held]
        random.Random(0).shuffle(found)
        return found[: self.most]


@dataclass(frozen=True)
class PhotoPart:
    """A training set as it was packed."""

    name: str
    squares: Bytes  # [N, 192, 192, 3]
    classes: list[str | None]  # [N]
    used: NDArray[np.int64]  # those of it that are no repeats


TRAINING = {
    "imagenette": Part("imagenette", "**/train/*/*", 3500),
    "imagewoof": Part("imagewoof", "**/train/*/*", 4000),
    "flickr": Part("flickr", "train/*", 7000, _unknown),  # its classes are in train.csv
    "mini": Part("miniimagenet", "**/*.jpg", 9000, every=5),
    "cub": Part("cub/images", "*/*", 3500, every=4),
    "instruments": Part("instruments/train", "*/*", 3500),
    "cars": Part("cars/cars_train", "**/*.jpg", 3000, _unknown),
    "rsicd": Part("rsicd", "*/*.jpg", 3500, _before, every=4),
    "intel": Part("intel", "**/train/*/*", 2500),
    "houses": Part("houses", "**/*.jpg", 2140, _after),
    "animals": Part("animals", "*/*", 998),
    "trashnet": Part("trashnet/dataset-resized", "*/*", 1263),
    "dtd": Part("dtd/images", "*/*", 600),
    "voc": Part("voc/JPEGImages", "*", 953, _unknown),
    "birds": Part("birds/valid", "*/*", 1312),
    "food": Part("food", "**/*.jpg", 2000),
    "samples": Part("samples1000", "*", 500, _unknown),
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


def squeezed(source: Path | io.BytesIO) -> Bytes | None:
    """A picture upright on white, squeezed to a square: uint8 (192, 192, 3); None for one that cannot be read."""
    try:
        with Image.open(source) as opened:
            opened.draft("RGB", (2 * SIZE, 2 * SIZE))
            image = ImageOps.exif_transpose(opened)
            if image.mode in {"P", "LA", "RGBA", "PA"}:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
            return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def flickr_classes(root: Path) -> dict[str, str]:
    """The class of each file of the Flickr photographs, by its name."""
    with (root / "flickr/train.csv").open(newline="") as file:
        return {f"{int(number):05d}.jpg": kind for number, kind, *_ in list(csv.reader(file))[1:]}


def packed(folder: Path, name: str, files: list[tuple[Path, str | None]]) -> tuple[Bytes, list[str | None]]:
    """Squares of a set and their classes, read once and kept in a folder."""
    pixels, kinds = folder / f"{name}.npy", folder / f"{name}.json"
    if not kinds.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        read = [(square, kind) for path, kind in files if (square := squeezed(path)) is not None]
        np.save(pixels, np.stack([square for square, _ in read]))
        kinds.write_text(json.dumps([kind for _, kind in read]))
    return np.load(pixels, mmap_mode="r"), json.loads(kinds.read_text())


def blocks(squares: Bytes) -> Floats:
    """Grey means of 16 × 16 blocks, of mean 0 and length 1: float32 (N, 256)."""
    side = squares.shape[1] // _BLOCKS
    grey = np.stack([square.mean(axis=2, dtype=np.float32) for square in squares])
    means = grey.reshape(len(grey), _BLOCKS, side, _BLOCKS, side).mean(axis=(2, 4)).reshape(len(grey), -1)
    means -= means.mean(axis=1, keepdims=True)
    return np.asarray(means / (np.linalg.norm(means, axis=1, keepdims=True) + 1e-6), np.float32)


def repeats(squares: Bytes, others: Floats) -> NDArray[np.bool_]:
    """Which squares look like one of the `others`, blocks of pictures (M, 256), or like its mirror image."""
    own = blocks(squares)
    mirrored = own.reshape(-1, _BLOCKS, _BLOCKS)[:, :, ::-1].reshape(len(own), -1)
    found = np.zeros(len(own), bool)
    for start in range(0, len(own), 1000):
        part = slice(start, start + 1000)
        for each in (own, mirrored):
            found[part] |= (each[part] @ others.T).max(axis=1) > ALIKE
    return found


def training(root: Path, work: Path, others: Floats) -> Iterator[PhotoPart]:
    """Each training set that is there, without repeats of the `others`, blocks of pictures that judge."""
    for name, part in TRAINING.items():
        files = part.files(root)
        if not files:
            print(f"{name}: no photographs in {root / part.place}")
            continue
        if name == "flickr":
            known = flickr_classes(root)
            files = [(path, known.get(path.name)) for path, _ in files]
        squares, kinds = packed(work / "training", name, files)
        yield PhotoPart(name, squares, kinds, np.flatnonzero(~repeats(squares, others)))
