"""Columns and pictures that another process changes while rows are imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fake_model import FakeModel
from transhash import Library
from transhash.errors import DataError
from transhash.library.exchange.annotation import Annotation

CHECKED, IMPORTED = 3, 4  # how often rows are read until then


class Rows:
    """Rows for an import, and what another process does when one of them is read for a given time."""

    def __init__(self, rows: list[dict[str, Any]], then: Callable[[Library], object], at: int = IMPORTED) -> None:
        self.rows, self.then, self.at, self.times = rows, then, at, 0

    def into(self, library: Library) -> int:
        def read() -> Iterator[dict[str, Any]]:
            self.times += 1
            for number, row in enumerate(self.rows):
                yield row
                if (self.times, number) == (self.at, 0):
                    with Library.open(library.path, FakeModel()) as other:
                        self.then(other)

        return Annotation(library.catalogue, library.places, "path", None).run(read, written=False).matched


@pytest.fixture(autouse=True)
def two_rows_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transhash.library.exchange.annotation.BATCH", 2)


def rows(value: object, column: str = "score") -> list[dict[str, Any]]:
    return [{"path": f"{kind}-{number}.png", column: value} for kind in ("cat", "dog") for number in range(3)]


def values(library: Library) -> dict[str, Any]:
    """Own columns by the names of the pictures, of a library that is sound."""
    assert library.verify().problems == []
    found = library.pictures(library.passing())
    return {each.path.name: each.columns for each in found.values() if each.columns}


def test_a_column_that_is_made_meanwhile_with_another_kind(filled: Library) -> None:
    numbers = rows(7)
    texts = Rows(rows("good"), lambda other: other.annotate(numbers), CHECKED)
    with pytest.raises(DataError, match=r"column 'score': expected a number, as another process .* found a text; "):
        texts.into(filled)
    assert values(filled) == {row["path"]: {"score": 7} for row in numbers}


def test_a_column_that_is_made_meanwhile_with_the_same_kind(filled: Library) -> None:
    assert Rows(rows(8), lambda other: other.annotate(rows(7)), CHECKED).into(filled) == 6
    assert values(filled) == {row["path"]: {"score": 8} for row in rows(7)}


def drop_and_make(column: str, value: object) -> Callable[[Library], object]:
    """Another column gets the id of the one that is dropped."""

    def change(other: Library) -> None:
        other.drop_column("score")
        other.annotate([{"path": "dog-2.png", column: value}])

    return change


@pytest.mark.parametrize(
    ("then", "said", "left"),
    [
        (lambda other: other.drop_column("score"), "removed it meanwhile; if", {}),
        (drop_and_make("rating", 5), "removed it meanwhile; if", {"dog-2.png": {"rating": 5}}),
        (drop_and_make("label", "x"), "removed it meanwhile; if", {"dog-2.png": {"label": "x"}}),
        (drop_and_make("Score", 5), "expected a number", {"dog-2.png": {"Score": 5}}),
    ],
)
def test_a_column_that_is_removed_meanwhile(
    filled: Library, then: Callable[[Library], object], said: str, left: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match=f"column '[sS]core': .*{said}"):
        Rows(rows("good"), then).into(filled)
    assert values(filled) == left


def test_a_picture_that_is_forgotten_meanwhile_is_not_matched(filled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, times = filled.catalogue.writing, 0

    def later(**patience: bool) -> Any:
        nonlocal times
        times += 1
        if times == 2:  # the column is there, and the pictures were looked up
            with Library.open(filled.path, FakeModel()) as other:
                assert other.remove(other.passing("name = 'cat-1.png'").tolist()) == 1
        return writing(**patience)

    monkeypatch.setattr(filled.catalogue, "writing", later)
    assert Rows(rows("good"), lambda other: None).into(filled) == 5
    assert set(values(filled)) == {row["path"] for row in rows("good")} - {"cat-1.png"}


def test_columns_of_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transhash.library.vectors.PAGE", 10)
    vectors = np.random.default_rng(1).standard_normal((30, 16)).astype(np.float32)
    with Library.create(tmp_path / "library", vectors=vectors) as library:

        def say(*_: object) -> None:
            with Library.open(library.path) as other:
                if "label" in other.info().columns:
                    other.drop_column("label")
                    other.annotate([{"path": "29", "rating": 5}])

        with pytest.raises(DataError, match="column 'label': another process has removed it meanwhile"):
            library.vectors.add(vectors, columns={"label": ["x"] * 30}, progress=say)
        assert values(library) == {"29": {"rating": 5}}


def test_columns_of_an_exported_library(filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transhash.library.exchange.parquet.BATCH", 4)
    filled.annotate(rows("good"))
    filled.export(tmp_path / "all.parquet")
    filled.drop_column("score")

    def say(*_: object) -> None:
        if "score" in filled.info().columns:
            filled.drop_column("score")
            filled.annotate([{"path": "dog-2.png", "rating": 5}])

    with pytest.raises(DataError, match="column 'score': another process has removed it meanwhile"):
        Library.import_(tmp_path / "all.parquet", filled.path, FakeModel(), progress=say)
    assert values(filled) == {"dog-2.png": {"rating": 5}}
