"""Libraries of vectors of one's own, of encoders that give vectors, and searches by vectors, words and mixtures."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pages
from collection import draw
from colours import COLOURS, Colours
from transhash import Library
from transhash.errors import DataError, ImageError, LibraryError, ModelError
from transhash.library import Mixture, Words
from transhash.library.vectors import PAGE
from transhash.model import VectorEncoder
from transhash.model.embedder import random_head


class Blind(Colours):
    encode_texts = property()  # type: ignore[assignment]  # hasattr says no


class Fitted(Colours):
    hash_layers = random_head(Colours.dim, 8)  # as `transhash fit` gives them to a model of the hub


@pytest.fixture
def vectors() -> np.ndarray:
    random = np.random.default_rng(0)
    centres = random.standard_normal((20, 32))
    return (centres[random.integers(0, 20, 700)] + random.standard_normal((700, 32))).astype(np.float32)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(10):
        draw(tmp_path / "photos" / f"{number}.png", number)
    for name, colour in COLOURS.items():
        pixels = np.zeros((8, 8, 3), np.uint8) + np.array(colour, np.uint8) * 250
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path / "photos"


def order(query: np.ndarray, database: np.ndarray) -> np.ndarray:
    cosines = database @ query / np.linalg.norm(database, axis=1) / np.linalg.norm(query)
    return np.argsort(-cosines, kind="stable")


def test_the_nearest_vectors_are_those_of_the_greatest_cosines(vectors: np.ndarray, tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", vectors=vectors) as library:
        assert (len(library), library.bits, library.fitted_to) == (700, 32, 700)
        hits = library.search(list(vectors[:20]), 10)
    found = [[int(hit.picture.stored_path) for hit in row] for row in hits]
    assert [row[0] for row in found] == list(range(20))
    shared = [len(set(row) & set(order(query, vectors)[:10])) for row, query in zip(found, vectors, strict=False)]
    assert np.mean(shared) > 9.5  # the 512 nearest codes are ordered, by vectors of a byte a value


def test_no_queries_have_no_hits(vectors: np.ndarray, tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", vectors=vectors[:50]) as library:
        assert library.search([]) == []


def test_few_vectors_are_found_all_in_order(vectors: np.ndarray, tmp_path: Path) -> None:
    some = vectors[:99].astype(np.float16)
    with Library.create(tmp_path / "library", vectors=some, ids=[f"row {n}" for n in range(99)]) as library:
        assert library.fitted_to == 0
        hits = library.search(some[3].astype(float) * 9, 99)
    found = [int(hit.picture.stored_path.removeprefix("row ")) for hit in hits]
    unit = some.astype(float) / np.linalg.norm(some.astype(float), axis=1, keepdims=True)
    assert sorted(found) == list(range(99))
    assert (np.diff((unit @ unit[3])[found]) < 0.01).all()  # a byte a value


def test_columns_are_filtered_by(vectors: np.ndarray, tmp_path: Path) -> None:
    columns = {"year": np.arange(700) + 1500, "title": [f"title {n % 7}" for n in range(700)]}
    with Library.create(tmp_path / "library", vectors=vectors, columns=columns) as library:
        hits = library.search(vectors[5], 700, where="year >= 2000 and title = 'title 3'")
    assert {int(hit.picture.stored_path) for hit in hits} == {n for n in range(500, 700) if n % 7 == 3}
    assert hits[0].columns["title"] == "title 3"


def test_a_library_of_vectors_is_opened_without_more(vectors: np.ndarray, tmp_path: Path) -> None:
    Library.create(tmp_path / "library", vectors=vectors).close()
    with Library.open(tmp_path / "library") as library:
        assert library.search(vectors[9], 1)[0].picture.name == "9"
        library.vectors.add(vectors[:3] * -1, ids=["9", "new", "other"])
        assert len(library) == 702
        assert library.search(vectors[9], 1)[0].picture.name != "9"
        assert [hit.picture.name for hit in library.search(-vectors[0], 2)][:1] == ["9"]


def test_codes_do_not_depend_on_how_they_came(vectors: np.ndarray, tmp_path: Path) -> None:
    with (
        Library.create(tmp_path / "a", vectors=vectors) as whole,
        Library.create(tmp_path / "b", vectors=vectors[:100], ids=range(100)) as parts,
    ):
        parts.vectors.add(vectors[100:], ids=range(100, 700))
        assert parts.fingerprint == whole.fingerprint
        ids = whole.codes().ids
        np.testing.assert_array_equal(parts.codes().reconstruct(ids), whole.codes().reconstruct(ids))


def many(count: int = PAGE + 900) -> np.ndarray:
    """More than a page, and more than codes are fitted to."""
    return np.random.default_rng(0).standard_normal((count, 16)).astype(np.float32)


def test_a_new_library_is_fitted_before_its_codes_are_written(tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", vectors=many()) as library:
        ids, first, name = library.codes().ids, library.codes(), library.fingerprint
        assert library.catalogue.pictures.changed(library.catalogue.revision().number - 1) == 900  # the last page
        assert library.fit() == library.fitted_to == len(many())
        assert library.fingerprint == name
        np.testing.assert_array_equal(library.codes().reconstruct(ids), first.reconstruct(ids))


def test_an_interrupted_import_goes_on_with_the_same_codes(tmp_path: Path) -> None:
    vectors = many()

    def stop(stage: str, done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Library.create(tmp_path / "library", vectors=vectors, progress=stop)
    with (
        Library.open(tmp_path / "library") as library,
        Library.create(tmp_path / "other", vectors=vectors) as whole,
    ):
        assert len(library) == PAGE
        assert library.search(vectors[8], 1)[0].picture.name == "8"
        library.vectors.add(vectors)
        assert library.fingerprint == whole.fingerprint
        resumed, right = (each.codes().reconstruct(each.codes().ids) for each in (library, whole))
        np.testing.assert_array_equal(resumed, right)  # ids are in the order of rows


def test_verifying_looks_at_vectors_and_not_for_files(vectors: np.ndarray, tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", vectors=vectors) as library:
        found = library.verify(deep=True)
        assert (found.problems, found.files, found.encoded) == ([], 0, 700)
        library.catalogue.database.execute("UPDATE embedding SET kept = zeroblob(32) WHERE picture = 9")
        (problem,) = library.verify(deep=True).problems
        assert problem.what.startswith("1 rows have another vector than was imported")


def test_paths_of_pictures_are_ids(vectors: np.ndarray, photos: Path) -> None:
    ids = [photos / f"{n}.png" for n in range(10)]
    with Library.create(photos / ".transhash", vectors=vectors[:10], ids=ids) as library:
        (hit,) = library.search(vectors[4], 1)
    assert (hit.picture.stored_path, hit.path) == ("4.png", photos / "4.png")


def test_an_exported_one_comes_back(vectors: np.ndarray, tmp_path: Path) -> None:
    with Library.create(tmp_path / "a" / "library", vectors=vectors, columns={"n": range(700)}) as library:
        assert library.export(tmp_path / "all.parquet", vectors=False) == 700
        codes = library.codes()
    other, report = Library.import_(tmp_path / "all.parquet", tmp_path / "b" / "library")
    with other:
        assert report.added == 700
        np.testing.assert_array_equal(other.codes().reconstruct([7]), codes.reconstruct([7]))


def test_an_exported_one_brings_its_vectors(vectors: np.ndarray, tmp_path: Path) -> None:
    with Library.create(tmp_path / "a" / "library", vectors=vectors, columns={"n": range(700)}) as library:
        assert library.export(tmp_path / "all.parquet") == 700
        expected = [(hit.picture.name, hit.distance) for hit in library.search(vectors[4], 50)]
    Library.import_(tmp_path / "all.parquet", tmp_path / "b" / "library")[0].close()
    with Library.open(tmp_path / "b" / "library") as other:
        assert [(hit.picture.name, hit.distance) for hit in other.search(vectors[4], 50)] == expected
        assert other.verify(deep=True).problems == []
        other.vectors.add(vectors[:1], ids=["new"])
        other.annotate({"new": {"embedding": 3}})
        with pytest.raises(DataError, match="called embedding"):
            other.export(tmp_path / "again.parquet")
        assert other.export(tmp_path / "again.parquet", vectors=False) == 701


def test_what_a_library_of_vectors_cannot_do_is_a_sentence(vectors: np.ndarray, photos: Path) -> None:
    with Library.create(photos / ".transhash", vectors=vectors[:50]) as library:
        for ask in (lambda: library.index(photos), lambda: library.add([photos / "0.png"])):
            with pytest.raises(LibraryError, match="nothing here makes one of a picture"):
                ask()
        with pytest.raises(ModelError, match="make the library with the model that made them"):
            library.search(photos / "0.png")
        with pytest.raises(ModelError, match="no text tower"):
            library.search(Words("red"))
        assert len(library) == 50


def test_an_encoder_with_dim_indexes_pictures(photos: Path) -> None:
    encoder: VectorEncoder = Colours()
    with Library.create(photos / ".transhash", encoder) as library:
        assert library.bits == 8
        assert library.index(photos).added == 13
        pictures = sorted(photos.glob("*.png"))
        vectors = encoder.encode(Image.open(path).convert("RGB") for path in pictures)
        found = [hit.path for hit in library.search(pictures[2], 13)]
        assert (found[0], set(found)) == (pictures[2], set(pictures))
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        assert (np.diff((unit @ unit[2])[[pictures.index(path) for path in found]]) < 0.01).all()
        assert library.verify(deep=True).problems == []
        (photos / "bad.png").write_bytes(b"no picture")
        assert [skipped.reason for skipped in library.index(photos).skipped] == ["not a picture"]
    with Library.open(photos, Colours()) as again:
        assert again.search(photos / "red.png", 1)[0].path.name == "red.png"
        with pytest.raises(ImageError, match=r"bad\.png"):
            again.search(photos / "bad.png")


def test_its_codes_are_fitted_to_many_pictures(tmp_path: Path) -> None:
    for number in range(300):
        draw(tmp_path / f"{number}.png", number)
    with Library.create(tmp_path / ".transhash", Colours()) as library:
        assert library.index(tmp_path).fitted == 300
        name = library.fingerprint
        assert library.search(tmp_path / "7.png", 1)[0].distance == 0
    with Library.open(tmp_path, Colours()) as again:
        assert again.fingerprint == name
        assert again.search(tmp_path / "7.png", 1)[0].path.name == "7.png"
        assert again.search(Words("red"), 3)


def test_codes_that_were_fitted_on_purpose_stay(tmp_path: Path) -> None:
    for number in range(300):
        draw(tmp_path / f"{number}.png", number)
    with Library.create(tmp_path / ".transhash", Fitted()) as library:
        assert library.index(tmp_path).fitted == 0
        assert (library.bits, library.fitted_to) == (8, 0)


def test_words_find_pictures_and_mix_with_them(photos: Path) -> None:
    with Library.create(photos / ".transhash", Colours()) as library:
        library.index(photos)
        for colour in COLOURS:
            assert library.search(Words(colour), 1)[0].path.name == f"{colour}.png"
        rows = library.search([Words("red"), Words("blue")], 1)
        assert [row[0].path.name for row in rows] == ["red.png", "blue.png"]
        mixed = Mixture([Words("red green"), photos / "blue.png"], minus=[Words("red"), Words("blue")])
        assert library.search(mixed, 1)[0].path.name == "green.png"
        vector = Mixture([np.tile([0.0, 0, 3], 4)])
        assert library.search(vector, 1)[0].path.name == "blue.png"


def test_words_need_a_text_tower(photos: Path, tmp_path: Path) -> None:
    with Library.create(photos / ".transhash", Blind()) as library:
        library.index(photos)
        with pytest.raises(ModelError, match=r"no text tower.*such as CLIP or SigLIP"):
            library.search(Words("red"))


def test_vectors_of_an_encoder_may_come_ready_made(photos: Path) -> None:
    pictures = sorted(photos.glob("*.png"))
    vectors = Colours().encode(Image.open(path).convert("RGB") for path in pictures)
    with Library.create(photos / ".transhash", Colours(), vectors=vectors, ids=pictures) as library:
        assert library.search(photos / "green.png", 1)[0].path.name == "green.png"
        assert library.search(Words("green"), 1)[0].path.name == "green.png"


def test_what_an_encoder_gives_is_checked(photos: Path) -> None:
    class Wrong(Colours):
        def encode(self, items: Iterable[Image.Image]) -> np.ndarray:
            return super().encode(items)[:, :5]

    with Library.create(photos / ".transhash", Wrong()) as library, pytest.raises(ModelError, match=r"return .* 12\)"):
        library.index(photos)


def test_the_snippets_of_the_documents_run(vectors: np.ndarray, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos.parent)
    np.save("vectors.npy", vectors)
    (photos / "red.png").rename(photos / "query.jpg")
    _, own, encoder = pages.blocks(pages.ROOT / "docs" / "vectors.md", "python")
    made: dict[str, Any] = {}
    exec(compile(own, "docs/vectors.md", "exec"), made)
    assert len(made["rows"]) == 10
    assert all(row % 30 >= 10 for row in made["rows"])
    made["library"].close()
    shutil.rmtree("my-vectors")
    (readme,) = [text for text in pages.blocks(pages.ROOT / "README.md", "python") if "my-vectors" in text]
    assert len(readme.splitlines()) <= 5
    exec(compile(readme, "README.md", "exec"), made)
    assert (made["rows"][0], len(made["rows"])) == ("0", 10)
    exec(compile(encoder, "docs/vectors.md", "exec"), made)
    assert made["hits"][0].path.name == made["mixed"][0].path.name == "query.jpg"


class Mapped(np.ndarray):
    """An array that may only be read in parts; the largest so far is counted."""

    largest = 0

    def __getitem__(self, rows: Any) -> Any:
        part = super().__getitem__(rows).view(np.ndarray)
        Mapped.largest = max(Mapped.largest, len(part))
        return part

    def __array_ufunc__(self, *_: object, **__: object) -> Any:
        raise AssertionError("all rows at once")

    astype = __array_ufunc__  # type: ignore[assignment]


def test_a_mapped_file_is_read_a_page_at_a_time(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((5_000, 16)).astype(np.float16)
    with Library.create(tmp_path / "library", vectors=vectors.view(Mapped)) as library:
        assert library.search(vectors[4_999].astype(float), 1)[0].picture.name == "4999"
    assert Mapped.largest == PAGE
