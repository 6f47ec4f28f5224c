"""Codes in memory that follow a catalogue: after any change they are what a new index would have."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection import draw
from fake_model import FakeModel
from transhash import HammingIndex, Library
from transhash.errors import LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import Facts
from transhash.library.catalogue.pictures import Pictures
from transhash.library.catalogue.records import Coded, File
from transhash.library.code_index import CodeIndex
from transhash.library.opening import CODES

FACTS = Facts("fake", "f" * 64, 16, b"", "2026-01-01")


def put(catalogue: Catalogue, number: int, code: int | None) -> None:
    """A picture `number` with a code, or with a fault."""
    name = f"{number}.png".encode()
    bits = None if code is None else code.to_bytes(2, "big")
    fault = (None, None) if code is not None else ("broken", "restore it")
    catalogue.pictures.put(File(b"", name, 1, 1, name.ljust(16)), Coded(1, 1, bits, *fault))


def held(index: HammingIndex) -> dict[int, bytes]:
    return {int(id_): row.tobytes() for id_, row in zip(index.ids, index.reconstruct(index.ids), strict=True)}


def truth(catalogue: Catalogue) -> dict[int, bytes]:
    return {id_: code for page in catalogue.pictures.codes(2) for id_, code in page}


number = st.integers(0, 5)
change = st.one_of(
    st.tuples(st.just("put"), number, st.integers(0, 65535)),
    st.tuples(st.just("fault"), number, st.none()),
    st.tuples(st.just("vanish"), number, st.none()),
    st.tuples(st.just("restore"), number, st.none()),
    st.tuples(st.just("forget"), number, st.none()),
    st.tuples(st.just("move"), number, number),
    st.tuples(st.just("prune"), st.none(), st.none()),
)


def make(catalogue: Catalogue, kind: str, first: int, second: int) -> None:
    id_ = catalogue.pictures.at(b"", f"{first}.png".encode())
    if kind in ("put", "fault"):
        put(catalogue, first, second)
    elif kind == "prune":
        catalogue.pictures.prune(b"")
    elif kind == "vanish":
        catalogue.pictures.vanish(b"", f"{first}.png".encode(), 1)
    elif id_ is not None and kind == "restore":
        catalogue.pictures.restore(id_)
    elif id_ is not None and kind == "forget":
        catalogue.pictures.forget(id_)
    elif id_ is not None and kind == "move":
        (digest,) = (row.digest for row in catalogue.pictures.known(b"") if row.id == id_)
        catalogue.pictures.move(id_, File(b"", f"{second}.png".encode(), 1, 1, digest), 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(change, min_size=1, max_size=4), min_size=1, max_size=8))
def test_it_is_what_a_new_one_would_be_after_any_changes(transactions: list[list[tuple[str, int, int]]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(Path(folder, "catalogue"), new=FACTS)
        often, seldom = CodeIndex(16, Path(folder, "often")), CodeIndex(16, Path(folder, "seldom"))
        for each in (often, seldom):
            each.refresh(catalogue)
        for changes in transactions:
            with catalogue.writing():
                for kind, first, second in changes:
                    make(catalogue, kind, first, second)
            assert held(often.refresh(catalogue).codes) == truth(catalogue)
        assert held(seldom.refresh(catalogue).codes) == truth(catalogue)
        assert held(CodeIndex(16, Path(folder, "often")).refresh(catalogue).codes) == truth(catalogue)  # from the file
        catalogue.close()


@pytest.fixture
def thousand(tmp_path: Path) -> Catalogue:
    """A catalogue of a thousand pictures."""
    catalogue = Catalogue(tmp_path / "catalogue", new=FACTS)
    with catalogue.writing():
        for each in range(1000):
            put(catalogue, each, each)
    return catalogue


def test_a_change_of_one_reads_one(thousand: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    codes = CodeIndex(16, tmp_path / "codes")
    codes.refresh(thousand)
    before = thousand.revision().number
    with thousand.writing():
        put(thousand, 7, 65535)
    assert [row for page in thousand.pictures.changes(2, before) for row in page] == [(8, b"\xff\xff")]
    monkeypatch.setattr(Pictures, "codes", None)  # what reads all would call it
    assert held(codes.refresh(thousand).codes)[8] == b"\xff\xff"
    again = CodeIndex(16, tmp_path / "codes")  # the file is older than the change
    assert held(again.refresh(thousand).codes)[8] == b"\xff\xff"


def test_a_catalogue_that_went_another_way_is_read_whole(thousand: Catalogue, tmp_path: Path) -> None:
    """As many transactions as the catalogue that the file was made from, but other ones."""
    thousand.close()
    shutil.copy(tmp_path / "catalogue", tmp_path / "copy")
    this, other = Catalogue(tmp_path / "catalogue"), Catalogue(tmp_path / "copy")
    for catalogue, first in ((this, 0), (other, 500)):
        with catalogue.writing():
            for each in range(first, first + 10):
                put(catalogue, each, 60000 + each)
    CodeIndex(16, tmp_path / "codes").refresh(this)
    assert held(CodeIndex(16, tmp_path / "codes").refresh(other).codes) == truth(other)


def test_it_follows_a_catalogue_in_whose_place_an_older_copy_was_put(thousand: Catalogue, tmp_path: Path) -> None:
    thousand.close()
    shutil.copy(tmp_path / "catalogue", tmp_path / "copy")
    codes = CodeIndex(16, tmp_path / "codes")
    newer, older = Catalogue(tmp_path / "catalogue"), Catalogue(tmp_path / "copy")
    with newer.writing():
        put(newer, 0, 65535)
    assert held(codes.refresh(newer).codes) == truth(newer)
    assert held(codes.refresh(older).codes) == truth(older)


def test_a_library_is_used_from_any_thread(library: Library, photos: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert pool.submit(library.index, photos).result().added == 6
        hits = list(pool.map(lambda path: library.search(path, 1), sorted(photos.rglob("*.png")) * 5))
        draw(photos / "new.png", 50)
        assert pool.submit(library.index, photos).result().added == 1
        assert {hit.distance for (hit,) in hits} == {0}
        assert pool.submit(len, library).result() == 7


def test_a_closed_library_says_so_in_any_thread(library: Library) -> None:
    library.close()
    with ThreadPoolExecutor(1) as pool, pytest.raises(LibraryError, match="was closed; open it again"):
        pool.submit(len, library).result()


@pytest.mark.parametrize(
    "use",
    [
        len,
        Library.info,
        lambda library: library.search(library.path.parent / "cat" / "cat-0.png"),
        lambda library: library.index(library.path.parent),
        lambda library: library.annotate({"cat-0.png": {"label": "x"}}),
        lambda library: library.remove([1]),
    ],
)
def test_a_closed_library_says_so_in_the_thread_that_used_it(
    library: Library, photos: Path, use: Callable[[Library], object]
) -> None:
    library.index(photos)
    library.search(photos / "cat" / "cat-0.png")
    library.close()
    with pytest.raises(LibraryError, match="was closed; open it again"):
        use(library)


def test_a_library_that_is_closed_while_another_thread_reads_says_so(library: Library, photos: Path) -> None:
    library.index(photos)
    pages = library.catalogue.database.pages("SELECT id FROM picture", size=1)
    next(pages)
    library.close()
    with pytest.raises(LibraryError, match="was closed; open it again"):
        next(pages)


def test_a_change_seen_by_one_thread_is_seen_by_all(library: Library, photos: Path, model: FakeModel) -> None:
    library.index(photos)
    with Library.open(library.path, model) as other, ThreadPoolExecutor(3) as pool:
        draw(photos / "new.png", 50)
        other.index(photos)
        found = list(pool.map(lambda _: library.search(photos / "new.png", 1), range(6)))
        assert {hit.path for (hit,) in found} == {photos / "new.png"}
        assert np.array_equal(HammingIndex.open(library.path / CODES).ids, library.codes().ids)
