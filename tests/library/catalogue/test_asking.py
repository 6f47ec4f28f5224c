"""Queries of any size, and users' own columns by name: what all of a catalogue's tables ask with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from damages import DAMAGES
from transhash.errors import LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import ASKED_AT_ONCE, Facts
from transhash.library.catalogue.kinds import Kind
from transhash.library.catalogue.records import Coded, File

PICTURES = 2 * ASKED_AT_ONCE + 1


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    path = tmp_path_factory.mktemp("library") / "catalogue.sqlite"
    made = Catalogue(path, new=Facts("toy", "0" * 64, 64, b"", "2026-01-01"))
    with made.writing():
        for number in range(PICTURES):
            digest = number.to_bytes(16, "big")
            coded = Coded(1, 1, digest[8:], None, None, embedding=digest[:8])
            made.pictures.put(File(b"", b"%d.jpg" % number, 1, 1, digest), coded)
    yield made
    made.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_row_that_no_run_writes_is_damage(tmp_path: Path, damage: str) -> None:
    with closing(Catalogue(tmp_path / "catalogue.sqlite", new=Facts("toy", "0" * 64, 64, b"", "2026-01-01"))) as one:
        with one.writing():
            one.pictures.put(File(b"a", b"b", 1, 1, bytes(16)), Coded(1, 1, bytes(8), None, None))
        assert [each.id for page in one.pictures.indexed() for each in page] == list(one.pictures.described([1]))
        one.database.execute(damage)

        with pytest.raises(LibraryError, match="damaged"):
            one.pictures.described([1])
        with pytest.raises(LibraryError, match="damaged"):
            list(one.pictures.indexed())


def test_any_number_of_keys(catalogue: Catalogue) -> None:
    ids = range(1, PICTURES + 1)
    digests = {number.to_bytes(16, "big").hex() for number in range(PICTURES)}

    assert set(catalogue.pictures.described(ids)) == set(ids)
    assert set(catalogue.embeddings.of(ids)) == set(ids)
    assert set(catalogue.columns.values(ids)) == set(ids)
    assert catalogue.pictures.known_digests([*digests, "ff" * 16]) == digests
    assert catalogue.pictures.described([]) == {}


@pytest.mark.parametrize("size", [1, 10, PICTURES - 1, PICTURES, PICTURES + 1])
def test_pages_of_any_size(catalogue: Catalogue, size: int) -> None:
    pages = list(catalogue.database.pages("SELECT id FROM picture ORDER BY id", size=size))

    assert [id_ for page in pages for (id_,) in page] == list(range(1, PICTURES + 1))
    assert {len(page) for page in pages[:-1]} <= {size}


def test_columns_are_the_same_in_either_case_and_added_once(catalogue: Catalogue) -> None:
    with catalogue.writing():
        first = catalogue.columns.added({"Label": Kind.TEXT})
        again = catalogue.columns.added({"LABEL": Kind.TEXT, "Year": Kind.NUMBER})

    assert again["LABEL"] == first["Label"]
    assert list(catalogue.columns.by_lower()) == ["label", "year"]
    assert [column.name for column in catalogue.columns.by_lower().values()] == ["Label", "Year"]
    assert catalogue.columns.all()["Label"].kind == Kind.TEXT
