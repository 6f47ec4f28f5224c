"""Packed photographs as squares and views in memory, and cuts of them: what a network learns from.

Each packed file is decoded once, on all processor cores, and each of its photographs gets one view (`views.py`). What
was decoded stays in a folder, so that the next program reads it.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.photographs.box import pictures
from benchmarks.photographs.box.views import SIZE, view

CUTS = 3  # of each photograph: the first is all of it, the others are parts
WHOLE = 0.4  # share of cuts in learning that are the first
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Squares:
    """N photographs, on the device that learns."""

    whole: Tensor  # uint8 (N, 160, 160, 3)
    views: Tensor  # uint8 (N, 140, 140, 3), one of each
    boxes: Tensor  # (N, CUTS, 4), the cuts: left, top, width, height, as shares of the square
    sets: NDArray[np.int64]  # [N]
    classes: NDArray[np.int64]  # [N], -1 for none


def decoded(file: Path, work: Path) -> tuple[Bytes, Bytes]:
    """A packed file's squares (N, 160, 160, 3), and a view of each (N, 140, 140, 3), kept in a folder."""
    kept = [work / f"{file.stem}.{part}.npy" for part in ("squares", "views")]
    if not kept[1].is_file():
        work.mkdir(parents=True, exist_ok=True)
        data = pictures.stored(file)[0]
        with ProcessPoolExecutor() as pool:
            made = list(pool.map(_decoded, data, range(len(data)), chunksize=64))
        for path, arrays in zip(kept, zip(*made, strict=True), strict=True):
            partial = path.with_suffix(".part")
            with partial.open("wb") as out:
                np.save(out, np.stack(arrays))
            partial.rename(path)
    return np.load(kept[0], mmap_mode="r"), np.load(kept[1], mmap_mode="r")


def _decoded(data: bytes, seed: int) -> tuple[Bytes, Bytes]:
    square = pictures.squeezed(data)
    assert square is not None  # packed pictures can be read
    return square, view(square, np.random.default_rng(seed))


def training(packed: Path, work: Path, device: torch.device) -> Squares:
    """All training photographs of a folder of packed files."""
    names: list[str] = []
    kinds: list[str | None] = []
    whole: list[Tensor] = []
    views: list[Tensor] = []
    for file in sorted(packed.glob("training-*.parquet")):
        _, sets, classes = pictures.stored(file)
        names += sets
        kinds += classes
        for parts, part in zip((whole, views), decoded(file, work), strict=True):
            parts.append(torch.from_numpy(np.array(part)).to(device))
    boxes = torch.from_numpy(drawn(len(names) * CUTS, 0.3, np.random.default_rng(0))).view(-1, CUTS, 4)
    boxes[:, 0] = torch.tensor([0.0, 0.0, 1.0, 1.0])
    return Squares(torch.cat(whole), torch.cat(views), boxes.to(device), *numbered(names, kinds))


def numbered(names: list[str], kinds: list[str | None]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sets of photographs, and their classes, as numbers; classes of two sets are two, -1 is none."""
    classes = np.unique([f"{name}/{kind}" for name, kind in zip(names, kinds, strict=True)], return_inverse=True)[1]
    classes[[kind is None for kind in kinds]] = -1
    return np.unique(names, return_inverse=True)[1].astype(np.int64), classes.astype(np.int64)


def choosing(packed: Path) -> dict[str, tuple[Bytes, NDArray[np.int64]]]:
    """The sets that choose: squares (N, 160, 160, 3) and classes (N,), by name."""
    data, names, kinds = pictures.stored(packed / "choosing.parquet")
    found = {}
    for name in dict.fromkeys(names):
        rows = [row for row, each in enumerate(names) if each == name]
        squares = [square for row in rows if (square := pictures.squeezed(data[row])) is not None]
        classes = np.unique([str(kinds[row]) for row in rows], return_inverse=True)[1]
        found[name] = (np.stack(squares), classes.astype(np.int64))
    return found


def drawn(count: int, least: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Rectangles of at least a share of a square: (N, 4), left, top, width and height."""
    area, aspect = random.uniform(least, 1, count), np.exp(random.uniform(-0.25, 0.25, count))
    size = np.minimum(1, np.sqrt(np.stack([area * aspect, area / aspect], axis=1)))
    return np.concatenate([random.uniform(size=(count, 2)) * (1 - size), size], axis=1).astype(np.float32)


def cut(squares: Tensor, boxes: Tensor, size: int, mirrored: Tensor | None = None) -> Tensor:
    """Rectangles (N, 4) of squares uint8 (N, S, S, 3), some of them mirrored: float32 (N, 3, size, size) in 0 … 255."""
    across, centre = boxes[:, 2:], 2 * boxes[:, :2] + boxes[:, 2:] - 1
    place = torch.zeros(len(boxes), 2, 3, device=boxes.device)
    sign = torch.ones(len(boxes), device=boxes.device) if mirrored is None else 1 - 2 * mirrored.float()
    place[:, 0, 0], place[:, 1, 1], place[:, :, 2] = across[:, 0] * sign, across[:, 1], centre
    grid = functional.affine_grid(place, [len(boxes), 3, size, size], align_corners=False)
    images = squares.permute(0, 3, 1, 2).float()
    found: Tensor = functional.grid_sample(images, grid, "bilinear", "border", align_corners=False)
    return found


def small(squares: Tensor) -> Bytes:
    """Squares uint8 (N, 160, 160, 3) as the network reads them: (N, 140, 140, 3)."""
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(len(squares), 4)
    found: Bytes = cut(squares, boxes, SIZE).round().byte().permute(0, 2, 3, 1).numpy()
    return found


def light(count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Of each picture how much colour, contrast and light: (3, N); for half of them 1, and a tenth has no colour."""
    some = random.random(count) < 0.5
    colour = np.where(some, random.uniform(0.3, 1.7, count), 1) * (random.random(count) >= 0.1)
    contrast, bright = (np.where(some, random.uniform(0.7, 1.35, count), 1) for _ in range(2))
    return np.stack([colour, contrast, bright]).astype(np.float32)


def lit(images: Tensor, light: Tensor) -> Tensor:
    """Pictures (N, 3, S, S) in another light, (3, N)."""
    colour, contrast, bright = light[:, :, None, None, None]
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * colour
    level = images.mean((1, 2, 3), keepdim=True)
    found: Tensor = ((level + (images - level) * contrast) * bright).clamp(0, 255)
    return found
