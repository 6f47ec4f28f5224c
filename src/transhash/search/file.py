"""The file of an index: a checksummed JSON header, then arrays, aligned so that they can be mapped into memory.

Layout (little-endian): 8 bytes magic, uint32 version, uint32 header length, uint32 CRC-32 of the header, the
header as JSON, then each array at the next multiple of 64.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from transhash.errors import HammingIndexError
from transhash.plain import JsonObject, parsed
from transhash.search.words import Arrays
from transhash.system import replacing

MAGIC = b"THamming"
VERSION = 1
PREFIX = struct.Struct("<8sIII")
_ALIGN = 64
_DTYPES = {name: name for name in ("<i8", "<u8", "<u4")}  # of what an index consists of


def write(path: str | os.PathLike[str], head: JsonObject, arrays: Arrays) -> None:
    """Write atomically: a reader sees the old file or the new one, and a failure leaves the old one."""
    path = named(path)
    arrays = {name: np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for name, array in arrays.items()}
    table = [
        {
            "name": name,
            "dtype": array.dtype.str,
            "shape": array.shape,
            "crc": zlib.crc32(_bytes(array)),
        }
        for name, array in arrays.items()
    ]
    header = json.dumps({**head, "arrays": table}).encode()
    try:
        with replacing(path) as file:
            file.write(PREFIX.pack(MAGIC, VERSION, len(header), zlib.crc32(header)))
            file.write(header)
            for array in arrays.values():
                file.write(bytes(-file.tell() % _ALIGN))
                file.write(_bytes(array))
    except OSError as error:
        raise HammingIndexError(
            path, f"the index could not be written ({error.strerror or error})", "free space or choose another file"
        ) from error


def read(path: str | os.PathLike[str], map_memory: bool, verify: bool) -> tuple[JsonObject, Arrays]:
    """Header and read-only arrays; raises HammingIndexError naming what is damaged.

    The header and the length are always checked; the arrays' checksums when `verify` is true: only then may a kernel
    trust the offsets in them.
    """
    path = named(path)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            head, start = _read_header(path, file.read(PREFIX.size), file, size)
            if map_memory and size:
                data: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            else:
                file.seek(0)
                data = file.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise HammingIndexError(
            path, f"no index can be read here ({reason})", "give the file that save() wrote"
        ) from error
    arrays = {}
    for name, dtype, shape, checksum in _table(path, head.pop("arrays", None)):
        count = math.prod(shape)
        start += -start % _ALIGN
        if start + count * dtype.itemsize > size:
            raise HammingIndexError(
                path,
                f"the file is truncated, '{name}' ends at byte {start + count * dtype.itemsize} but the file has "
                f"{size}",
                "build the index again",
            )
        array = np.frombuffer(data, dtype, count, start).reshape(shape)
        if verify and zlib.crc32(_bytes(array)) != checksum:
            raise HammingIndexError(path, f"'{name}' was altered, its checksum is wrong", "build the index again")
        array = array.astype(dtype.newbyteorder("="), copy=False)
        array.flags.writeable = False
        arrays[name] = array
        start += count * dtype.itemsize
    if start != size:
        raise HammingIndexError(
            path,
            f"the index ends at byte {start} but the file has {size}: something was appended",
            "build the index again",
        )
    return head, arrays


def named(path: str | os.PathLike[str]) -> Path:
    """The path of a file; raises `HammingIndexError` for what is none."""
    try:
        return Path(path)
    except TypeError:
        raise HammingIndexError(
            "", f"the path is {path!r:.40}", "give the name of a file as a text or a Path"
        ) from None


def _read_header(path: Path, prefix: bytes, file: Any, size: int) -> tuple[JsonObject, int]:
    if len(prefix) < PREFIX.size or not prefix.startswith(MAGIC):
        raise HammingIndexError(path, "this is not a Hamming index", "give the file that save() wrote")
    _, version, length, checksum = PREFIX.unpack(prefix)
    if version != VERSION:
        raise HammingIndexError(
            path,
            f"the file has format version {version} and this program reads {VERSION}",
            f"{('update transhash' if version > VERSION else 'build the index again')}",
        )
    header = file.read(min(length, size))
    if len(header) != length or zlib.crc32(header) != checksum:
        raise HammingIndexError(path, "the header is damaged", "build the index again")
    try:
        head = parsed(header)
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict):
        raise HammingIndexError(path, "the header is not what save() writes", "build the index again")
    return head, PREFIX.size + length


def _table(path: Path, entries: Any) -> list[tuple[str, np.dtype[Any], tuple[int, ...], int]]:
    """Name, dtype, shape and checksum of each array, as the header has them."""
    try:
        table = [
            (
                str(entry["name"]),
                np.dtype(_DTYPES[entry["dtype"]]),
                tuple(_count(side) for side in entry["shape"]),
                _count(entry["crc"]),
            )
            for entry in entries
        ]
    except (TypeError, LookupError, ValueError):
        table = []
    if not table or len({name for name, *_ in table}) < len(table):
        raise HammingIndexError(path, "the header is not what save() writes", "build the index again")
    return table


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _bytes(array: np.ndarray[Any, Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
