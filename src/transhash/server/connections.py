"""Connections: each has a deadline whenever it is the client's turn, and the work for a client that leaves ends.

It is the client's turn to begin a request, to send its headers, to send a body that nobody waits for any longer, and to
take its answer. (A body that is waited for has its deadline in `transhash.server.gate`.) When there are too many
connections, or too many of one address, one that waits for its client gives way: the oldest of the address that has
most.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from transhash.server.settings import Settings

CONNECTION = "transhash.connection"  # among the extensions in the scope of a request
LINGER = 2.0  # seconds in which the rest of a body is thrown away, so that its client sees the answer


class _Outlet:
    """A transport that sends the head of an answer along with what comes next: one packet instead of two."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.lines: bytes | None = None  # what to add to the next piece, a head, which is held
        self._transport = transport
        self._held = b""

    def write(self, data: bytes) -> None:
        if self.lines is not None:
            self._held += data[:-2] + self.lines + b"\r\n"
            self.lines = None
            return
        if self._held:
            data, self._held = self._held + data, b""
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """One connection; `protocol` makes the class for a server's settings."""

    settings: Settings
    _of: ClassVar[Counter[str]]  # the connections of a server, by address
    answering: asyncio.Task[Any] | None = None
    left = False  # the client has closed it
    _turn: asyncio.TimerHandle | None = None
    _until = math.inf  # when it is closed, where it is its client's turn
    _taking: asyncio.TimerHandle | None = None
    _since = 0.0
    _cycles: tuple[RequestResponseCycle, ...] = ()  # requests that are not answered; uvicorn knows only the last one

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(_Outlet(transport))  # type: ignore[arg-type]
        self._since = self.loop.time()
        self._wait(self.settings.header_seconds)
        settings, address = self.settings, self._address
        self._of[address] += 1
        if self._of[address] > settings.max_connections_of_one and address not in settings.proxies:
            self._make_room(address)
        elif len(self.connections) > settings.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for the answer any longer."""
        self.left = True
        for timer in (self._turn, self._taking):
            if timer:
                timer.cancel()
        self._turn = self._taking = None
        super().connection_lost(exc)
        self._of[self._address] -= 1
        if not self._of[self._address]:
            del self._of[self._address]
        self._nobody_takes()
        if self.answering is not None and not self.cycle.response_complete:
            self.answering.cancel()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        if self._is_idle:
            self._wait(self.settings.header_seconds)

    def on_headers_complete(self) -> None:
        """It is the server's turn."""
        self._cancel()
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]
        super().on_headers_complete()
        self._cycles = (*(each for each in self._cycles if not each.response_complete), self.cycle)

    def on_message_complete(self) -> None:
        """A body has come to its end, perhaps after the answer."""
        super().on_message_complete()
        if self.cycle.response_complete:
            self._wait(self.settings.idle_seconds)

    def on_response_complete(self) -> None:
        """It is the client's turn again."""
        more = bool(self.pipeline)
        super().on_response_complete()
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            self._await_taking()
        elif not more:
            self._wait(LINGER if self.cycle.more_body else self.settings.idle_seconds)

    def pause_writing(self) -> None:
        """The client takes nothing."""
        super().pause_writing()
        self._await_taking()

    def resume_writing(self) -> None:
        """It has taken something."""
        super().resume_writing()
        if self._taking:
            self._taking.cancel()
            self._taking = None

    def hold(self, lines: bytes) -> None:
        """Send what is written next, the head of an answer, with more lines and along with what is written after it."""
        self.transport.lines = lines  # type: ignore[attr-defined]

    def abort(self) -> None:
        """Close it at once; what was not taken is lost."""
        self._nobody_takes()
        self.transport.abort()

    def _nobody_takes(self) -> None:
        for each in self._cycles:
            each.disconnected = True

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _gives_way(self) -> bool:
        return self._is_idle or self.cycle.more_body

    def _make_room(self, address: str | None = None) -> None:
        """The oldest that gives way is closed: of an address, or of those that have most."""
        giving_way = [each for each in self.connections if isinstance(each, Connection) and each._gives_way]
        of: Counter[str] = Counter(each._address for each in giving_way)
        most = max(of.values())  # this connection is one of them
        addresses = {address} if address else {each for each, count in of.items() if count == most}
        min((each for each in giving_way if each._address in addresses), key=lambda each: each._since).abort()

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _wait(self, seconds: float) -> None:
        """Close it in so many seconds, unless `_cancel` or another `_wait` comes before."""
        self._until = self.loop.time() + seconds
        if self._turn is None or self._turn.when() > self._until:
            self._look_at(self._until)

    def _cancel(self) -> None:
        self._until = math.inf  # a timer that looks in vain takes less time than one for each request

    def _look_at(self, moment: float) -> None:
        if self._turn:
            self._turn.cancel()
        self._turn = self.loop.call_at(moment, self._look)

    def _look(self) -> None:
        self._turn = None
        if self.loop.time() >= self._until:
            self.transport.close()
            self._await_taking()
        elif self._until < math.inf:
            self._look_at(self._until)

    def _await_taking(self) -> None:
        if self._taking is None and not self.left:
            self._taking = self.loop.call_later(self.settings.drain_seconds, self.abort)


def protocol(own: Settings) -> type[Connection]:
    """The class of a server's connections."""

    class Own(Connection):
        settings = own
        _of: ClassVar[Counter[str]] = Counter()

    return Own
