"""A server in a thread of this process, on a free port of loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from transhash.library import LiveLibrary
from transhash.server import run
from transhash.server.collection import Collection
from transhash.server.settings import Settings
from transhash.server.warming import warm

API = "/api/v1"


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something becomes true."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


def is_closed(connection: socket.socket, seconds: float = 30) -> bool:
    """Whether the other side closes it, whatever it says before."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(65536):
                return True
        except TimeoutError:
            return False
        except OSError:
            return True
    return False


@dataclass
class Running:
    url: str
    port: int
    client: httpx.Client
    live: Any  # what is served

    def get(self, path: str, **named: Any) -> httpx.Response:
        return self.client.get(API + path, **named)

    def post(self, path: str, **named: Any) -> httpx.Response:
        return self.client.post(API + path, **named)

    def send(self, *pictures: bytes | Path, path: str = "/search", **parameters: Any) -> httpx.Response:
        """Send pictures."""
        contents = [each if isinstance(each, bytes) else each.read_bytes() for each in pictures]
        files = [("pictures", (f"{number}", content)) for number, content in enumerate(contents)]
        return self.post(path, files=files, params=parameters)


def raw(server: Running, request: bytes, seconds: float = 10) -> bytes:
    """What comes back for bytes that no client would send."""
    with socket.create_connection(("127.0.0.1", server.port), seconds) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
                if b"\r\n\r\n" in answer and b"transfer-encoding" not in answer:
                    head, _, body = answer.partition(b"\r\n\r\n")
                    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                    if length and len(body) >= int(length[0].split(b":")[1]):
                        break
        except TimeoutError:
            pass
        return answer


@contextmanager
def serving(library: Path, model: Any, **settings: Any) -> Iterator[Running]:
    """Serve a library."""
    with LiveLibrary(library, model, interval=0.05) as live, answering(live, **settings) as running:
        yield running


@contextmanager
def answering(served: LiveLibrary | Collection, *, port: int = 0, **settings: Any) -> Iterator[Running]:
    """A server of a library, or of a collection elsewhere, on a port of its own or a given one."""
    if isinstance(served, LiveLibrary):
        for _ in warm(served):  # before any request waits for it
            pass
    started = threading.Event()
    listening = run.listen("127.0.0.1", port)
    server = run.server(served, replace(Settings(hosts=run.LOCAL_NAMES), **settings), started.set)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not started.wait(1):
            assert thread.is_alive()
        port = listening.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        # there is no TLS here, and to read all authorities takes a tenth of a second
        with httpx.Client(base_url=url, timeout=30, trust_env=False, verify=False) as client:
            yield Running(url, port, client, served)
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
