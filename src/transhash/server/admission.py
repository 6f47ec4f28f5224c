"""How many connections there are: so many in all, and so many of one address.

When there are too many, one that waits for its client gives way: the oldest of the address that has most.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from transhash.server.addresses import counted, is_among
from transhash.server.settings import Settings


class Guest(Protocol):
    """A connection that is counted."""

    client: tuple[str, int] | None

    @property
    def gives_way(self) -> bool:
        """Whether it waits for its client."""

    def abort(self) -> None:
        """Close it at once."""


class Admission:
    """The connections of one server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._all: dict[Guest, None] = {}  # the oldest first; many have one time, by the clock of an event loop
        self._of: Counter[str] = Counter()

    def enter(self, guest: Guest) -> None:
        """Count a connection that begins, and waits for its client; another one may have to give way."""
        settings, address = self._settings, address_of(guest)
        self._all[guest] = None
        self._of[address] += 1
        is_proxy = guest.client is not None and is_among(guest.client[0], settings.proxies)
        if self._of[address] > settings.max_connections_of_one and not is_proxy:
            self._make_room(address)
        elif len(self._all) > settings.max_connections:
            self._make_room()

    def leave(self, guest: Guest) -> None:
        """Count it no longer; nothing happens the second time."""
        if guest in self._all:
            del self._all[guest]
            address = address_of(guest)
            self._of[address] -= 1
            if not self._of[address]:
                del self._of[address]

    def _make_room(self, address: str | None = None) -> None:
        """The oldest that gives way is closed: of an address, or of those that have most."""
        giving_way = [each for each in self._all if each.gives_way]
        of: Counter[str] = Counter(map(address_of, giving_way))
        most = max(of.values())  # the connection that enters is one of them
        addresses = {address} if address else {each for each, count in of.items() if count == most}
        oldest = next(each for each in giving_way if address_of(each) in addresses)
        self.leave(oldest)  # now: it learns later that it was closed, and of many that come at once each needs another
        oldest.abort()


def address_of(guest: Guest) -> str:
    """The address that a connection is counted by."""
    return counted(guest.client[0]) if guest.client else ""
