"""Opening a library wherever it is: what its address says about where that is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeGuard

from transhash.errors import LibraryError
from transhash.library import Library

if TYPE_CHECKING:
    from transhash.library.searchable import Searchable
    from transhash.model import Encoder
    from transhash.remote.milvus import MilvusLibrary


def open_library(address: str | os.PathLike[str], model: Encoder | None = None) -> Searchable:
    """The library in a folder (`Library`), behind a server (http://host:8017), or in Milvus (milvus://host/collection).

    What each can do beyond `Searchable` is in its own class. Raises `LibraryError` when there is none, or when its
    codes do not come from `model`, if one is given.
    """
    if isinstance(address, str) and address.startswith(("http://", "https://")):
        from transhash.remote.http import HttpLibrary

        return HttpLibrary(address, model)
    if is_milvus(address):
        return open_collection(address, model)
    if isinstance(address, str) and "://" in address:
        raise LibraryError(address, "no library has such an address", "give a folder, http://… or milvus://…")
    return Library.open(address, model)


def open_collection(address: str, model: Encoder | None = None) -> MilvusLibrary:
    """The collection in Milvus at an address (milvus://host/collection); raises `LibraryError` as `open_library`."""
    from transhash.remote.milvus import MilvusLibrary

    return MilvusLibrary(address, model)


def is_milvus(address: object) -> TypeGuard[str]:
    """Whether this is the address of a collection in Milvus."""
    return isinstance(address, str) and address.startswith(("milvus://", "milvus+tls://"))
