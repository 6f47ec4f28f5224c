"""Libraries that are no folder here: what the beginning of a place says about where it is."""

from __future__ import annotations

from typing import Any


def elsewhere(place: object) -> Any:
    """The library at an address, with the face of `Library`; None when a place is a folder."""
    if isinstance(place, str) and place.startswith(("http://", "https://")):
        from transhash.library.remote import RemoteLibrary

        return RemoteLibrary(place)
    return None
