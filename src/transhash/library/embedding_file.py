"""The file of a library's embeddings, to be mapped into memory: derived from the catalogue, made again when old.

Layout (little-endian): 8 bytes magic, uint32 header length, uint32 CRC-32 of the header, the header as JSON (how many,
how long, of which revision, CRC-32 of what follows), then from byte 4096 the embeddings int8 [N, V] and their ids int64
[N], which ascend.
"""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.library.catalogue.records import Revision
from transhash.plain import JsonObject, parsed
from transhash.system import replacing

MAGIC = b"THvalues"
PREFIX = struct.Struct("<8sII")
START = 4096  # of the embeddings: that of a page


class Kept(NamedTuple):
    """What is in a file."""

    ids: NDArray[np.int64]  # [N], ascending
    rows: NDArray[np.int8]  # [N, V], mapped
    revision: Revision
    crc: int  # of the rows, as they were written

    @property
    def values(self) -> int:
        """V, the length of an embedding."""
        return int(self.rows.shape[1])


def write(path: Path, revision: Revision, pages: Iterable[tuple[tuple[int, ...], tuple[bytes, ...]]]) -> bool:
    """Write the embeddings of a catalogue, by id; False where there are none, or of several lengths.

    Raises `OSError` when there is no room, or nothing may be written here; what was there stays.
    """
    ids, values, crc = bytearray(), 0, 0
    with suppress(_UnevenError), replacing(path, lasting=False) as file:
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
        head = {"count": len(ids) // 8, "values": values, "revision": [*revision], "rows": crc, "ids": zlib.crc32(ids)}
        _write_head(file, head)
        return True
    return False


class _UnevenError(Exception):
    """What ends the writing of a file that is not to be."""


def _write_head(file: BinaryIO, head: JsonObject) -> None:
    header = json.dumps(head).encode()
    file.seek(0)
    file.write(PREFIX.pack(MAGIC, len(header), zlib.crc32(header)) + header)


def read(path: Path) -> Kept | None:
    """What a file has, its embeddings mapped; None where there is none, or another than `write` makes.

    Its ids are checked, not its embeddings (`is_whole`): to read them all takes longer than a search.
    """
    with suppress(OSError, ValueError, struct.error, LookupError, TypeError), open(path, "rb") as file:
        magic, length, crc = PREFIX.unpack(file.read(PREFIX.size))
        header = file.read(min(length, START))
        if magic == MAGIC and zlib.crc32(header) == crc:
            head = parsed(header)
            count, values, (number, name) = head["count"], head["values"], head["revision"]
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            rows = np.frombuffer(data, np.int8, count * values, START).reshape(count, values)
            ids = np.frombuffer(data, "<i8", count, START + count * values)
            if len(data) == START + count * (values + 8) and zlib.crc32(ids.data) == head["ids"]:
                return Kept(ids.astype(np.int64), rows, Revision(number, name), head["rows"])
    return None


def is_whole(kept: Kept) -> bool:
    """Whether the embeddings are those that were written."""
    return zlib.crc32(kept.rows.reshape(-1).view(np.uint8).data) == kept.crc
