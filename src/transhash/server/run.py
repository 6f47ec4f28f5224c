"""Running the application: connections, time limits on headers, signals, and a quiet log."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from transhash.errors import TransHashError
from transhash.library import LiveLibrary
from transhash.server.app import create_app
from transhash.server.settings import Settings

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises `TransHashError` when the address cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(512)
        except OSError:
            opened.close()
            raise
        return opened
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TransHashError(
            f"{host}:{port}: cannot listen there ({reason}); choose another --port or --host"
        ) from error


def server(live: LiveLibrary, settings: Settings, started: Callable[[], object]) -> uvicorn.Server:
    """A server to `run` on listening sockets: until SIGINT or SIGTERM, when it finishes what is under way.

    `started` is called when requests are answered.
    """
    config = uvicorn.Config(
        create_app(live, settings),
        http=_timed(settings.header_seconds),
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=round(settings.stop_seconds),
        limit_concurrency=settings.max_connections,
    )
    return _Server(config, started)


class _Server(uvicorn.Server):
    """Says when it has started, and ends without an error when it is told to."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # somebody else is told
            return
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, self.handle_exit) for each in wanted}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _timed(seconds: float) -> type[asyncio.Protocol]:
    """A protocol that closes connections whose headers take longer than this to arrive."""

    class Timed(HttpToolsProtocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._timer is None:
                self._wait()

        def on_headers_complete(self) -> None:
            self._done()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._done()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._timer = self.loop.call_later(seconds, self.transport.close)

        def _done(self) -> None:
            if self._timer:
                self._timer.cancel()
                self._timer = None

    return Timed
