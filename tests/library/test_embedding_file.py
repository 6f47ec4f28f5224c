"""The file of embeddings: what it is not is not used, and `verify` finds it and makes it again."""

from __future__ import annotations

import errno
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded import index_of, ordered_library, present, with_a_file
from fittable_model import FittableModel
from transhash import Library
from transhash.library import embedding_file
from transhash.library.opening import EMBEDDINGS


@pytest.fixture
def mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library of forty pictures, with a file that its embeddings are mapped from."""
    return with_a_file(ordered_library(tmp_path), monkeypatch)


def _cut(data: bytes) -> bytes:
    return data[:-1]


def _longer(data: bytes) -> bytes:
    return data + b"x"


def _other_id(data: bytes) -> bytes:
    return data[:-8] + bytes(8)


def _other_header(data: bytes) -> bytes:
    return data.replace(b'"count": 40', b'"count": 39')


def _saying(**other: object) -> Callable[[bytes], bytes]:
    """With a header that is whole and says something else; one without any where nothing is said."""

    def spoil(data: bytes) -> bytes:
        length = embedding_file.PREFIX.unpack_from(data)[1]
        head = json.loads(data[embedding_file.PREFIX.size :][:length])
        header = json.dumps({**head, **other} if other else []).encode()
        start = embedding_file.PREFIX.pack(embedding_file.MAGIC, len(header), zlib.crc32(header)) + header
        return start.ljust(embedding_file.START, b"\0") + data[embedding_file.START :]

    return spoil


SPOILT = [
    _cut,
    _longer,
    _other_id,
    _other_header,
    _saying(),
    _saying(count=10**30),
    _saying(count=-40),
    _saying(count=True),
    _saying(count=0, values=0),
    _saying(values=1.5),
    _saying(revision=[10**30, "x"]),
    _saying(revision=[[1], "x"]),
    _saying(revision=[1, 2]),
    _saying(revision=7),
    lambda _: b"",
    lambda _: b"?" * 99,
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_damaged_file_is_not_used_and_verify_makes_it_again(mapped: Library, spoil: Callable[[bytes], bytes]) -> None:
    file = mapped.path / EMBEDDINGS
    good = file.read_bytes()
    assert mapped.verify().mended == []
    file.write_bytes(spoil(good))
    assert present(index_of(mapped), mapped) is None
    assert mapped.verify().mended == [f"{file}: damaged; it was built again from the catalogue"]
    assert file.read_bytes() == good
    assert mapped.verify().mended == []


def test_verify_finds_altered_embeddings_and_the_file_of_another_library(mapped: Library, tmp_path: Path) -> None:
    file, start = mapped.path / EMBEDDINGS, embedding_file.START
    good = file.read_bytes()
    file.write_bytes(good[:start] + bytes([good[start] ^ 1]) + good[start + 1 :])
    assert mapped.verify().mended == [f"{file}: damaged; it was built again from the catalogue"]
    mapped.catalogue.database.execute("UPDATE embedding SET kept = zeroblob(length(kept)) WHERE picture = 7")
    reason = "its embeddings are not those of the catalogue"
    assert mapped.verify().mended == [f"{file}: {reason}; it was built again from the catalogue"]
    with Library.create(tmp_path / "other", FittableModel()) as other:  # type: ignore[arg-type]
        other.index(tmp_path / "pictures")
        file.write_bytes((other.path / EMBEDDINGS).read_bytes())
    assert present(index_of(mapped), mapped) is None
    assert mapped.verify().mended == [f"{file}: older than the catalogue; it was built again from the catalogue"]


def test_a_damaged_file_that_cannot_be_replaced_is_a_problem(mapped: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    (mapped.path / EMBEDDINGS).write_bytes(b"?")

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as refused:
        refused.setattr(Path, "unlink", refuse)
        (problem,) = mapped.verify().problems
    assert "damaged, and it cannot be replaced (Permission denied)" in problem.what
