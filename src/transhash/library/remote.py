"""Libraries that are elsewhere: which class opens an address. A folder has none of these schemes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from transhash.errors import LibraryError

if TYPE_CHECKING:
    from transhash.library.library import Library
    from transhash.model import HashModel


def is_address(place: str | os.PathLike[str]) -> bool:
    """Whether this is the address of a library elsewhere, and not a path."""
    return isinstance(place, str) and "://" in place


def open_address(place: str | os.PathLike[str], model: HashModel | None) -> Library | None:
    """The library at an address; None when `place` is a path. Raises `LibraryError`."""
    if isinstance(place, str) and place.startswith(("milvus://", "milvus+tls://")):
        from transhash.library.milvus import MilvusLibrary

        return MilvusLibrary(place, model)
    if is_address(place):
        raise LibraryError(f"{place}: no library can be opened by such an address; give a folder, or milvus://…")
    return None
