"""What rows of the catalogue are outside of it: files, what became of them, and states of the whole."""

from __future__ import annotations

from typing import NamedTuple

ADDED = "added"  # the folder of pictures that `Library.add` has put away


class Revision(NamedTuple):
    """A state of a catalogue: the next transaction has the next number, and another name in a copy of the catalogue."""

    number: int
    name: str  # hex


class Known(NamedTuple):
    """What the catalogue knows of a file before it is looked at."""

    name: bytes
    id: int
    size: int
    mtime_ns: int
    digest: bytes
    vanished: bool
    reason: str | None
    remedy: str | None
    is_embedded: bool = True  # its embedding is there


class File(NamedTuple):
    """A file as it was found: where, and what tells whether it has changed."""

    folder: bytes
    name: bytes
    size: int
    mtime_ns: int
    digest: bytes


class Origin(NamedTuple):
    """Which model codes come from."""

    base: str  # fingerprint of the model itself, which its embeddings come from
    fingerprint: str  # of the model with the hash layers that made the codes


class Coded(NamedTuple):
    """What came of a file's content: a code, or (then `code` is None) the reason why there is none, and the remedy."""

    width: int
    height: int
    code: bytes | None
    reason: str | None
    remedy: str | None
    taken: int | None = None  # by the camera's clock, seconds since 1970 in no time zone
    embedding: bytes | None = None  # what the model says of it, a byte a value
    origin: Origin | None = None  # of the code; None: it is one of the library's present hash layers


class Twin(NamedTuple):
    """A picture with the content that is looked for."""

    id: int
    folder: bytes
    name: bytes
    coded: Coded
    size: int
    mtime_ns: int
    vanished: bool


class Placed(NamedTuple):
    """Where a picture is, and its size in pixels."""

    folder: bytes
    name: bytes
    width: int
    height: int


class Indexed(NamedTuple):
    """A picture that search can find, and its file as it was indexed."""

    id: int
    folder: bytes
    name: bytes
    size: int
    mtime_ns: int
    digest: bytes
    width: int
    height: int
    code: bytes
    taken: int | None
