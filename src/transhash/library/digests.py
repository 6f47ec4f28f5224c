"""What contents are known by: BLAKE2b of 16 bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b

CHUNK = 1 << 20  # bytes that are read at once


def content_hash(content: bytes = b"") -> blake2b:
    """The hash of `content`, and of what it is updated with."""
    from hashlib import blake2b

    return blake2b(content, digest_size=16)


def file_digest(path: str | bytes | os.PathLike[str]) -> bytes:
    """The digest of a file's content; raises `OSError`."""
    digest = content_hash()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.digest()
