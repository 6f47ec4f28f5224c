"""Hits of a fitted library are ordered by cosines after the map of its own, whatever holds what orders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedded import index_of, load, present, source
from fake_model import FakeModel
from fittable_model import FittableModel
from kinds import LIKENESS, draw
from transhash import Library
from transhash.library import Options, Queries, embedding_file
from transhash.library.embedding_index import Held
from transhash.library.fitting import LEAST
from transhash.library.opening import EMBEDDINGS
from transhash.model.fitted import Head, cosines, embedding
from transhash.model.likeness import Likeness

NEARNESS = Likeness(5.0, -1.0, 1000, "another test")


def model() -> FittableModel:
    """One that tells probabilities of cosines, as they are and after a library's own map."""
    made = FittableModel()
    made.likeness, made.nearness = LIKENESS, NEARNESS
    return made


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A library of as many pictures as it takes to be fitted."""
    draw(tmp_path / "pictures", LEAST)
    made = Library.create(tmp_path / "library", model())  # type: ignore[arg-type]
    assert made.index(tmp_path / "pictures").fitted == LEAST
    return made


def paths(library: Library) -> list[Path]:
    return sorted((library.path.parent / "pictures").iterdir())


def head(library: Library) -> Head:
    layers = library.searching.own.layers
    assert layers is not None
    assert layers.head.order is not None
    return layers.head


def expected(library: Library, row: int) -> tuple[list[Path], np.ndarray]:
    """The pictures in the order of cosines after the map, and these cosines."""
    mapped = head(library).ordered(embedding(FakeModel().values(paths(library))))
    found = cosines(mapped[row], mapped)
    order = np.argsort(-found, kind="stable")
    return [paths(library)[at] for at in order], found[order]


def test_hits_are_in_the_order_of_cosines_after_the_map(library: Library) -> None:
    for row in (0, 7, 55):
        order, found = expected(library, row)
        hits = library.search(paths(library)[row], k=LEAST)
        assert hits[0].path == paths(library)[row]
        assert [hit.path for hit in hits] == order
        told = [hit.probability for hit in hits]
        np.testing.assert_allclose(told, NEARNESS.probability(found), rtol=1e-6)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("k", [3, 100])
def test_a_limit_in_bits_leaves_the_most_alike_of_what_is_within_it(library: Library, k: int, held: bool) -> None:
    if held:
        library.searching.hold_embeddings()
    every = library.search(paths(library)[7], k=LEAST)
    limit = sorted(hit.distance for hit in every)[20]
    within = [hit for hit in every if hit.distance <= limit]
    assert len(within) < LEAST
    assert any(hit.distance > limit for hit in every[: len(within)])  # which the limit makes room for

    found = library.search(paths(library)[7], k=k, max_distance=limit)

    assert found == within[:k]


def test_that_is_another_order_than_the_one_of_embeddings_as_they_are(library: Library) -> None:
    kept = embedding(FakeModel().values(paths(library)))
    plain = [paths(library)[at] for at in np.argsort(-cosines(kept[7], kept), kind="stable")]
    assert [hit.path for hit in library.search(paths(library)[7], k=LEAST)] != plain


def test_what_is_held_in_memory_or_mapped_from_a_file_gives_the_same(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = paths(library)[7]
    before = [(hit.path, hit.probability) for hit in library.search(query, k=50)]
    library.searching.hold_embeddings()
    assert [(hit.path, hit.probability) for hit in library.search(query, k=50)] == before
    monkeypatch.setattr("transhash.library.embedding_index.MAPPED", LEAST - 10)
    library.searching.settle()
    kept = embedding_file.read(library.path / EMBEDDINGS)
    assert kept is not None
    assert kept.head.layers == library.fingerprint
    np.testing.assert_array_equal(kept.rows[:5], source_rows(library)[:5])
    with Library.open(library.path, model()) as again:  # type: ignore[arg-type]
        assert [(hit.path, hit.probability) for hit in again.search(query, k=50)] == before
        assert again.searching.snapshot().held is not None


@pytest.mark.parametrize("has_map", [True, False])
def test_after_the_map_few_of_many_embeddings_are_compared_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_map: bool
) -> None:
    draw(tmp_path / "pictures", LEAST)
    library = Library.create(tmp_path / "library", model() if has_map else FittableModel())  # type: ignore[arg-type]
    library.index(tmp_path / "pictures")
    library.searching.hold_embeddings()
    compare, given = Held.likeness, []

    def noted(held: Held, queries: np.ndarray, ids: np.ndarray, few: int) -> np.ndarray:
        given.append(few)
        return compare(held, queries, ids, few)

    monkeypatch.setattr(Held, "likeness", noted)
    for k in (1, 10, 40):
        library.search(paths(library)[7], k=k)
    assert given == ([512, 512, 640] if has_map else [0, 0, 0])


def source_rows(library: Library) -> np.ndarray:
    with library.catalogue.reading():
        rows = [np.frombuffer(row, np.int8) for _, page in source(library).all() for row in page]
    return np.stack(rows)


def test_a_fit_of_another_process_changes_what_is_held(library: Library) -> None:
    index = index_of(library)
    load(index, library)
    first = present(index, library)
    with Library.open(library.path, model()) as other:  # type: ignore[arg-type]
        draw(library.path.parent / "pictures", LEAST, seed=3)
        assert other.index(library.path.parent / "pictures").fitted == 2 * LEAST
    query = paths(library)[7]
    hits = [hit.path for hit in library.search(query, k=100)]
    assert hits == expected(library, 7)[0][:100]
    now = present(index, library)
    assert first is not None
    assert now is not None
    mapped = head(library).ordered(embedding(FakeModel().values(paths(library)[:1])))
    assert now.likeness(mapped, np.array([[1]]))[0, 0] == 1.0
    assert first.likeness(mapped, np.array([[1]]))[0, 0] < 1.0


def test_a_file_of_other_hash_layers_is_found_by_verify_and_made_again(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transhash.library.embedding_index.MAPPED", LEAST - 10)
    with library.catalogue.reading():
        pages = list(library.catalogue.embeddings.all())
    embedding_file.write(library.path / EMBEDDINGS, library.catalogue.revision(), "", pages)
    checked = library.verify()
    assert not checked.problems
    assert [EMBEDDINGS in line for line in checked.mended] == [True]
    assert not library.verify().mended


def test_a_picture_whose_embedding_has_another_length_leaves_the_order_of_others_as_it_is(library: Library) -> None:
    order, found = expected(library, 7)
    odd = order[3]
    id_ = library.search(odd, k=1)[0].id
    with library.catalogue.writing():
        library.catalogue.embeddings.put([(id_, b"\0")])
    hits = library.search(paths(library)[7], k=20)
    assert [hit.path for hit in hits if hit.path != odd][:10] == [path for path in order if path != odd][:10]
    assert hits[1].probability == pytest.approx(float(NEARNESS.probability(found[1])))


def test_an_exported_library_takes_its_order_along(library: Library, tmp_path: Path) -> None:
    library.export(tmp_path / "all.parquet")
    again, _ = Library.import_(tmp_path / "all.parquet", tmp_path / "again", model())  # type: ignore[arg-type]
    with again:
        query = paths(library)[7]
        assert [hit.path for hit in again.search(query, k=20)] == expected(library, 7)[0][:20]


def test_pictures_of_the_library_ask_with_their_embeddings(library: Library) -> None:
    snapshot = library.searching.snapshot()
    kept = snapshot.embeddings([8])[8]
    near = snapshot.nearest(Queries(head(library).codes(kept[None]), None, kept[None]), Options(5))
    assert near.fitted
    assert near.ids[0, 0] == 8
    assert near.likeness is not None
    assert near.likeness[0, 0] == 1.0


def test_a_model_that_tells_no_probability_after_a_map_orders_by_embeddings_as_they_are(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", LEAST)
    plain = model()
    plain.nearness = None
    with Library.create(tmp_path / "library", plain) as library:  # type: ignore[arg-type]
        assert library.index(tmp_path / "pictures").fitted == LEAST
        layers = library.searching.own.layers
        assert layers is not None
        assert layers.head.order is None
        kept = embedding(FakeModel().values(paths(library)))
        order = np.argsort(-cosines(kept[7], kept), kind="stable")
        hits = library.search(paths(library)[7], k=30)
        assert [hit.path for hit in hits] == [paths(library)[at] for at in order[:30]]
        assert hits[3].probability == pytest.approx(float(LIKENESS.probability(cosines(kept[7], kept)[order[3]])))
