"""The file of what orders the hits of a library, to be mapped into memory: derived from the catalogue.

These are its embeddings, or what hash layers of its own make of them (`Head.ordered`). It is made again when it is old.

Layout (little-endian): 8 bytes magic, uint32 header length, uint32 CRC-32 of the header, the header as JSON (how many,
how long, of which revision and hash layers, CRC-32 of what follows), then from byte 4096 the rows int8 [N, V] and their
ids int64 [N], which ascend.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.library.catalogue.records import Revision
from transhash.plain import parsed
from transhash.system import aligned, replacing

MAGIC = b"THvalues"
PREFIX = struct.Struct("<8sII")
START = 4096  # of the embeddings: that of a page
ID_BYTES = 8


@dataclass(frozen=True)
class Head:
    """What a file says of itself."""

    count: int  # N
    values: int  # V
    revision: Revision  # of the catalogue, that the embeddings are of
    layers: str  # fingerprint of the hash layers that have mapped them; nothing for embeddings as they are
    rows_crc: int
    ids_crc: int


class Kept(NamedTuple):
    """What is in a file."""

    head: Head
    ids: NDArray[np.int64]  # [N], ascending
    rows: NDArray[np.int8]  # [N, V], mapped or in memory


def write(path: Path, revision: Revision, layers: str, pages: Iterable[tuple[Sequence[int], Sequence[bytes]]]) -> None:
    """Write what orders the pictures of a catalogue, by id; nothing where there is none, or of several lengths.

    Raises `OSError` when there is no room, or nothing may be written here; what was there stays.
    """
    ids, values, crc = bytearray(), 0, 0
    with suppress(_UnevenError), replacing(path) as file:
        file.seek(START)
        for some, kept in pages:
            values = values or len(kept[0])
            if set(map(len, kept)) != {values}:
                raise _UnevenError
            ids += np.array(some, "<i8").tobytes()
            rows = b"".join(kept)
            crc = zlib.crc32(rows, crc)
            file.write(rows)
        if not values:
            raise _UnevenError
        file.write(ids)
        _write_head(file, Head(len(ids) // ID_BYTES, values, revision, layers, crc, zlib.crc32(ids)))


class _UnevenError(Exception):
    """What ends the writing of a file that is not to be."""


def _write_head(file: BinaryIO, head: Head) -> None:
    header = json.dumps(asdict(head)).encode()
    file.seek(0)
    file.write(PREFIX.pack(MAGIC, len(header), zlib.crc32(header)) + header)


def head_of(path: Path) -> Head | None:
    """What a file says of itself; None where there is none, or another than `write` makes."""
    with suppress(OSError, ValueError, struct.error, LookupError, TypeError), open(path, "rb") as file:
        return _head(file)
    return None


def _head(file: BinaryIO) -> Head:
    """Raises one of many errors for what `write` does not make."""
    magic, length, crc = PREFIX.unpack(file.read(PREFIX.size))
    header = file.read(min(length, START))
    if magic != MAGIC or zlib.crc32(header) != crc:
        raise ValueError
    said = parsed(header)
    number, name = said["revision"]
    revision, layers = Revision(number, name), said["layers"]
    head = Head(said["count"], said["values"], revision, layers, said["rows_crc"], said["ids_crc"])
    numbers = head.count, head.values, number, head.rows_crc, head.ids_crc
    if not all(type(each) is int and 0 <= each < 1 << 48 for each in numbers) or {type(name), type(layers)} != {str}:
        raise ValueError
    if os.fstat(file.fileno()).st_size != START + head.count * (head.values + ID_BYTES) or not head.count * head.values:
        raise ValueError
    return head


def read(path: Path, *, in_memory: bool = False) -> Kept | None:
    """What a file has, its embeddings mapped or in memory; None where there is none, or another than `write` makes.

    Its ids are checked, not its embeddings (`is_whole`): to read them all takes longer than a search.
    """
    with suppress(OSError, ValueError, struct.error, LookupError, TypeError), open(path, "rb", buffering=0) as file:
        head = _head(file)
        size = head.count * head.values
        rows = _in_memory(file, size) if in_memory else _mapped(file, size)
        ids = np.fromfile(file, "<i8", head.count, offset=START + size - file.tell())
        if zlib.crc32(ids.data) == head.ids_crc and (ids[1:] > ids[:-1]).all():
            return Kept(head, ids.astype(np.int64), rows.reshape(head.count, head.values))
    return None


def _mapped(file: FileIO, size: int) -> NDArray[np.int8]:
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if hasattr(mmap, "MADV_RANDOM"):  # else the disk reads a hundred rows for each that is asked for
        data.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(data, np.int8, size, START)


def _in_memory(file: FileIO, size: int) -> NDArray[np.int8]:
    """A copy: memory may have large pages, a file has not."""
    rows, done = aligned((size,), np.int8), 0
    file.seek(START)
    while done < size:  # a system reads two gigabytes at most at a time
        some = file.readinto(rows[done:].data)
        if not some:
            raise ValueError
        done += some
    rows.flags.writeable = False  # as those that are mapped
    return rows


def is_whole(kept: Kept) -> bool:
    """Whether the embeddings are those that were written."""
    return zlib.crc32(kept.rows.reshape(-1).view(np.uint8).data) == kept.head.rows_crc
