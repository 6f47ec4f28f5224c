"""The beginning of a connection with TLS: it is counted before the handshake, which has the deadline of a head."""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from uvicorn.server import ServerState

from transhash.errors import TransHashError
from transhash.server.addresses import plain
from transhash.server.admission import Admission
from transhash.server.connections import Connection
from transhash.server.settings import Settings


class Handshake(asyncio.Protocol):
    """One connection until its handshake is done; `protocol` makes the class for a server's settings.

    The handshake begins at once, and not in a task of `loop.start_tls`: uvloop reads before such a task begins.
    """

    connection: ClassVar[type[Connection]]
    context: ClassVar[ssl.SSLContext]
    client: tuple[str, int] | None = None
    gives_way = True  # it waits for its client
    _transport: asyncio.Transport

    def __init__(self, server_state: ServerState, **given: object) -> None:
        """What uvicorn makes a connection with."""
        self._make = partial(self.connection, server_state=server_state, **given)  # type: ignore[arg-type]
        self._connections: set[Any] = server_state.connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin the handshake."""
        loop = asyncio.get_running_loop()
        peer = transport.get_extra_info("peername")
        self.client = (plain(str(peer[0])), int(peer[1])) if isinstance(peer, tuple) else None
        self._transport = transport
        self._connections.add(self)
        self.connection.admission.enter(self)
        ended = loop.create_future()
        ended.add_done_callback(self._ended)
        safe = SSLProtocol(
            loop,
            _Safe(self),
            self.context,
            ended,
            server_side=True,
            ssl_handshake_timeout=self.connection.settings.header_seconds,  # type: ignore[arg-type]  # may be a float
        )
        transport.set_protocol(safe)
        safe.connection_made(transport)

    def shutdown(self) -> None:
        """The server ends."""
        self.abort()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    def hand_on(self, transport: asyncio.Transport) -> None:
        """The handshake is done: a connection of its own takes the place of this one."""
        self._leave()
        connection = self._make()
        transport.set_protocol(connection)
        connection.connection_made(transport)

    def _ended(self, done: asyncio.Future[None]) -> None:
        done.exception()  # too slow, gone, or not TLS: it is closed
        self._leave()

    def _leave(self) -> None:
        self.connection.admission.leave(self)
        self._connections.discard(self)


class _Safe(asyncio.Protocol):
    """What TLS calls when the handshake is done."""

    def __init__(self, handshake: Handshake) -> None:
        self._handshake = handshake

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._handshake.hand_on(transport)


def protocol(own: Settings) -> type[asyncio.Protocol]:
    """The class of a server's connections; raises `TransHashError` for a certificate that cannot be used."""

    class Own(Connection):
        settings = own
        admission = Admission(own)

    if own.certificate is None:
        return Own
    made = _context(*own.certificate)

    class OwnHandshake(Handshake):
        connection = Own
        context = made

    return OwnHandshake


def _context(chain: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(chain, key)
    except OSError as error:
        reason = f"the certificate cannot be used ({error.strerror or error})"
        raise TransHashError(f"{chain}, {key}", reason, "name the files of a certificate and of its key") from error
    return context
