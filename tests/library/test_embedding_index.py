"""Embeddings in memory: those of the catalogue after every kind of change, and what they order is ordered the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fittable_model import FittableModel
from kinds import LIKENESS, draw
from transhash import Library
from transhash.library import Options, Queries
from transhash.library.embedding_index import EmbeddingIndex, Held
from transhash.library.ranking import CANDIDATES, Near, by_likeness
from transhash.model.fitted import cosines


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A library of forty pictures that embeddings order."""
    draw(tmp_path / "pictures", 40)
    model = FittableModel()
    model.likeness = LIKENESS
    library = Library.create(tmp_path / "library", model)  # type: ignore[arg-type]
    library.index(tmp_path / "pictures")
    return library


def forget(library: Library, id_: int) -> None:
    """A picture has no embedding any longer, as one from an older transhash."""
    database = library.catalogue.database
    with library.catalogue.writing():
        library.catalogue.database.execute("DELETE FROM embedding WHERE picture = ?", (id_,))
        number = library.catalogue.revision().number + 1
        database.execute("UPDATE picture SET changed = ? WHERE id = ?", (number, id_))


def agrees(held: Held | None, library: Library) -> bool:
    """Whether what is held tells the cosines of all pictures with some queries that the catalogue's embeddings have."""
    assert held is not None
    with library.catalogue.reading():
        kept = library.catalogue.embeddings.of(range(1, 200))
    random = np.random.default_rng(2)
    queries = random.integers(-127, 128, (5, held.values)).astype(np.int8)
    queries[0] = np.frombuffer(next(iter(kept.values())), np.int8)  # whose cosine is exactly 1
    ids = np.tile(random.permutation(np.arange(-1, 199)), (5, 1))
    expected = np.full(ids.shape, np.nan, np.float32)
    for row, query in enumerate(queries):
        for column, id_ in enumerate(ids[row].tolist()):
            if id_ in kept:
                expected[row, column] = cosines(query, np.frombuffer(kept[id_], np.int8)[None])[0]
    assert {id_: each.tobytes() for id_, each in held.of(range(-1, 200)).items()} == kept
    return np.array_equal(held.likeness(queries, ids), expected, equal_nan=True)


@pytest.mark.parametrize("share", [1, 1000])
def test_every_kind_of_change_is_followed(library: Library, tmp_path: Path, share: int, monkeypatch) -> None:
    monkeypatch.setattr("transhash.library.embedding_index.SHARE", share)
    index = EmbeddingIndex(library.bits)
    assert index.refresh(library.catalogue) is None  # nothing is held that was not asked for
    index.load(library.catalogue)
    assert agrees(index.refresh(library.catalogue), library)

    paths = sorted((tmp_path / "pictures").iterdir())
    paths[3].write_bytes(paths[4].read_bytes())  # changed
    draw(tmp_path / "pictures", 7, seed=5)  # new
    library.index(tmp_path / "pictures")
    assert agrees(index.refresh(library.catalogue), library)
    paths[9].unlink()
    library.index(tmp_path / "pictures", prune=True)
    library.remove(library.passing()[:2])
    forget(library, 20)
    assert agrees(index.refresh(library.catalogue), library)


def test_a_fit_changes_all_codes_and_copies_no_embedding(library: Library) -> None:
    index = EmbeddingIndex(library.bits)
    index.load(library.catalogue)
    before, codes = index.refresh(library.catalogue), library.codes()
    random = np.random.default_rng(3)
    with library.catalogue.writing():  # as a fit does
        library.catalogue.pictures.recode((id_, random.bytes(library.bits // 8)) for id_ in codes.ids.tolist())
    assert library.catalogue.pictures.changed(1) >= 40
    assert not np.array_equal(library.codes().reconstruct(codes.ids), codes.reconstruct(codes.ids))
    assert index.refresh(library.catalogue) is before
    draw(library.path.parent / "pictures", 1, seed=9)
    library.index(library.path.parent / "pictures")
    assert agrees(index.refresh(library.catalogue), library)


def test_embeddings_of_two_lengths_are_not_held(library: Library) -> None:
    index = EmbeddingIndex(library.bits)
    index.load(library.catalogue)
    library.catalogue.database.execute("UPDATE embedding SET kept = x'01' WHERE picture = 7")
    forget(library, 8)  # which is what is looked for
    assert index.refresh(library.catalogue) is not None
    index.load(library.catalogue)
    assert index.refresh(library.catalogue) is None


def test_hits_are_the_same_with_embeddings_in_memory(library: Library) -> None:
    forget(library, 11)
    kept = library.searching.embeddings(range(1, 41))
    queries = Queries(
        library.codes().reconstruct([*kept]), None, np.stack([np.frombuffer(each, np.int8) for each in kept.values()])
    )
    before = [library.searching.ranked(queries, Options(k, offset=offset)) for k, offset in ((40, 0), (7, 3))]
    library.searching.hold_embeddings()
    assert library.searching.snapshot().held is not None
    assert [library.searching.ranked(queries, Options(k, offset=offset)) for k, offset in ((40, 0), (7, 3))] == before
    assert before[0].hits[0][-1].id == 11  # it has no embedding


def test_pictures_without_an_embedding_come_before_places_without_a_picture() -> None:
    near = Near(np.array([[1, 2, -1]], np.int32), np.array([[4, 5, -1]]))
    ordered = by_likeness(near, np.array([[np.nan, -0.5, np.nan]], np.float32), 3)
    assert ordered.ids.tolist() == [[5, 4, -1]]
    assert ordered.distances.tolist() == [[2, 1, -1]]


@pytest.mark.parametrize("found", [1, 7, CANDIDATES, CANDIDATES + 60])
@pytest.mark.parametrize("k", [1, 10, CANDIDATES, CANDIDATES + 30, 2 * CANDIDATES])
def test_the_most_alike_are_those_that_a_stable_sort_of_all_puts_first(found: int, k: int) -> None:
    rng = np.random.default_rng(found + k)
    near = Near(rng.integers(0, 64, (9, found)).astype(np.int32), rng.integers(-1, 9, (9, found)))
    likeness = (rng.integers(-3, 4, (9, found)) / 4).astype(np.float32)  # many are equal
    likeness[rng.random((9, found)) < 0.1] = -0.0
    likeness[rng.random((9, found)) < 0.1] = np.nan

    ordered = by_likeness(near, likeness, k)

    for row in range(9):
        keys = [
            3 if id_ < 0 else 2 if np.isnan(each) else -each
            for id_, each in zip(near.ids[row], likeness[row], strict=True)
        ]
        places = sorted(range(min(found, CANDIDATES)), key=keys.__getitem__) + list(range(CANDIDATES, found))
        assert ordered.ids[row].tolist() == near.ids[row][places[:k]].tolist()
        assert ordered.distances[row].tolist() == near.distances[row][places[:k]].tolist()


def test_there_may_be_more_only_where_the_last_hit_asked_for_is_within_the_limits(library: Library) -> None:
    queries = Queries(library.codes().reconstruct([1]), None)
    for k, limit, full in ((1, 0, True), (40, 0, False), (40, None, True), (41, None, False)):
        assert library.searching.ranked(queries, Options(k, max_distance=limit)).is_full == [full], (k, limit)
