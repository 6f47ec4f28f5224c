"""What is sent to a server: pictures, some in a request, and JSON."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np

from transhash.images import Source, file_of
from transhash.plain import JsonObject

AT_ONCE = 8  # pictures in a request
MOST_BYTES = 24 << 20  # of the pictures in a request, if it has more than one


def name_of(source: Source) -> str:
    """What messages call a picture."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "the picture"


def batches(sources: list[Source]) -> Iterator[list[bytes]]:
    """The bytes of pictures, as many together as go into a request; raises `ImageError` for a file that has none."""
    batch: list[bytes] = []
    size = 0
    for source in sources:
        content = file_of(source, compress_level=1)
        if batch and (len(batch) == AT_ONCE or size + len(content) > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(content)
        size += len(content)
    if batch:
        yield batch


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
