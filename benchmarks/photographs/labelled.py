"""Photographs with classes that no shipped model learned from and that nothing reports, as a model reads them."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.photographs.box.pictures import CHOOSING, Found, training
from transhash.model import HashModel

MOST = 1200  # photographs of a set


@dataclass(frozen=True)
class Labelled:
    """What a model says of the photographs of a set, and their classes."""

    kept: NDArray[np.int8]  # [N, V], embeddings
    values: NDArray[np.float32]  # [N, B], relaxed codes of all lengths
    classes: NDArray[np.int64]  # [N]


def unseen(root: Path) -> dict[str, Found]:
    """The sets of `box/more.csv` that are there and have classes."""
    known, found = training(), {}
    for name, part in training(more=True).items():
        if name not in known and part.classes != "none":
            found[name] = part.files(root)[:MOST]
    return {name: files for name, files in found.items() if len({kind for _, kind in files}) > 1}


def choosing(root: Path) -> dict[str, Found]:
    """The sets that choose the model in the box, as far as they are there."""
    found = {name: part.files(root, held=True) for name, part in CHOOSING.items()}
    return {name: files for name, files in found.items() if files}


def read(model: HashModel, name: str, found: Found, cache: Path) -> Labelled:
    """Photographs as a model reads them, kept in the cache; those that cannot be read are left out."""
    files = [source for source, _ in found]
    classes = np.unique([str(kind) for _, kind in found], return_inverse=True)[1].astype(np.int64)
    digest = hashlib.sha256("\n".join([model.fingerprint, *map(str, files)]).encode()).hexdigest()
    path = cache / f"{digest[:32]}.npz"
    if not path.is_file():
        print(f"{name}: {len(files):,} photographs", file=sys.stderr, flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        whole = [one for batch in model.stream(files) for one in batch]
        good = [place for place, one in enumerate(whole) if one.error is None]
        values = np.stack([one.all_values for one in whole if one.all_values is not None])
        kept = np.stack([one.embedding for one in whole if one.embedding is not None])
        np.savez(path, kept=kept, values=values, good=good)
    with np.load(path) as stored:
        return Labelled(stored["kept"], stored["values"], classes[stored["good"]])
