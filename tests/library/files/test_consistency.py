"""Verifying embeddings, hash layers, and codes that are made of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fittable_model import FittableModel
from kinds import draw
from layered import stale
from transhash import Library
from transhash.library import embedding_index
from transhash.library.catalogue.database import CATALOGUE
from transhash.library.results import Verification

COUNT = 70


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A fitted library."""
    draw(tmp_path / "pictures", COUNT)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures")
        library.fit()
    return tmp_path / "library"


@pytest.fixture
def library(place: Path) -> Iterator[Library]:
    with Library.open(place, FittableModel()) as library:  # type: ignore[arg-type]
        yield library


def change(place: Path, sql: str) -> None:
    with sqlite3.connect(place / CATALOGUE) as database:
        database.execute(sql)
    database.close()


def what(result: Verification) -> list[str]:
    assert all(problem.remedy for problem in result.problems)
    return [problem.what for problem in result.problems]


def test_stale_codes_are_written_again_and_named(library: Library) -> None:
    change(library.path, "UPDATE picture SET code = x'0011223344556677' WHERE id IN (7, 9)")
    path = library.pictures([7])[7].path
    result = library.verify()
    assert what(result) == []
    (said,) = (line for line in result.mended if "embeddings" in line)
    assert said.startswith(
        f"2 pictures had codes that their embeddings do not give, and have these now, among them {path}"
    )
    assert stale(library) == 0
    assert library.search(path, k=1)[0].distance == 0
    assert library.verify() == Verification(pictures=COUNT)


def test_stale_codes_of_a_library_that_cannot_be_written_are_a_problem(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(library.path, "UPDATE picture SET code = x'0011223344556677' WHERE id = 7")
    monkeypatch.setattr(library.catalogue, "writing", lambda: library.catalogue.database.transaction("IMMEDIATE"))
    library.catalogue.database.execute("PRAGMA query_only = ON")
    (problem, *_) = what(library.verify())
    assert problem.startswith("pictures have codes that their embeddings do not give, and nothing can be written")
    assert stale(library) == 1


def test_codes_of_vectors_are_compared_too(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).standard_normal((40, 16)).astype(np.float32)
    with Library.create(tmp_path / "library", vectors=vectors) as library:
        assert library.verify() == Verification(pictures=40)
        library.catalogue.database.execute("UPDATE picture SET code = x'0011' WHERE id = 7")
        assert library.verify().mended[0].startswith("1 pictures had codes that their embeddings do not give")
        assert library.search(vectors[6], k=1)[0].distance == 0


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("DELETE FROM embedding WHERE picture < 4", "3 pictures have no embedding, as others have"),
        ("DELETE FROM embedding", "70 pictures have no embedding, as others have"),
        ("UPDATE embedding SET kept = 'abc' WHERE picture = 7", "1 pictures have embeddings of another length"),
        ("UPDATE embedding SET kept = x'00' WHERE picture = 1", "1 pictures have embeddings of another length"),
        ("UPDATE embedding SET kept = x'00'", "the embeddings have 1 values, and the fitted hash layers read 64"),
        ("UPDATE hash_layers SET head = zeroblob(length(head))", "the fitted hash layers are not those"),
        ("UPDATE hash_layers SET head = x'00'", "the fitted hash layers are not those"),
        ("UPDATE hash_layers SET base = '0'", "the fitted hash layers are not those"),
        ("UPDATE library SET fingerprint = '0'", "the fitted hash layers are not those"),
    ],
)
def test_damage_is_named(place: Path, sql: str, expected: str) -> None:
    with Library.open(place, FittableModel()) as library:  # type: ignore[arg-type]
        library.search(place.parent / "pictures" / "0-0000.png")
        change(place, sql)
        for deep in (False, True):
            (problem,) = what(library.verify(deep=deep))
            assert problem.startswith(expected)


def test_embeddings_that_are_not_those_of_the_files_are_found(library: Library) -> None:
    change(library.path, "UPDATE embedding SET kept = zeroblob(64) WHERE picture IN (3, 4)")
    (problem,) = what(library.verify(deep=True))
    assert problem.startswith("2 files are encoded to other embeddings than the library has: ")


def test_an_embedding_of_another_length_in_a_large_library_is_no_traceback(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_index, "MAPPED", 8)
    library.searching.settle()
    assert library.searching.embedding_index.file.exists()
    change(library.path, "UPDATE embedding SET kept = x'00' WHERE picture = 7")
    misfit = library.searching.embedding_index.misfit(library.searching.ordering(library.searching.own.layers))
    assert misfit == "its embeddings are of another length"
    assert what(library.verify()) == ["1 pictures have embeddings of another length"]
