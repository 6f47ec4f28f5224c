"""Embeddings of packed photographs by a model, and of a view of every third: what hash layers learn from.

They are computed on all processor cores, a packed file at a time, and kept in a folder for the next program.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import transhash
from benchmarks.photographs.box import pictures, squares
from benchmarks.photographs.box.codes import Seen
from benchmarks.photographs.box.judging import Kept
from benchmarks.photographs.box.views import view
from transhash.model import HashModel
from transhash.model.directory import EMBEDDING
from transhash.system import processors

FILES = 5  # packed files that are read; three gave codes that are as good
EVERY = 3  # photographs have one view
_PART = 100 * EVERY  # photographs that a process reads at a time
_BATCH = 64


def training(packed: Path, work: Path, model: HashModel, files: int = FILES) -> Seen:
    """Training photographs of some of a folder's packed files; `work` keeps embeddings, for each kind of them."""
    work /= model.config["sha256"][EMBEDDING][:16]
    work.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    kinds: list[str | None] = []
    found = []
    with ProcessPoolExecutor(processors()) as pool:
        for file in sorted(packed.glob("training-*.parquet"))[:files]:
            data, sets, classes = pictures.stored(file)
            found.append(_kept(work / f"{file.stem}.npz", pool, model, data))
            names += sets
            kinds += classes
    photographs, views = (np.concatenate(part) for part in zip(*found, strict=True))
    starts = np.cumsum([0, *(len(part) for part, _ in found[:-1])])
    shown = np.concatenate(
        [start + EVERY * np.arange(len(part)) for start, (_, part) in zip(starts, found, strict=True)]
    )
    return Seen(photographs, views, shown, *squares.numbered(names, kinds))


def choosing(packed: Path, model: HashModel) -> Kept:
    """The sets that choose."""
    return {
        name: (_of(model, squares.small(torch.from_numpy(whole))), classes)
        for name, (whole, classes) in squares.choosing(packed).items()
    }


def _kept(
    file: Path, pool: ProcessPoolExecutor, model: HashModel, data: list[bytes]
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Embeddings of photographs (N, V), and of views of every third, of a file or computed and kept in it."""
    if not file.is_file():
        parts = [(start, data[start : start + _PART]) for start in range(0, len(data), _PART)]
        photographs, views = zip(*pool.map(partial(_read, model.folder), parts), strict=True)
        partial_file = file.with_suffix(".part.npz")
        np.savez(partial_file, photographs=np.concatenate(photographs), views=np.concatenate(views))
        partial_file.rename(file)
    with np.load(file) as kept:
        return kept["photographs"], kept["views"]


def _read(folder: Path, part: tuple[int, list[bytes]]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    torch.set_num_threads(1)  # of each process, that there are as many of as cores
    start, data = part
    whole = np.stack([square for each in data if (square := pictures.squeezed(each)) is not None])  # all can be read
    views = [view(whole[row], np.random.default_rng(start + row)) for row in range(0, len(whole), EVERY)]
    model = transhash.load(folder)
    return _of(model, squares.small(torch.from_numpy(whole))), _of(model, np.stack(views))


def _of(model: HashModel, read: NDArray[np.uint8]) -> NDArray[np.int8]:
    parts = [model.read_embeddings(read[start : start + _BATCH])[1] for start in range(0, len(read), _BATCH)]
    return np.concatenate(parts)
