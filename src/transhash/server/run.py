"""Running the application: where it listens, signals, and an end that finishes what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator

import uvicorn

from transhash.errors import TransHashError
from transhash.library import LiveLibrary
from transhash.server.app import create_app
from transhash.server.collection import Collection
from transhash.server.handshake import protocol
from transhash.server.settings import Settings
from transhash.server.workers import NAMED
from transhash.system import give_memory_back

# for which one thread keeps Python from another that wants it: 5 ms, what Python begins with, are as long as a search
SWITCH_SECONDS = 0.0005
LOOK_SECONDS = 0.03
QUIET_LOOKS = 5  # at the sockets, after which nothing is on its way any longer
LOOKS = 100  # at most
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; raises `TransHashError` for a name that no machine has."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    try:
        socket.getaddrinfo(host or None, 0)
    except (OSError, UnicodeError) as error:
        raise TransHashError(host, "no such host name", "choose another --host") from error
    return False


def names(host: str, allowed: Iterable[str]) -> frozenset[str]:
    """What requests may call a server that listens on an address: also this machine's own name, and those allowed."""
    own = {host.lower()} if is_loopback(host) else {host.lower(), socket.gethostname().lower()}
    return LOCAL_NAMES | own | {each.lower() for each in allowed}


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
            f"{host}:{port}", f"cannot listen there ({reason})", "choose another --port or --host"
        ) from error


def server(served: LiveLibrary | Collection, settings: Settings, started: Callable[[], object]) -> uvicorn.Server:
    """A server to `run` on listening sockets: until SIGINT, SIGTERM or SIGHUP, when it finishes what is under way.

    `started` is called when requests are answered. Raises `TransHashError` when a file that the settings name cannot be
    used.
    """
    give_memory_back()
    sys.setswitchinterval(SWITCH_SECONDS)
    config = uvicorn.Config(
        create_app(served, settings),
        http=protocol(settings),  # which does TLS as well
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="error",  # of this kind are mistakes; what clients do wrong is counted
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=[*settings.proxies],
        timeout_graceful_shutdown=round(settings.stop_seconds),
    )
    return _Server(config, started)


def leave() -> None:
    """End the process at once where a thread is still at work: nobody waits for what it computes.

    To take the interpreter down around it ends in an abort inside some libraries (ONNX Runtime).
    """
    if any(thread.daemon and thread.name.startswith(NAMED) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class _Server(uvicorn.Server):
    """Says when it has started, and ends without an error when it is told to."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._read_what_has_arrived()
        await super().shutdown(sockets)

    async def _read_what_has_arrived(self) -> None:
        """Let the loop turn until no connection and no request is new: each sleep is a look at all sockets."""
        state, before, quiet = self.server_state, (-1, -1), 0
        for _ in range(LOOKS):
            now = len(state.connections), state.total_requests + len(state.tasks)
            quiet = quiet + 1 if now == before else 0
            if quiet == QUIET_LOOKS:
                return
            before = now
            await asyncio.sleep(LOOK_SECONDS)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # somebody else is told
            return
        wanted = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
        before = {each: signal.signal(each, self.handle_exit) for each in wanted}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
