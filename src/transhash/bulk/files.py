"""Places by path or URL (s3://…, gs://…, whatever fsspec knows), and the packages that reading them needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, NamedTuple
from uuid import uuid4

from transhash.errors import DataError
from transhash.system import needs

GO_ON = "when that is corrected, the same command goes on from here"
WRITING = ".writing-"  # before the name of a file that is not whole


class Place(NamedTuple):
    """A folder or a file: its file system and its path there."""

    files: Any  # an fsspec file system
    path: str
    url: str  # as the user named it

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk of this machine, as far as its address says."""
        protocol = self.files.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else tuple(protocol))

    @property
    def whole(self) -> str:
        """An address that means the same in whatever folder a program runs."""
        return self.path if self.is_local else self.url.rstrip("/")

    def below(self, name: str) -> Place:
        """Something in this folder."""
        return Place(self.files, f"{self.path.rstrip('/')}/{name}", f"{self.url.rstrip('/')}/{name}")


def place(url: str | os.PathLike[str]) -> Place:
    """A path or URL; raises `DataError` for none, and for a scheme that is not known."""
    with needs("encode"):
        import fsspec
    named = os.fspath(url)
    if not named:
        raise DataError("", "a path is empty", "give a path or a URL")
    if named.startswith("file://") or not ("://" in named or named.startswith("data:")):  # fsspec would cut `a::b`
        local = fsspec.filesystem("file")
        return Place(local, local._strip_protocol(named), named)
    try:
        files, path = fsspec.core.url_to_fs(named)
    except (ValueError, ImportError) as error:
        raise DataError(named, f"cannot be reached ({error})", "install what it needs, or give a path") from error
    return Place(files, path, named)


@contextmanager
def replacing(target: Place) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `target` when it is whole; what is killed leaves only a scrap.

    Raises `DataError` where nothing can be written.
    """
    folder, _, name = target.path.rpartition("/")
    scrap = f"{folder}/{WRITING}{uuid4().hex}-{name}"
    try:
        with target.files.open(scrap, "wb") as file:
            yield file
            if target.is_local:
                file.flush()
                os.fsync(file.fileno())
        if target.is_local:
            os.replace(scrap, target.path)
        else:
            target.files.mv(scrap, target.path)  # object stores put a copy in place whole
    except OSError as error:
        if isinstance(error, FileNotFoundError) and target.files.exists(target.path):
            return  # another process made the same file, was done, and cleared scraps away
        with suppress(OSError):
            target.files.rm_file(scrap)
        raise DataError(target.url, f"cannot be written ({reason(error)})", GO_ON) from error


def reason(error: Exception) -> str:
    """What an error says, on one line."""
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__
