"""What is sent to a server: pictures, some in a request, and JSON."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, TypeVar

import numpy as np

from transhash.images import Source, file_of
from transhash.plain import JsonObject

AT_ONCE = 8  # pictures in a request
MOST_BYTES = 24 << 20  # of the pictures in a request, if it has more than one
ROWS_AT_ONCE = 5000
MOST_OF_ROWS = 3 << 19  # bytes of the rows in a request; servers take 2 MiB

T = TypeVar("T")


def name_of(source: Source) -> str:
    """What messages call a picture."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "the picture"


def batches(sources: list[Source], most: int = MOST_BYTES) -> Iterator[list[bytes]]:
    """The bytes of pictures, as many together as go into a request; raises `ImageError` for a file that has none."""
    contents = (file_of(source, compress_level=1) for source in sources)
    return _fitting(((content, len(content)) for content in contents), AT_ONCE, most)


def parts(rows: list[JsonObject]) -> Iterator[list[JsonObject]]:
    """Rows, as many together as go into a request."""
    return _fitting(((row, len(as_json(row)[0]) + 2) for row in rows), ROWS_AT_ONCE, MOST_OF_ROWS)


def _fitting(sized: Iterable[tuple[T, int]], at_once: int, most: int) -> Iterator[list[T]]:
    """Things in groups whose sizes are `most` together; what is larger by itself is alone."""
    group: list[T] = []
    size = 0
    for each, its_size in sized:
        if group and (len(group) == at_once or size + its_size > most):
            yield group
            group, size = [], 0
        group.append(each)
        size += its_size
    if group:
        yield group


def form(contents: list[bytes]) -> tuple[bytes, str]:
    """A body of multipart/form-data, and its type."""
    boundary = secrets.token_hex(16)
    parts = []
    for number, content in enumerate(contents):
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="pictures"; filename="{number}"\r\n'
        parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", content, b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def as_json(body: JsonObject) -> tuple[bytes, str]:
    """A body of JSON, with dates and paths as texts, numbers of NumPy as numbers, and its type."""
    return json.dumps(body, default=_plain).encode(), "application/json"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if isinstance(value, date) else os.fspath(value)
