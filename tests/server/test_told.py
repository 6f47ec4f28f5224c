"""Pictures in JSON that SQLite puts together: byte for byte what Python would write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from damages import DAMAGES
from transhash.errors import LibraryError
from transhash.library.catalogue import written as plain
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import Facts
from transhash.library.catalogue.kinds import Kind
from transhash.library.catalogue.records import Coded, File
from transhash.library.files.paths import Places
from transhash.library.pictures import described, written
from transhash.server.found import told

PLACES = Places(b"/library")


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    facts = Facts("toy", "0" * 64, 64, b"", "2026-01-01")
    with closing(Catalogue(tmp_path / "catalogue.sqlite", new=facts)) as made:
        yield made


def put(catalogue: Catalogue, folder: bytes, name: bytes, mtime_ns: int = 10**18, taken: int | None = None) -> int:
    with catalogue.writing():
        coded = Coded(640, 480, b"\xab" * 8, None, None, taken)
        return catalogue.pictures.put_all([(File(folder, name, 12345, mtime_ns, bytes(range(16))), coded)])[0]


names = st.one_of(
    st.text(min_size=1, max_size=9).map(lambda text: text.encode("utf-8", "replace")), st.binary(min_size=1)
)
folders = st.one_of(st.just(b""), st.just(b"/"), st.just(b"https:"), st.just(b"a/ b"), names)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    folder=folders,
    name=names.map(lambda name: name.translate(None, b"/\0")).filter(lambda name: name not in (b"", b".", b"..")),
    mtime_ns=st.integers(-(2**63), 2**63 - 1),
    taken=st.none() | st.integers(-62135596800, 253402300799),
)
def test_any_picture_is_written_as_python_writes_it(
    catalogue: Catalogue, folder: bytes, name: bytes, mtime_ns: int, taken: int | None
) -> None:
    folder = folder.translate(None, b"\0").replace(b"..", b".")
    id_ = put(catalogue, folder, name, mtime_ns, taken)
    with catalogue.reading():
        found, known = written(catalogue, PLACES, [id_])[id_], described(catalogue, PLACES, [id_])[id_]
    assert told(found) == told(known)
    assert told(found).encode() == to_json(known.to_dict())


@pytest.mark.parametrize("name", ["a.jpg", "ä b.jpg", 'quote " and \\.png', "tab\t\x1f\x7f.png", "\U0001f600.gif"])
def test_sqlite_writes_what_is_plain(catalogue: Catalogue, name: str) -> None:
    id_ = put(catalogue, "Üb er/2024".encode(), name.encode(), taken=0)
    assert [*plain.written(catalogue.database, [id_])] == [id_]


def test_users_own_columns_are_in_between(catalogue: Catalogue) -> None:
    first, second = put(catalogue, b"a", b"b"), put(catalogue, b"a", b"c")
    with catalogue.writing():
        columns = catalogue.columns.added({"label": Kind.TEXT, "when": Kind.DATE, "share": Kind.NUMBER})
        values = {columns["label"].id: "ü", columns["when"].id: 0, columns["share"].id: 0.00001}
        catalogue.columns.set_values([(second, values)])
    found, known = written(catalogue, PLACES, [first, second]), described(catalogue, PLACES, [first, second])
    assert [told(found[id_]) for id_ in (first, second)] == [told(known[id_]) for id_ in (first, second)]
    assert '"columns":{"label":"ü","when":"1970-01-01T00:00:00","share":' in told(found[second])


def test_one_that_is_odd_takes_nothing_from_the_others(catalogue: Catalogue) -> None:
    ids = [put(catalogue, b"a", name) for name in (b"a.jpg", b"caf\xe9.jpg", b"b.jpg")]
    found = written(catalogue, PLACES, [*ids, 10**6])
    assert sorted(found) == ids
    assert '"name":"caf?.jpg"' in told(found[ids[1]])


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused(catalogue: Catalogue, damage: str) -> None:
    id_ = put(catalogue, b"a", b"b")
    catalogue.database.execute(damage)
    with pytest.raises(LibraryError, match="damaged"):
        written(catalogue, PLACES, [id_])
