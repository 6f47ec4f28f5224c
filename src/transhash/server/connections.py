"""Connections: each has a deadline whenever it is the client's turn, and the work for a client that leaves ends.

It is the client's turn to begin a request, to send its headers, to send a body that nobody waits for any longer, and to
take its answer. (A body that is waited for has its deadline in `transhash.server.gate`.) What is no body (a head,
trailers, the extensions of chunks) has a bound. An offer of another protocol is ignored.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from transhash.server.addresses import plain
from transhash.server.admission import Admission
from transhash.server.faults import Fault
from transhash.server.security import protection
from transhash.server.settings import Settings

MOST_HEAD = 64 << 10  # bytes of a head, or of what else is no body
CONNECTION = "transhash.connection"  # among the extensions in the scope of a request
OFFERS = {b"upgrade", b"http2-settings"}  # headers, and what Connection says of them
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
    """One connection; `transhash.server.handshake.protocol` makes the class for a server's settings."""

    settings: ClassVar[Settings]
    admission: ClassVar[Admission]  # the connections of a server
    answering: asyncio.Task[Any] | None = None
    left = False  # the client has closed it
    _turn: asyncio.TimerHandle | None = None
    _until = math.inf  # when it is closed, where it is its client's turn
    _taking: asyncio.TimerHandle | None = None
    _unread = 0  # bytes since the last head, piece of a body or end of a message
    _in_head = False
    _cycles: tuple[RequestResponseCycle, ...] = ()  # requests that are not answered; uvicorn knows only the last one

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(_Outlet(transport))  # type: ignore[arg-type]
        if self.client:
            self.client = plain(self.client[0]), self.client[1]  # as proxies are named, which are believed
        self._wait(self.settings.header_seconds)
        self.admission.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for the answer any longer."""
        self.left = True
        for timer in (self._turn, self._taking):
            if timer:
                timer.cancel()
        self._turn = self._taking = None
        super().connection_lost(exc)
        self.admission.leave(self)
        self._nobody_takes()
        if self.answering is not None and not self.cycle.response_complete:
            self.answering.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        self._unset_keepalive_if_required()
        self._unread += len(data)
        while data:
            try:
                self.parser.feed_data(data)
                break
            except (httptools.HttpParserUpgrade, httptools.HttpParserError) as error:
                is_offer = isinstance(error, httptools.HttpParserUpgrade) and self.parser.get_method() != b"CONNECT"
                if not is_offer:
                    self._refuse(Fault(400, "request", "the request cannot be understood", "send HTTP/1.1"))
                    return
                # the parser stops here, and would take a body that follows for another request
                data = self._without_offer() + data[error.args[0] :]
        if self._unread > MOST_HEAD:
            remedy = f"send at most {MOST_HEAD >> 10} KiB of headers"
            self._refuse(Fault(431, "headers", "too large a head of a request", remedy))

    def _without_offer(self) -> bytes:
        """The head that was read, for a new parser, without the offer of another protocol (RFC 9110, 7.8)."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            kept = value
            if name == b"connection":
                kept = b",".join(each for each in value.split(b",") if each.strip().lower() not in OFFERS)
            if name not in OFFERS and (kept or not value):
                lines.append(b"%b: %b" % (name, kept))
        self.parser = httptools.HttpRequestParser(self)
        with suppress(AttributeError):  # as uvicorn makes it; httptools before 0.6.3 has no such setting
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _refuse(self, fault: Fault) -> None:
        """Close it, after an answer unless another one has begun."""
        has_begun = not self._is_idle and self.cycle.response_started
        self._nobody_takes()
        if has_begun:
            self.transport.abort()
            return
        body = fault.body("").model_dump_json(exclude_none=True).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        headers += [(b"connection", b"close"), *protection((), "")]
        status = HTTPStatus(fault.status)
        head = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode()), *(b"%b: %b" % each for each in headers)]
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
        self.transport.close()
        self._await_taking()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head = True
        if self._is_idle:
            self._wait(self.settings.header_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; a trailer says nothing that the application may believe, and is left out (RFC 9110, 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """It is the server's turn."""
        if self.parser.should_upgrade():
            return  # it is read again, without that
        self._unread, self._in_head = 0, False
        self._cancel()
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]
        super().on_headers_complete()
        self._cycles = (*(each for each in self._cycles if not each.response_complete), self.cycle)

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A body has come to its end, perhaps after the answer."""
        if self.parser.should_upgrade():
            return
        self._unread = 0
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
    def gives_way(self) -> bool:
        """Whether it waits for its client."""
        return self._is_idle or self.cycle.more_body

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
