"""Embeddings in memory, or mapped: those of the catalogue after every kind of change, and they order hits alike."""

from __future__ import annotations

import errno
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fittable_model import FittableModel
from kinds import LIKENESS, draw
from transhash import Library
from transhash.library import Options, Queries, embedding_file
from transhash.library.embedding_index import EmbeddingIndex, Held
from transhash.library.opening import EMBEDDINGS, disk_bytes
from transhash.library.ranking import FEWEST, MOST, Near, by_likeness, candidates
from transhash.model.fitted import cosines

COMPARED = 100


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


@pytest.fixture
def mapped(library: Library, monkeypatch: pytest.MonkeyPatch) -> Library:
    """The same, whose embeddings are many enough to be mapped from a file."""
    monkeypatch.setattr("transhash.library.embedding_index.MAPPED", 30)
    return library


def index_of(library: Library) -> EmbeddingIndex:
    """As another process has it."""
    return EmbeddingIndex(library.bits, library.path / EMBEDDINGS)


def present(index: EmbeddingIndex, library: Library) -> Held | None:
    return index.refresh(library.catalogue, 40)


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
        index.load(library.catalogue)
    assert agrees(present(index, library), library)
    assert index.file.exists() == (many < 40)

    paths = sorted((tmp_path / "pictures").iterdir())
    paths[3].write_bytes(paths[4].read_bytes())  # changed
    draw(tmp_path / "pictures", 7, seed=5)  # new
    library.index(tmp_path / "pictures")
    assert agrees(present(index, library), library)
    paths[9].unlink()
    library.index(tmp_path / "pictures", prune=True)
    library.remove(library.passing()[:2])
    forget(library, 20)
    assert agrees(present(index, library), library)
    again = index_of(library)
    if many > 40:
        again.load(library.catalogue)
    assert agrees(present(again, library), library)


def test_a_fit_changes_all_codes_and_copies_no_embedding(library: Library) -> None:
    index = index_of(library)
    index.load(library.catalogue)
    before, codes = present(index, library), library.codes()
    random = np.random.default_rng(3)
    with library.catalogue.writing():  # as a fit does
        library.catalogue.pictures.recode((id_, random.bytes(library.bits // 8)) for id_ in codes.ids.tolist())
    assert library.catalogue.pictures.changed(1) >= 40
    assert not np.array_equal(library.codes().reconstruct(codes.ids), codes.reconstruct(codes.ids))
    assert present(index, library) is before
    draw(library.path.parent / "pictures", 1, seed=9)
    library.index(library.path.parent / "pictures")
    assert agrees(present(index, library), library)


def test_embeddings_of_two_lengths_are_not_held(library: Library) -> None:
    index = index_of(library)
    index.load(library.catalogue)
    library.catalogue.database.execute("UPDATE embedding SET kept = x'01' WHERE picture = 7")
    forget(library, 8)  # which is what is looked for
    assert present(index, library) is not None
    index.load(library.catalogue)
    assert present(index, library) is None


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


def test_a_search_maps_the_embeddings_of_a_large_library_and_finds_the_same(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = library.searching.embeddings(range(1, 41))
    values = np.stack([np.frombuffer(each, np.int8) for each in kept.values()])
    queries = Queries(library.codes().reconstruct([*kept]), None, values)
    before = library.searching.ranked(queries, Options(40))
    assert library.searching.snapshot().held is None
    size = disk_bytes(library.path)
    monkeypatch.setattr("transhash.library.embedding_index.MAPPED", 40)
    with Library.open(library.path, library.model) as again:
        assert again.searching.ranked(queries, Options(40)) == before
        held = again.searching.snapshot().held
        assert held is not None
        assert not held.parts[0].rows.flags.writeable
        assert disk_bytes(library.path) == size + (library.path / EMBEDDINGS).stat().st_size


def test_the_file_is_written_again_only_when_much_has_changed(mapped: Library, tmp_path: Path) -> None:
    index = index_of(mapped)
    assert agrees(present(index, mapped), mapped)
    written = index.file.read_bytes()
    forget(mapped, 7)
    assert agrees(present(index, mapped), mapped)
    assert agrees(present(index_of(mapped), mapped), mapped)
    assert index.file.read_bytes() == written
    draw(tmp_path / "pictures", 9, seed=5)
    mapped.index(tmp_path / "pictures")
    assert agrees(present(index, mapped), mapped)
    assert index.file.read_bytes() != written


def _cut(data: bytes) -> bytes:
    return data[:-1]


def _longer(data: bytes) -> bytes:
    return data + b"x"


def _other_id(data: bytes) -> bytes:
    return data[:-8] + bytes(8)


def _other_header(data: bytes) -> bytes:
    return data.replace(b'"count": 40', b'"count": 39')


def _no_json(data: bytes) -> bytes:
    return embedding_file.PREFIX.pack(embedding_file.MAGIC, 2, zlib.crc32(b"[]")) + b"[]" + data[18:]


@pytest.mark.parametrize(
    "spoil", [_cut, _longer, _other_id, _other_header, _no_json, lambda _: b"", lambda _: b"?" * 99]
)
def test_a_damaged_file_is_written_again_and_verify_names_it(mapped: Library, spoil: Callable[[bytes], bytes]) -> None:
    present(index_of(mapped), mapped)
    file = mapped.path / EMBEDDINGS
    good = file.read_bytes()
    assert mapped.verify().mended == []
    file.write_bytes(spoil(good))
    assert embedding_file.read(file) is None
    assert mapped.verify().mended == [f"{file}: damaged; it was built again from the catalogue"]
    assert file.read_bytes() == good
    file.write_bytes(spoil(good))
    assert agrees(present(index_of(mapped), mapped), mapped)
    assert file.read_bytes() == good


def test_verify_finds_an_altered_embedding_and_a_file_of_another_library(mapped: Library, tmp_path: Path) -> None:
    present(index_of(mapped), mapped)
    file = mapped.path / EMBEDDINGS
    good = file.read_bytes()
    file.write_bytes(
        good[: embedding_file.START] + bytes([good[embedding_file.START] ^ 1]) + good[embedding_file.START + 1 :]
    )
    assert mapped.verify().mended == [f"{file}: damaged; it was built again from the catalogue"]
    with Library.create(tmp_path / "other", FittableModel()) as other:  # type: ignore[arg-type]
        other.index(tmp_path / "pictures")
        present(index_of(other), other)
    file.write_bytes((other.path / EMBEDDINGS).read_bytes())
    assert agrees(present(index_of(mapped), mapped), mapped)
    file.write_bytes((other.path / EMBEDDINGS).read_bytes())
    assert mapped.verify().mended == [f"{file}: older than the catalogue; it was built again from the catalogue"]
    assert file.read_bytes() == good


def test_where_no_file_can_be_written_embeddings_are_read_from_the_catalogue_or_held(
    mapped: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(embedding_file, "write", full)
    index = index_of(mapped)
    index.file.unlink(missing_ok=True)
    assert present(index, mapped) is None
    index.load(mapped.catalogue)
    assert agrees(present(index, mapped), mapped)
    forget(mapped, 7)
    assert agrees(present(index, mapped), mapped)


def test_embeddings_of_two_lengths_have_no_file(mapped: Library) -> None:
    mapped.catalogue.database.execute("UPDATE embedding SET kept = x'01' WHERE picture = 7")
    index = index_of(mapped)
    index.file.unlink(missing_ok=True)
    assert present(index, mapped) is None
    assert not index.file.exists()


def test_more_are_compared_of_more_pictures() -> None:
    assert [candidates(count) for count in (0, 1, 16_384, 10**6, 10**7)] == [FEWEST, FEWEST, FEWEST, 4000, MOST]


def test_pictures_without_an_embedding_come_before_places_without_a_picture() -> None:
    near = Near(np.array([[1, 2, -1]], np.int32), np.array([[4, 5, -1]]))
    ordered = by_likeness(near, np.array([[np.nan, -0.5, np.nan]], np.float32), 3, 3)
    assert ordered.ids.tolist() == [[5, 4, -1]]
    assert ordered.distances.tolist() == [[2, 1, -1]]


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
        keys = [
            3 if id_ < 0 else 2 if np.isnan(each) else -each
            for id_, each in zip(near.ids[row], likeness[row], strict=True)
        ]
        places = sorted(range(min(found, COMPARED)), key=keys.__getitem__) + list(range(COMPARED, found))
        assert ordered.ids[row].tolist() == near.ids[row][places[:k]].tolist()
        assert ordered.distances[row].tolist() == near.distances[row][places[:k]].tolist()


def test_there_may_be_more_only_where_the_last_hit_asked_for_is_within_the_limits(library: Library) -> None:
    queries = Queries(library.codes().reconstruct([1]), None)
    for k, limit, full in ((1, 0, True), (40, 0, False), (40, None, True), (41, None, False)):
        assert library.searching.ranked(queries, Options(k, max_distance=limit)).is_full == [full], (k, limit)
