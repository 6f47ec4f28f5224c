"""Sets of photographs with labels, read from folders as their publishers lay them out (docs/models.md names them).

Each gives some pictures as queries and others to search, drawn by a seed. Sets that only report take no part in any
choice of the model that ships.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

QUERIES, DATABASE = 400, 2000  # pictures, at most
KINDS = {".jpg", ".jpeg", ".png", ".bmp"}
FREQUENT = 100  # pictures that a label of Corel-5k must have


@dataclass(frozen=True)
class PhotoSet:
    """Photographs and what they show: the first `queries` of them ask, the others are searched."""

    name: str
    files: list[Path]  # [N]
    labels: NDArray[np.int64] | NDArray[np.uint8]  # [N] classes, or [N, C] of 0 and 1
    queries: int
    reports: bool  # nothing is chosen on it


def drawn(name: str, files: list[Path], labels: NDArray[np.int64] | NDArray[np.uint8], reports: bool) -> PhotoSet:
    """Queries and database of a set without a division of its own, by a seed made of its name."""
    random = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    rows = random.permutation(len(files))[: QUERIES + DATABASE]
    return PhotoSet(name, [files[row] for row in rows], labels[rows], min(QUERIES, len(rows) // 4), reports)


def pictures(folder: Path, pattern: str) -> list[Path]:
    """Pictures below a folder by a pattern, in order."""
    return sorted(path for path in folder.glob(pattern) if path.suffix.lower() in KINDS)


def by_folder(name: str, folder: Path, pattern: str, *, reports: bool, without: str = "") -> PhotoSet | None:
    """The class of a picture is the folder that it lies in; None where there are no pictures."""
    files = [path for path in pictures(folder, pattern) if path.parent.name != without]
    if not files:
        return None
    classes = np.unique([path.parent.name for path in files], return_inverse=True)[1].astype(np.int64)
    return drawn(name, files, classes, reports)


def corel5k(root: Path) -> PhotoSet | None:
    """Corel-5k's test pictures ask, its training pictures are searched; labels that 100 pictures or more have."""
    files, words = [], []
    for part, listed in (("test", "test_label"), ("train", "training_label")):
        if not (root / "corel5k/labels" / listed).is_file():
            return None
        found = {path.stem: path for path in pictures(root / "corel5k/db" / part, "*")}
        rows = [line.split() for line in (root / "corel5k/labels" / listed).read_text().splitlines()]
        rows = [row for row in rows if row and row[0] in found]
        random = np.random.Generator(np.random.PCG64(zlib.crc32(part.encode())))
        for i in random.permutation(len(rows))[: QUERIES if part == "test" else DATABASE]:
            files.append(found[rows[i][0]])
            words.append([int(word) for word in rows[i][1:]])
    labels = np.zeros((len(files), 1 + max(map(max, words))), np.uint8)
    for row, places in enumerate(words):
        labels[row, places] = 1
    share = len(files) / 4999
    return PhotoSet("Corel-5k", files, labels[:, labels.sum(axis=0) >= FREQUENT * share], QUERIES, True)


def _folder(name: str, place: str, pattern: str, reports: bool, without: str = "") -> Callable[[Path], PhotoSet | None]:
    return lambda root: by_folder(name, root / place, pattern, reports=reports, without=without)


SETS: dict[str, Callable[[Path], PhotoSet | None]] = {
    "Imagenette": _folder("Imagenette", "imagenette/val", "*/*", False),
    "Imagewoof": _folder("Imagewoof", "imagewoof/val", "*/*", False),
    "Caltech-101": _folder("Caltech-101", "caltech101/101_ObjectCategories", "*/*", True, "BACKGROUND_Google"),
    "PACS photo": _folder("PACS photo", "pacs/PACS/photo", "*/*", True),
    "PACS art": _folder("PACS art", "pacs/PACS/art_painting", "*/*", True),
    "PACS cartoon": _folder("PACS cartoon", "pacs/PACS/cartoon", "*/*", True),
    "PACS sketch": _folder("PACS sketch", "pacs/PACS/sketch", "*/*", True),
    "Corel-5k": corel5k,
    "Corel-1k": _folder("Corel-1k", "corel1k/dataset", "*/*", True),
    "IKEA": _folder("IKEA", "ikea/images", "**/*", True),
    "Style transfer": _folder("Style transfer", "texture/stimuli/style-transfer-preprocessed-512", "*/*", True),
}
"""By the name that tables give them; the folder of each lies in the root that the program is given."""

OTHERS = (
    ("imagenette/train", "*/*"),
    ("imagewoof/train", "*/*"),
    ("flickr/train", "*"),
    ("rsicd/train", "*"),
    ("intel", "**/train/*/*"),
    ("instruments/train", "*/*"),
    ("houses", "**/*"),
    ("cub/images", "*/*"),
    ("trashnet/dataset-resized", "*/*"),
    ("food", "**/*"),
)
"""Where photographs of other kinds lie, which nothing is measured on: heads that were fitted elsewhere saw these."""


def other_photographs(root: Path, each: int = 400) -> list[Path]:
    """Some of each of `OTHERS`, drawn by a seed."""
    random = np.random.Generator(np.random.PCG64(0))
    found = []
    for place, pattern in OTHERS:
        files = pictures(root / place, pattern)
        found += [files[row] for row in random.permutation(len(files))[:each]]
    return found
