"""Embeddings in memory, or mapped: those of the catalogue after every kind of change, and they order hits alike."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedded import draw_more, index_of, load, ordered_library, present, source, with_a_file
from fittable_model import FittableModel
from kinds import LIKENESS
from transhash import Library
from transhash.library import Options, Queries, embedding_file
from transhash.library.embedding_index import Held, Part
from transhash.library.opening import EMBEDDINGS, disk_bytes
from transhash.library.ranking import FEWEST, MOST, Near, by_likeness, candidates, most_alike
from transhash.model.fitted import cosines
from transhash.system import LINE

COMPARED = 100


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A library of forty pictures that embeddings order."""
    return ordered_library(tmp_path)


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
        kept = source(library).of(range(1, 200))
    random = np.random.default_rng(2)
    queries = random.integers(-127, 128, (5, held.values)).astype(np.int8)
    queries[0] = np.frombuffer(next(iter(kept.values())), np.int8)  # whose cosine is exactly 1
    ids = np.tile(random.permutation(np.arange(-1, 199)), (5, 1))
    expected = np.full(ids.shape, np.nan, np.float32)
    for row, query in enumerate(queries):
        for column, id_ in enumerate(ids[row].tolist()):
            if id_ in kept:
                expected[row, column] = cosines(query, np.frombuffer(kept[id_], np.int8)[None])[0]
    return np.array_equal(held.likeness(queries, ids), expected, equal_nan=True)


@pytest.fixture
def mapped(library: Library, monkeypatch: pytest.MonkeyPatch) -> Library:
    """The same, with a file that its embeddings are mapped from."""
    return with_a_file(library, monkeypatch)


@pytest.mark.parametrize("share", [1, 1000])
@pytest.mark.parametrize("many", [1, 1000])
def test_every_kind_of_change_is_followed(
    library: Library, tmp_path: Path, share: int, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transhash.library.embedding_index.SHARE", share)
    monkeypatch.setattr("transhash.library.embedding_index.MAPPED", many)
    index = index_of(library)
    if many > 40:
        assert present(index, library) is None  # nothing is held that was not asked for
        load(index, library)
    library.searching.settle()
    assert index.file.exists() == (many < 40)
    assert agrees(present(index, library), library)

    paths = sorted((tmp_path / "pictures").iterdir())
    paths[3].write_bytes(paths[4].read_bytes())  # changed
    draw_more(library, 7)
    assert agrees(present(index, library), library)
    paths[9].unlink()
    library.index(tmp_path / "pictures", prune=True)
    library.remove(library.passing()[:2])
    library.searching.settle()
    forget(library, 20)
    if many > 40 or share == 1:
        assert agrees(present(index, library), library)
    else:
        assert present(index, library) is None  # until whoever has changed so much writes the file
    library.searching.settle()
    assert agrees(present(index, library), library)


def test_a_fit_changes_all_codes_and_copies_no_embedding(library: Library) -> None:
    index = index_of(library)
    load(index, library)
    before, codes = present(index, library), library.codes()
    random = np.random.default_rng(3)
    with library.catalogue.writing():  # as a fit does
        library.catalogue.pictures.recode((id_, random.bytes(library.bits // 8)) for id_ in codes.ids.tolist())
    assert library.catalogue.pictures.changed(1) >= 40
    assert not np.array_equal(library.codes().reconstruct(codes.ids), codes.reconstruct(codes.ids))
    assert present(index, library) is before
    draw_more(library, 1)
    assert agrees(present(index, library), library)


def test_embeddings_of_two_lengths_are_not_held(library: Library) -> None:
    index = index_of(library)
    load(index, library)
    library.catalogue.database.execute("UPDATE embedding SET kept = x'01' WHERE picture = 7")
    forget(library, 8)  # which is what is looked for
    assert present(index, library) is not None
    load(index, library)
    assert present(index, library) is None


def test_a_server_of_an_empty_library_holds_what_comes(tmp_path: Path) -> None:
    model = FittableModel()
    model.likeness = LIKENESS
    with Library.create(tmp_path / "library", model) as library:  # type: ignore[arg-type]
        index = index_of(library)
        index.load(source(library))
        assert index.refresh(source(library), 0) is None
        draw_more(library, 12)
        assert agrees(index.refresh(source(library), 12), library)


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
    assert [hit.id for hit in before[0].hits[0] if hit.probability is None] == [11]  # it has no embedding


def test_a_search_maps_the_embeddings_of_a_large_library_and_finds_the_same(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = library.searching.embeddings(range(1, 41))
    values = np.stack([np.frombuffer(each, np.int8) for each in kept.values()])
    queries = Queries(library.codes().reconstruct([*kept]), None, values)
    before = library.searching.ranked(queries, Options(40))
    size = disk_bytes(library.path)
    monkeypatch.setattr("transhash.library.embedding_index.MAPPED", 40)
    assert library.searching.ranked(queries, Options(40)) == before
    assert library.searching.snapshot().held is None
    assert not (library.path / EMBEDDINGS).exists()  # a search writes nothing
    library.index(library.path.parent / "pictures")
    assert disk_bytes(library.path) == size + (library.path / EMBEDDINGS).stat().st_size
    monkeypatch.setattr("transhash.library.searching.COMPARED", 1000)  # some queries at a time
    with Library.open(library.path, library.model) as again:
        for each in (library, again):
            assert each.searching.ranked(queries, Options(40)) == before
            held = each.searching.snapshot().held
            assert held is not None
            assert not held.parts[0].rows.flags.writeable


def test_the_file_is_written_again_only_when_much_has_changed(mapped: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transhash.library.embedding_index.SAVED_SHARE", 16)
    file = mapped.path / EMBEDDINGS
    written = file.read_bytes()
    forget(mapped, 7)
    mapped.searching.settle()
    assert file.read_bytes() == written
    assert agrees(present(index_of(mapped), mapped), mapped)
    draw_more(mapped, 9)
    assert file.read_bytes() != written
    assert agrees(present(index_of(mapped), mapped), mapped)


def test_a_process_that_goes_on_maps_the_file_that_another_has_written(mapped: Library) -> None:
    index = index_of(mapped)
    assert agrees(present(index, mapped), mapped)
    draw_more(mapped, 9)
    held = present(index, mapped)
    assert agrees(held, mapped)
    assert held is not None
    assert [len(part.ids) for part in held.parts] == [49, 0]


def is_mapped(held: Held | None) -> bool:
    """Whether the large part is in a file."""
    assert held is not None
    memory: object = held.parts[0].rows
    while isinstance(memory, np.ndarray):
        memory = memory.base
    return memory is not None


@pytest.mark.parametrize(("most", "free"), [(1 << 20, 1 << 30), (1 << 20, None), (0, 1 << 30), (1 << 20, 1000)])
def test_a_program_that_searches_often_has_a_copy_where_there_is_room(
    mapped: Library, most: int, free: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transhash.library.embedding_index.MOST_BYTES", most)
    monkeypatch.setattr("transhash.library.embedding_index.free_memory", lambda: free)
    has_room = most > 0 and free != 1000
    index = index_of(mapped)
    assert is_mapped(present(index, mapped))
    load(index, mapped)
    for _ in range(2):  # of the file, and of the next one
        held = present(index, mapped)
        assert agrees(held, mapped)
        assert is_mapped(held) == (not has_room)
        assert held is not None
        assert not has_room or held.parts[0].rows.ctypes.data % LINE == 0
        draw_more(mapped, 9)


def test_a_library_that_has_become_small_has_no_file(mapped: Library) -> None:
    mapped.remove(mapped.passing()[:20])
    with mapped.catalogue.writing():
        mapped.catalogue.database.execute("DELETE FROM embedding WHERE picture NOT IN (SELECT id FROM picture)")
    mapped.searching.settle()
    assert not (mapped.path / EMBEDDINGS).exists()


@pytest.mark.parametrize("room", [False, True])
def test_where_no_file_can_be_written_embeddings_are_read_from_the_catalogue_or_held(
    library: Library, room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("transhash.library.embedding_index.MAPPED", 30)
    if room:
        monkeypatch.setattr(embedding_file, "write", full)
    else:
        monkeypatch.setattr("transhash.library.embedding_index.ROOM", 1 << 60)
    library.searching.settle()
    index = index_of(library)
    assert not index.file.exists()
    assert present(index, library) is None
    load(index, library)
    assert agrees(present(index, library), library)
    forget(library, 7)
    assert agrees(present(index, library), library)


def test_embeddings_of_two_lengths_are_in_no_file_and_an_old_one_is_not_used(mapped: Library) -> None:
    mapped.catalogue.database.execute("UPDATE embedding SET kept = x'01' WHERE picture = 7")
    before = (mapped.path / EMBEDDINGS).read_bytes()
    draw_more(mapped, 9)
    assert (mapped.path / EMBEDDINGS).read_bytes() == before
    assert present(index_of(mapped), mapped) is None
    forget(mapped, 7)  # a change, so that it is looked at
    mapped.catalogue.database.execute("INSERT INTO embedding VALUES (7, x'01')")
    assert index_of(mapped).misfit(source(mapped)) == "its embeddings are of another length"


LAYOUTS = [np.asfortranarray, lambda rows: np.repeat(rows, 2, axis=1)[:, ::2], lambda rows: rows.astype(np.int64)]


@pytest.mark.parametrize("laid_out", LAYOUTS)
def test_the_embeddings_of_queries_may_lie_in_memory_in_any_way(
    laid_out: Callable[[NDArray[np.int8]], NDArray[np.int8]],
) -> None:
    queries = np.random.default_rng(0).integers(-127, 128, (6, 40)).astype(np.int8)
    held = Held.of_one(Part(np.arange(6), queries[::-1].copy(), np.ones(6, np.bool_)))
    ids = np.tile(np.arange(6), (6, 1))
    expected = [cosines(query, queries[::-1]) for query in queries]
    np.testing.assert_array_equal(held.likeness(laid_out(queries), ids), expected)


def test_more_are_compared_of_more_pictures() -> None:
    assert [candidates(count) for count in (0, 1, 16_384, 10**6, 10**7)] == [FEWEST, FEWEST, FEWEST, 4000, MOST]


def test_a_picture_without_an_embedding_keeps_the_place_that_its_code_gives_it() -> None:
    near = Near(np.array([[0, 2, 3, 4, -1]], np.int32), np.array([[4, 5, 6, 7, -1]]))
    ordered = by_likeness(near, np.array([[np.nan, 0.1, np.nan, 0.9, np.nan]], np.float32), 5, 5)
    assert ordered.ids.tolist() == [[4, 7, 6, 5, -1]]
    assert ordered.distances.tolist() == [[0, 4, 3, 2, -1]]
    assert ordered.likeness is not None
    assert np.isnan(ordered.likeness[0, [0, 2, 4]]).all()


@pytest.mark.parametrize("found", [1, 7, COMPARED, COMPARED + 60])
@pytest.mark.parametrize("k", [1, 10, COMPARED, COMPARED + 30, 2 * COMPARED])
def test_the_most_alike_are_those_that_a_stable_sort_of_all_puts_first(found: int, k: int) -> None:
    rng = np.random.default_rng(found + k)
    near = Near(rng.integers(0, 64, (9, found)).astype(np.int32), rng.integers(-1, 9, (9, found)))
    likeness = (rng.integers(-3, 4, (9, found)) / 4).astype(np.float32)  # many are equal
    likeness[rng.random((9, found)) < 0.1] = -0.0
    likeness[rng.random((9, found)) < 0.1] = np.nan

    ordered = by_likeness(near, likeness, k, COMPARED)

    for row in range(9):
        first = range(min(found, COMPARED))
        there = [place for place in first if near.ids[row, place] >= 0]
        moving = iter(
            sorted((place for place in there if not np.isnan(likeness[row, place])), key=lambda p: -likeness[row, p])
        )
        places = [place if np.isnan(likeness[row, place]) else next(moving) for place in there]
        places += [place for place in first if near.ids[row, place] < 0] + list(range(COMPARED, found))
        assert ordered.ids[row].tolist() == near.ids[row][places[:k]].tolist()
        assert ordered.distances[row].tolist() == near.distances[row][places[:k]].tolist()


@pytest.mark.parametrize("none", [0.0, 0.1])
@pytest.mark.parametrize("found", [1, 7, 300])
@pytest.mark.parametrize("k", [1, 10, 64])
def test_the_order_in_which_candidates_come_makes_no_difference(k: int, found: int, none: float) -> None:
    rng = np.random.default_rng(found + k)
    k = min(k, found)
    distances = rng.integers(0, 5, (9, found)).astype(np.int32)
    ids = rng.permuted(np.tile(np.arange(found), (9, 1)), axis=1)
    empty = rng.random((9, found)) < rng.random((9, 1))  # by a limit in bits
    distances[empty], ids[empty] = -1, -1
    likeness = (rng.integers(-3, 4, (9, found)) / 4).astype(np.float32)  # many are equal
    likeness[(rng.random((9, found)) < none) | empty] = np.nan

    picked = most_alike(Near(distances, ids), likeness, k)

    order = np.lexsort((ids, distances, ids < 0))
    in_order = (np.take_along_axis(each, order, 1) for each in (distances, ids))
    expected = by_likeness(Near(*in_order), np.take_along_axis(likeness, order, 1), k, found)
    for one, other in zip(picked[:3], expected[:3], strict=True):
        np.testing.assert_array_equal(one, other)


def test_there_may_be_more_only_where_the_last_hit_asked_for_is_within_the_limits(library: Library) -> None:
    queries = Queries(library.codes().reconstruct([1]), None)
    for k, limit, full in ((1, 0, True), (40, 0, False), (40, None, True), (41, None, False)):
        assert library.searching.ranked(queries, Options(k, max_distance=limit)).is_full == [full], (k, limit)
