"""A small library that embeddings order, and its embeddings as another process has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fittable_model import FittableModel
from kinds import LIKENESS, draw
from transhash import Library
from transhash.library.embedding_index import EmbeddingIndex, Held
from transhash.library.opening import EMBEDDINGS
from transhash.library.ordering import Ordering

COUNT = 40  # pictures


def ordered_library(folder: Path) -> Library:
    """A library of pictures in a folder beside it, that embeddings order."""
    draw(folder / "pictures", COUNT)
    model = FittableModel()
    model.likeness = LIKENESS
    library = Library.create(folder / "library", model)
    library.index(folder / "pictures")
    return library


def with_a_file(library: Library, monkeypatch: pytest.MonkeyPatch) -> Library:
    """The same, whose embeddings are many enough to be mapped from a file, which is there."""
    monkeypatch.setattr("transhash.library.embedding_index.MAPPED", COUNT - 10)
    library.searching.settle()
    assert (library.path / EMBEDDINGS).exists()
    return library


def draw_more(library: Library, count: int) -> None:
    """Index more pictures."""
    draw(library.path.parent / "pictures", count, seed=count)
    library.index(library.path.parent / "pictures")


def index_of(library: Library) -> EmbeddingIndex:
    """As another process has it."""
    return EmbeddingIndex(library.bits, library.path / EMBEDDINGS)


def present(index: EmbeddingIndex, library: Library) -> Held | None:
    """What it holds now."""
    return index.refresh(source(library), COUNT)


def source(library: Library) -> Ordering:
    """What orders its pictures now."""
    return library.searching.ordering(library.searching.own.layers)


def load(index: EmbeddingIndex, library: Library) -> None:
    """Hold the embeddings of a small library, too."""
    index.load(source(library))
