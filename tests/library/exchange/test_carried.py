"""A library that was carried to another place as a file: embeddings, fitted codes, and the wish for general ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fittable_model import FittableModel
from kinds import LIKENESS, draw
from transhash import Library
from transhash.errors import ImageError, LibraryError
from transhash.library.fitting import LEAST
from transhash.model import Encoded


def fittable() -> FittableModel:
    model = FittableModel()
    model.likeness = LIKENESS
    return model


def filled(folder: Path, count: int = LEAST, *, general: bool = False) -> Library:
    """A library of pictures below a folder, in `.transhash` there."""
    draw(folder, count)
    library = Library.create(folder / ".transhash", fittable())  # type: ignore[arg-type]
    library.index(folder, general=general)
    return library


def carried(library: Library, folder: Path, *, vectors: bool) -> tuple[Library, FittableModel]:
    """The same pictures and the exported library in another folder, opened with a model of its own."""
    library.export(folder.with_suffix(".parquet"), vectors=vectors)
    shutil.copytree(library.path.parent, folder, ignore=shutil.ignore_patterns(".transhash"))
    model = fittable()
    return Library.import_(folder.with_suffix(".parquet"), folder / ".transhash", model)[0], model  # type: ignore[arg-type]


def places(library: Library, folder: Path) -> list[int | None]:
    """At which place some pictures find themselves, among ten hits."""
    queries = sorted(folder.glob("*.png"))[::37]
    hits = [[hit.path for hit in library.search(query, k=10)] for query in queries]
    return [paths.index(query) if query in paths else None for query, paths in zip(queries, hits, strict=True)]


def test_embeddings_come_along_by_default(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as library:
        library.export(tmp_path / "all.parquet")
        library.export(tmp_path / "codes.parquet", vectors=False)
        expected = [(hit.path.name, hit.probability) for hit in library.search(tmp_path / "a" / "0-0007.png", k=20)]
    assert "embedding" in pq.read_schema(tmp_path / "all.parquet").names
    assert "embedding" not in pq.read_schema(tmp_path / "codes.parquet").names
    other, _ = Library.import_(tmp_path / "all.parquet", tmp_path / "b" / ".transhash", fittable())  # type: ignore[arg-type]
    with other:
        hits = other.search(tmp_path / "a" / "0-0007.png", k=20)
        assert [(hit.path.name, hit.probability) for hit in hits] == expected


def test_without_embeddings_a_picture_finds_itself_first_all_the_same(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as library:
        other, _ = carried(library, tmp_path / "b", vectors=False)
    with other:
        assert set(places(other, tmp_path / "b")) == {0}
        draw(tmp_path / "b", 4, seed=3)
        (new,) = draw(tmp_path / "c", 1, seed=4)
        shutil.copy(new, tmp_path / "b" / "own.png")
        other.add([new])  # one that has an embedding
        assert set(places(other, tmp_path / "b")) - {None} == {0}


def test_the_next_index_encodes_pictures_without_embeddings_again(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as library:
        codes = library.codes().reconstruct(library.codes().ids)
        other, model = carried(library, tmp_path / "b", vectors=False)
    with other:
        other.annotate({"0-0003.png": {"label": "kept"}})
        report = other.index(tmp_path / "b")
        assert (report.unchanged, report.embedded, report.updated, report.unembedded) == (LEAST, LEAST, 0, 0)
        assert (other.codes().reconstruct(other.codes().ids) == codes).all()
        hit = other.search(tmp_path / "b" / "0-0003.png", k=1, min_probability=0.9)[0]
        assert (hit.path.name, hit.distance, hit.columns) == ("0-0003.png", 0, {"label": "kept"})
        decoded = len(model.decoded)
        report = other.index(tmp_path / "b")
        assert (report.unchanged, report.embedded) == (LEAST, 0)
        assert len(model.decoded) == decoded
        draw(tmp_path / "b", LEAST, seed=3)
        assert other.index(tmp_path / "b").fitted == 2 * LEAST


def test_moved_copied_and_returned_pictures_get_their_embeddings_too(tmp_path: Path) -> None:
    with filled(tmp_path / "a", 40) as library:
        other, _ = carried(library, tmp_path / "b", vectors=False)
    with other:
        first, second, third, *_ = sorted((tmp_path / "b").glob("*.png"))
        ids = {hit.path.name: hit.id for hit in other.search(first, k=40)}
        first.rename(tmp_path / "b" / "moved.png")
        shutil.copy(second, tmp_path / "b" / "copy.png")
        third.rename(tmp_path / "away.png")
        report = other.index(tmp_path / "b")
        assert (report.moved, report.added, report.removed, report.unchanged) == (1, 1, 1, 38)
        assert (report.embedded, report.unembedded) == (39, 0)
        (tmp_path / "away.png").rename(third)
        report = other.index(tmp_path / "b")
        assert (report.added, report.embedded, report.unembedded) == (1, 1, 0)
        (hit,) = other.search(tmp_path / "b" / "moved.png", k=1)
        assert (hit.path.name, hit.id) == ("moved.png", ids[first.name])


def test_a_vanished_picture_without_an_embedding_hinders_no_fit_and_comes_back_with_a_code_of_it(
    tmp_path: Path,
) -> None:
    with filled(tmp_path / "a", 40) as library:
        other, _ = carried(library, tmp_path / "b", vectors=False)
    with other:
        away = tmp_path / "b" / "0-0003.png"
        away.rename(tmp_path / "away.png")
        draw(tmp_path / "b", LEAST, seed=3)
        assert other.index(tmp_path / "b").fitted == LEAST + 39
        assert other.verify().problems == []
        (tmp_path / "away.png").rename(away)
        assert other.index(tmp_path / "b").added == 1
        (hit,) = other.search(away, k=1)
        assert (hit.path, hit.distance) == (away, 0)


def test_a_picture_that_cannot_be_read_any_more_keeps_its_code(tmp_path: Path) -> None:
    with filled(tmp_path / "a", 20) as library:
        other, model = carried(library, tmp_path / "b", vectors=False)
    error = ImageError("a picture", "this kind is not read here", "install the extra")
    with other:
        model.one = lambda item, *_: Encoded(item, None, None, error, 0, 0)  # type: ignore[method-assign]
        report = other.index(tmp_path / "b")
        assert (report.unchanged, report.embedded, report.unembedded, len(report.skipped)) == (20, 0, 20, 20)
        assert {each.reason for each in report.skipped} == {"this kind is not read here"}
        del model.one
        assert len(other) == 20
        assert other.index(tmp_path / "b").embedded == 20


def test_pictures_elsewhere_are_counted(tmp_path: Path) -> None:
    with filled(tmp_path / "a" / "here", 20) as library:
        library.index(tmp_path / "a" / "here")
        other, _ = carried(library, tmp_path / "b", vectors=False)
    with other:
        draw(tmp_path / "c", 1, seed=9)
        report = other.index(tmp_path / "c")
        assert (report.added, report.embedded, report.unembedded) == (1, 0, 20)


def test_the_wish_for_general_codes_travels(tmp_path: Path) -> None:
    with filled(tmp_path / "a", general=True) as library:
        assert library.info().general
        other, _ = carried(library, tmp_path / "b", vectors=True)
        fingerprint = library.fingerprint
    with other:
        assert other.info().general
        assert other.index(tmp_path / "b").fitted == 0
        assert other.fingerprint == fingerprint


def test_general_codes_are_refused_where_codes_are_fitted_already(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as library:
        assert not library.info().general
        draw(tmp_path / "a", 1, seed=2)
        with pytest.raises(LibraryError, match=rf"fitted to {LEAST} pictures already.*--general --library OTHER"):
            library.index(tmp_path / "a", general=True)
        assert len(library) == LEAST
        assert library.fitted_to == LEAST
