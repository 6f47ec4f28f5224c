"""Places by path or URL (s3://…, gs://…, whatever fsspec knows), and the packages that reading them needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple
from uuid import uuid4

from transhash.errors import DataError
from transhash.system import needs

WRITING = ".writing-"  # before the name of a file that is not whole


class Place(NamedTuple):
    """A folder or a file: its file system and its path there."""

    files: Any  # an fsspec file system
    path: str
    url: str  # as the user named it

    def below(self, name: str) -> Place:
        """Something in this folder."""
        return Place(self.files, f"{self.path.rstrip('/')}/{name}", f"{self.url.rstrip('/')}/{name}")


def place(url: str | os.PathLike[str]) -> Place:
    """A path or URL; raises `DataError` for a scheme that is not known."""
    with needs("encode"):
        import fsspec
    named = os.fspath(url)
    try:
        files, path = fsspec.core.url_to_fs(named)
    except (ValueError, ImportError) as error:
        raise DataError(named, f"cannot be reached ({error})", "install what it needs, or give a path") from error
    return Place(files, path, named)


@contextmanager
def replacing(target: Place) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `target` when it is whole; what breaks off leaves only a scrap."""
    folder, _, name = target.path.rpartition("/")
    scrap = f"{folder}/{WRITING}{uuid4().hex}-{name}"
    is_local = "file" in _schemes(target.files)
    with target.files.open(scrap, "wb") as file:
        yield file
        if is_local:
            file.flush()
            os.fsync(file.fileno())
    if is_local:
        os.replace(scrap, target.path)
    else:
        target.files.mv(scrap, target.path)  # object stores put a copy in place whole


def _schemes(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)
