"""What contents are known by: BLAKE2b of 16 bytes."""

from __future__ import annotations

import hashlib
import os

CHUNK = 1 << 20  # bytes that are read at once


def content_hash(content: bytes = b"") -> hashlib.blake2b:
    """The hash of `content`, and of what it is updated with."""
    return hashlib.blake2b(content, digest_size=16)


def file_digest(path: str | bytes | os.PathLike[str]) -> bytes:
    """The digest of a file's content; raises `OSError`."""
    digest = content_hash()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.digest()
