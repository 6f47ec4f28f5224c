"""Verifying: a sound library passes, and each kind of damage is named."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from collection import draw
from fake_model import FakeModel
from transhash import HammingIndex, Library
from transhash.images import Source
from transhash.library.catalogue.database import CATALOGUE
from transhash.library.catalogue.records import Indexed
from transhash.library.files.verifying import UNSURE, look
from transhash.library.opening import CODES
from transhash.library.results import Verification
from transhash.model import Encoded


@pytest.fixture
def filled(library: Library, photos: Path) -> Library:
    library.index(photos)
    library.annotate({"cat-0.png": {"label": "x"}})
    return library


def change(library: Library, sql: str) -> None:
    with sqlite3.connect(library.path / CATALOGUE) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("PRAGMA writable_schema = ON")
        database.execute(sql)
    database.close()


def what(result: Verification) -> list[str]:
    assert all(problem.remedy for problem in result.problems)
    return [problem.what for problem in result.problems]


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_library_passes(filled: Library, deep: bool) -> None:
    told: list[tuple[object, ...]] = []
    result = filled.verify(deep=deep, progress=lambda *said: told.append(said))

    assert result == Verification(pictures=6, files=6 * deep, encoded=6 * deep)
    assert told == [("reading files", 6, 6, "")] * deep


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("UPDATE picture SET code = x'00' WHERE id = 2", "1 pictures have codes of another length"),
        ("UPDATE picture SET code = '8 bytes.' WHERE id = 2", "1 pictures have codes of another length"),
        ("UPDATE own_value SET value = 7", "1 values in its column 'label' are not of the column's kind"),
        ("UPDATE own_column SET kind = 'colour'", "1 values in its column 'label' are not of the column's kind"),
        ("UPDATE picture SET digest = x'00'", "6 pictures have no proper digest"),
        ("UPDATE picture SET name = CAST('../x.png' AS BLOB) WHERE id = 1", "1 pictures have no proper name"),
        ("UPDATE picture SET size = 'much' WHERE id = 1", "1 pictures have sizes or times that are no numbers"),
        (
            "UPDATE folder SET path = CAST('../cat' AS BLOB) WHERE path = CAST('cat' AS BLOB)",
            "3 pictures have a folder",
        ),
        (
            "UPDATE picture SET folder = 99 WHERE id = 1",
            "the catalogue is damaged (a row of picture refers to no folder)",
        ),
        ("DELETE FROM own_column", "the catalogue is damaged (a row of own_value refers to no own_column)"),
        (
            "UPDATE picture SET fault = NULL, code = NULL WHERE id = 1",
            "the catalogue is damaged (CHECK constraint failed",
        ),
        ("DELETE FROM sqlite_master WHERE name = 'picture_digest'", "the catalogue is damaged (Page "),
    ],
)
def test_damage_in_the_catalogue_is_named(filled: Library, sql: str, expected: str) -> None:
    change(filled, sql)
    with Library.open(filled.path, FakeModel()) as library:
        found = what(library.verify())
    assert len(found) == 1
    assert expected in found[0]


def test_overwritten_pages_are_named(filled: Library) -> None:
    filled.close()
    catalogue = filled.path / CATALOGUE
    content = bytearray(catalogue.read_bytes())
    content[4096 * 2 :] = b"\xaa" * (len(content) - 4096 * 2)
    catalogue.write_bytes(content)
    with Library.open(filled.path, FakeModel()) as library:
        assert "catalogue" in what(library.verify())[0]


@pytest.mark.parametrize("kind", ["missing", "damaged", "stale", "other codes"])
def test_an_index_file_that_does_not_fit_is_built_anew(filled: Library, photos: Path, kind: str) -> None:
    file = filled.path / CODES
    revision = HammingIndex.open(file, mmap=False).meta["revision"]
    if kind == "missing":
        file.unlink()
    elif kind == "damaged":
        file.write_bytes(file.read_bytes()[:-1] + b"\x99")
    elif kind == "stale":
        filled.catalogue.database.execute("UPDATE revision SET name = randomblob(8)")
    else:
        other = HammingIndex(64, meta={"revision": revision})
        other.add(np.zeros((6, 8), np.uint8), np.arange(1, 7))
        other.save(file)

    result = filled.verify()
    assert (what(result), len(result.mended)) == ([], 1)
    assert result.mended[0].endswith("; it was built again from the catalogue")
    assert filled.verify().mended == []
    assert filled.search(photos / "cat" / "cat-0.png", k=1)[0].path == photos / "cat" / "cat-0.png"


def test_a_model_that_is_not_at_hand_is_a_problem(filled: Library) -> None:
    with Library.open(filled.path) as library:
        result = library.verify(deep=True)
    assert [problem[:15] for problem in what(result)] == [f"{filled.path}: its model fake"[:15]]
    assert result.problems[0].remedy == "name the model's folder (--model), or give `Library.open` the encoder"
    assert (result.files, result.encoded) == (6, 0)


def test_deep_compares_files_with_what_was_indexed(filled: Library, photos: Path) -> None:
    (photos / "cat" / "cat-0.png").unlink()
    draw(photos / "cat" / "cat-1.png", 99)
    silent = photos / "dog" / "dog-0.png"
    os.utime(silent, (1_600_000_000, 1_600_000_000))  # long before it is looked at
    filled.index(photos / "dog")
    content, status = bytearray(silent.read_bytes()), os.stat(silent)
    content[-20] ^= 1
    silent.write_bytes(content)
    os.utime(silent, ns=(status.st_atime_ns, status.st_mtime_ns))
    change(filled, "UPDATE picture SET code = x'0000000000000000' WHERE name = CAST('dog-1.png' AS BLOB)")

    assert what(filled.verify()) == []
    assert what(filled.verify(deep=True)) == [
        f"1 files are gone: {photos / 'cat' / 'cat-0.png'}",
        f"1 files have changed since they were indexed: {photos / 'cat' / 'cat-1.png'}",
        f"1 files have another content than was indexed, under the same size and time: {silent}",
        f"1 files are encoded to other codes than the library has: {photos / 'dog' / 'dog-1.png'}",
    ]


def test_a_bit_that_rounding_may_change_is_no_fault(
    filled: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = photos / "dog" / "dog-1.png"
    values = FakeModel().values([path])[0]
    bit = min(np.flatnonzero(np.abs(values) > UNSURE), key=lambda i: abs(values[i]))
    code = np.packbits((values > 0) ^ (np.arange(len(values)) == bit))
    change(filled, f"UPDATE picture SET code = x'{code.tobytes().hex()}' WHERE name = CAST('dog-1.png' AS BLOB)")

    assert len(what(filled.verify(deep=True))) == 1
    monkeypatch.setattr(FakeModel, "rounding", 1.01 * abs(values[bit]) / np.sqrt(np.mean(values**2)))
    assert what(filled.verify(deep=True)) == []


class NoValues(FakeModel):
    """A model that gives codes alone."""

    def one(self, item: object, source: Source, max_pixels: int) -> Encoded:
        encoded = super().one(item, source, max_pixels)
        return Encoded(item, encoded.code, None, encoded.error, encoded.width, encoded.height)


def test_of_a_model_that_gives_codes_alone_one_other_bit_is_a_fault(photos: Path) -> None:
    with Library.create(photos / ".transhash", NoValues()) as library:
        library.index(photos)
        assert what(library.verify(deep=True)) == []
        code = bytearray(FakeModel().encode([photos / "dog" / "dog-1.png"])[0].tobytes())
        code[0] ^= 1
        change(library, f"UPDATE picture SET code = x'{code.hex()}' WHERE name = CAST('dog-1.png' AS BLOB)")
        (problem,) = what(library.verify(deep=True))
    assert problem.startswith("1 files are encoded to other codes")


def test_what_is_no_file_is_not_opened(photos: Path) -> None:
    pipe = photos / "pipe.png"
    os.mkfifo(pipe)  # opening it would wait for a writer for ever
    status = os.stat(pipe)
    picture = Indexed(1, b"", b"pipe.png", status.st_size, status.st_mtime_ns, b"0" * 16, 1, 1, b"8 bytes.", None)

    assert look(os.fsencode(pipe), picture) == "unreadable"
