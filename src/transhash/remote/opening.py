"""Libraries that are no folder here: what the beginning of a place says about where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from transhash.errors import LibraryError

if TYPE_CHECKING:
    from transhash.model import HashModel


def elsewhere(place: object, model: HashModel | None = None) -> Any:
    """The library at an address, with the face of `Library`; None when a place is a folder. Raises `LibraryError`."""
    if isinstance(place, str) and place.startswith(("http://", "https://")):
        from transhash.remote.http import RemoteLibrary

        return RemoteLibrary(place, model)
    if is_milvus(place):
        from transhash.remote.milvus import MilvusLibrary

        return MilvusLibrary(place, model)
    if isinstance(place, str) and "://" in place:
        raise LibraryError(f"{place}: no library has such an address; give a folder, http://… or milvus://…")
    return None


def is_milvus(place: object) -> TypeGuard[str]:
    """Whether this is the address of a collection in Milvus."""
    return isinstance(place, str) and place.startswith(("milvus://", "milvus+tls://"))
