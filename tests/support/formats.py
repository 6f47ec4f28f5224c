"""Files of today's formats, kept in the repository so that later versions go on opening them.

    PYTHONPATH=src:.:tests/support python tests/support/formats.py tests/formats/0.1

Written once for each version that changes a format, and never written again.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.library.kill import make_model
from collection import draw
from fake_model import FakeModel
from transhash import HammingIndex, Library
from transhash.model import HashModel


def codes() -> np.ndarray:
    """Of the index: uint8 (200, 8)."""
    return np.random.default_rng(0).integers(0, 256, (200, 8), np.uint8)


def pictures() -> list[np.ndarray]:
    """What the model encodes."""
    return list(np.random.default_rng(1).integers(0, 256, (4, 40, 40, 3), np.uint8))


def write(folder: Path) -> None:
    """Write a library with own columns, an index and a model, and what they answer."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        for number in range(6):
            draw(Path(place) / f"{number}.png", number)
        with Library.create(Path(place) / "library", FakeModel()) as library:
            library.index(place)
            library.annotate({f"{number}.png": {"label": f"name {number}", "rating": number} for number in range(6)})
            ids = library.passing().tolist()
            found = {each.path.name: each.columns for each in library.pictures(ids).values()}
            kept = library.codes().reconstruct(np.array(ids)).tolist()
        with closing(sqlite3.connect(Path(place) / "library" / "catalogue.sqlite")) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (folder / "library").mkdir()
        for name in ("catalogue.sqlite", "codes.hamming"):
            shutil.copy(Path(place) / "library" / name, folder / "library" / name)
    index = HammingIndex(64)
    index.add(codes(), np.arange(1000, 1200))
    index.remove(np.arange(1000, 1010))
    index.save(folder / "index.hamming")
    make_model(folder / "model")
    model = HashModel(folder / "model")
    distances, near = index.search(codes()[:3], 4)
    answers = {
        "columns": found,
        "codes": kept,
        "distances": distances.tolist(),
        "ids": near.tolist(),
        "fingerprint": model.fingerprint,
        "encoded": model.encode(pictures()).tolist(),
    }
    (folder / "answers.json").write_text(json.dumps(answers, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
