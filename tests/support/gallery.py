"""Forty pictures in two folders, that a server shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from collection import draw
from serving import Running
from transhash import Library


@dataclass(frozen=True)
class Gallery:
    """Where they are, for the tests of a file that only look at them."""

    photos: Path
    library: Library
    server: Running


def forty(folder: Path) -> Path:
    """Draw them in a folder."""
    for i in range(20):
        draw(folder / "cat" / f"cat-{i:02d}.png", i, 24 + i)
        draw(folder / "dog" / f"dog-{i:02d}.png", 100 + i)
    return folder


def fill(library: Library, photos: Path) -> None:
    """Index them, with a label each for half of them."""
    library.index(photos)
    library.annotate({f"cat/cat-{i:02d}.png": {"label": f"kind {i % 3}", "stars": i} for i in range(20)})
