"""Libraries of one model whose hash layers were fitted to other pictures: one is imported into the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fittable_model import FittableModel
from kinds import draw
from layered import stale
from transhash import Library
from transhash.errors import LibraryError
from transhash.library.catalogue.database import Database
from transhash.library.fitting import Prepared
from transhash.library.results import ImportReport

COUNT = 70  # pictures, a few more than a code has bits


def made(folder: Path, seed: int, *, fitted: bool, general: bool = False) -> Library:
    draw(folder / "pictures", COUNT, seed=seed)
    library = Library.create(folder / "library", FittableModel())  # type: ignore[arg-type]
    library.index(folder / "pictures", general=general)
    if fitted:
        library.fit()
    return library


def bring(file: Path, into: Library) -> ImportReport:
    library, report = Library.import_(file, into.path, FittableModel())  # type: ignore[arg-type]
    library.close()
    return report


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Library]:
    with made(tmp_path / "one", 1, fitted=True) as library:
        yield library


@pytest.mark.parametrize("fitted", [True, False])
def test_pictures_of_another_library_have_the_codes_of_this_one(one: Library, tmp_path: Path, fitted: bool) -> None:
    before, file = one.fingerprint, tmp_path / "other.parquet"
    with made(tmp_path / "other", 2, fitted=fitted) as other:
        other.export(file, vectors=True)
    assert bring(file, one).added == COUNT
    assert (one.fingerprint, len(one), stale(one)) == (before, 2 * COUNT, 0)
    query = tmp_path / "other" / "pictures" / "2-0004.png"
    hit = one.search(query, k=1)[0]
    assert (hit.path.name, hit.distance) == (query.name, 0)


def test_a_library_without_layers_takes_those_of_the_file(one: Library, tmp_path: Path) -> None:
    one.export(tmp_path / "one.parquet", vectors=True)
    with made(tmp_path / "other", 2, fitted=False) as other:
        assert bring(tmp_path / "one.parquet", other).added == COUNT
        assert other.search(tmp_path / "other" / "pictures" / "2-0004.png", k=1)[0].distance == 0
        assert (other.fingerprint, len(other), stale(other)) == (one.fingerprint, 2 * COUNT, 0)


@pytest.mark.parametrize(
    ("of_file", "of_library", "words"),
    [
        ("no vectors", "fitted", "70 pictures have no embedding to make codes from"),
        ("one without", "fitted", "1 pictures have no embedding to make codes from"),
        ("vectors", "general", "the library keeps the model's own"),
        ("vectors", "one without", "1 of the library's have no embedding"),
    ],
)
def test_what_cannot_be_merged_is_refused_and_nothing_is_written(
    one: Library, tmp_path: Path, of_file: str, of_library: str, words: str
) -> None:
    if of_file == "one without":
        one.catalogue.database.execute("DELETE FROM embedding WHERE picture = 5")
    one.export(tmp_path / "one.parquet", vectors=of_file != "no vectors")
    with made(tmp_path / "other", 2, fitted=of_library == "fitted", general=of_library == "general") as other:
        if of_library == "one without":
            other.catalogue.database.execute("DELETE FROM embedding WHERE picture = 5")
        before = other.catalogue.revision()
        with pytest.raises(LibraryError, match=words):
            bring(tmp_path / "one.parquet", other)
        assert other.catalogue.revision() == before


@pytest.mark.parametrize("what", ["without embeddings", "general"])
def test_layers_are_not_taken_where_another_process_has_made_that_impossible(
    one: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    one.export(tmp_path / "one.parquet", vectors=True)
    with made(tmp_path / "third", 3, fitted=False) as third, made(tmp_path / "other", 2, fitted=False) as other:
        third.export(tmp_path / "third.parquet", vectors=False)
        usual = Prepared.of

        def late(*given: Any) -> Prepared:
            found = usual(*given)
            if what == "general":
                other.index(tmp_path / "other" / "pictures", general=True)
            else:
                bring(tmp_path / "third.parquet", other)
            return found

        monkeypatch.setattr(Prepared, "of", late)
        with pytest.raises(LibraryError, match="its codes were fitted to other pictures, and "):
            bring(tmp_path / "one.parquet", other)
        assert (other.fitted_to, other.fingerprint) == (0, third.fingerprint)


def test_the_wish_for_general_codes_is_noted_once_and_not_where_codes_are_fitted(one: Library, tmp_path: Path) -> None:
    """Also where another process did so, or fitted them, after this one has looked."""
    with made(tmp_path / "other", 2, fitted=False) as other:
        for library, noted in ((one, 1), (other, 1), (other, 1)):
            with library.catalogue.writing():
                library.catalogue.embeddings.keep_general("base")
            assert library.catalogue.database.rows("SELECT COUNT(*) FROM hash_layers") == [(noted,)]
        assert (one.catalogue.embeddings.are_general(), other.catalogue.embeddings.are_general()) == (False, True)


def test_another_model_is_named_and_so_is_the_librarys(one: Library, tmp_path: Path) -> None:
    one.export(tmp_path / "one.parquet", vectors=True)
    model = FittableModel("another")
    with Library.create(tmp_path / "other", model) as other, pytest.raises(LibraryError) as raised:  # type: ignore[arg-type]
        Library.import_(tmp_path / "one.parquet", other.path)
    assert f"model fake ({FittableModel().fingerprint[:12]})" in str(raised.value)
    assert f"those of another ({model.fingerprint[:12]})" in str(raised.value)


def test_an_import_that_is_interrupted_at_any_transaction_can_be_repeated(
    one: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.export(tmp_path / "one.parquet", vectors=True)
    query = tmp_path / "one" / "pictures" / "1-0004.png"
    transaction = Database.transaction
    for last in range(20):
        left = iter(range(last))

        def interrupted(self: Database, kind: str, left: Iterator[int] = left) -> object:
            if kind != "DEFERRED" and next(left, None) is None:
                raise KeyboardInterrupt
            return transaction(self, kind)

        with monkeypatch.context() as patch:
            patch.setattr(Database, "transaction", interrupted)
            try:
                bring_new(tmp_path, last)
            except KeyboardInterrupt:
                pass
            else:
                assert last >= 3
                return
        library = bring_new(tmp_path, last)
        assert (library.fitted_to, library.fingerprint) == (COUNT, one.fingerprint)
        assert library.search(query, k=1)[0].distance == 0
        library.close()
    pytest.fail("it never ends")


def bring_new(folder: Path, number: int) -> Library:
    return Library.import_(folder / "one.parquet", folder / f"new{number}", FittableModel())[0]  # type: ignore[arg-type]


def test_a_library_whose_layers_were_lost_gets_them_from_the_file(one: Library, tmp_path: Path) -> None:
    """As an import left it that was interrupted in an earlier version."""
    one.export(tmp_path / "one.parquet", vectors=True)
    bring_new(tmp_path, 0).close()
    with Library.open(tmp_path / "new0") as broken:
        broken.catalogue.database.execute("DELETE FROM hash_layers")
    with Library.open(tmp_path / "new0") as broken:
        Library.import_(tmp_path / "one.parquet", broken.path)[0].close()
    with Library.open(tmp_path / "new0", FittableModel()) as library:  # type: ignore[arg-type]
        assert library.search(tmp_path / "one" / "pictures" / "1-0004.png", k=1)[0].distance == 0
