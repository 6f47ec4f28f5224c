"""What stands before every request: whose it is, where it comes from, how large it may be and how long it may take."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from transhash.server import faults
from transhash.server.faults import Fault
from transhash.server.metrics import Metrics
from transhash.server.settings import Settings

COOKIE = "transhash"
API = "/api/v1"
OPEN = {f"{API}/health", f"{API}/ready"}  # asked by those who watch over servers
_SAFE = {"GET", "HEAD", "OPTIONS"}

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; manifest-src 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class Gate:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._held = 0  # bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500
        started = False

        async def answering(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                _protect(message)
            await send(message)

        settings = self._settings
        try:
            self._check(scope)
            limit = _limit(scope, settings)
            body = _Body(receive, limit, settings.upload_seconds)
            async with asyncio.timeout(settings.upload_seconds + settings.seconds):
                with self._memory(scope, limit):
                    await self._app(scope, body.receive, answering)
        except Fault as fault:
            if started:
                raise
            await fault.answer()(scope, receive, answering)
        except TimeoutError:
            if started:
                raise
            await faults.late().answer()(scope, receive, answering)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD") else "other"
            self._metrics.answered(route, method, status, time.perf_counter() - began)

    @contextmanager
    def _memory(self, scope: Scope, limit: int) -> Iterator[None]:
        """Room for the body of a request, which may be in memory until it is answered."""
        if scope["method"] in _SAFE:
            yield
            return
        headers = Headers(scope=scope)
        size = limit if "transfer-encoding" in headers else int(headers.get("content-length", "0"))
        if self._held + size > self._settings.max_held:
            raise faults.busy("uploads")
        self._held += size
        try:
            yield
        finally:
            self._held -= size

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        settings, path = self._settings, scope["path"]
        if settings.hosts is not None and _host(headers.get("host", "")) not in settings.hosts:
            # a page elsewhere may give its own name our address, to read what is here through the user's browser
            raise Fault(421, "not a name of this server", "use the address that it printed when it started")
        if not path.startswith(f"{API}/"):
            return
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Fault(403, "asked by another site", "open the server's own page")
        origin = headers.get("origin")
        if scope["method"] not in _SAFE and origin and origin.partition("://")[2] != headers.get("host"):
            raise Fault(403, "asked by another site", "open the server's own page")
        if settings.token and path not in OPEN and not is_known(headers, settings.token):
            raise Fault(401, "no valid token", "send the server's token as Authorization: Bearer …")


class _Body:
    """A request's body, of bounded size, that must arrive in time."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive = receive
        self._limit = limit
        self._seen = 0
        self._until = asyncio.get_running_loop().time() + seconds
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:  # what comes now is that the client has gone
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise Fault(408, "the request did not arrive in time", "send it again") from None
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit:
            raise _too_large(self._limit)
        self._complete = not message.get("more_body", False)
        return message


def _limit(scope: Scope, settings: Settings) -> int:
    """How large a body may be; raises a `Fault` when it says itself that it is larger."""
    headers = Headers(scope=scope)
    sends_pictures = headers.get("content-type", "").startswith(("multipart/", "image/", "application/octet-stream"))
    limit = settings.max_upload if sends_pictures else settings.max_body
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 18:
        raise Fault(400, "a length that is no number", "send a proper Content-Length")
    if int(length) > limit:
        raise _too_large(limit)
    return limit


def _too_large(limit: int) -> Fault:
    return Fault(413, "too large a request", f"send at most {limit / (1 << 20):g} MiB at once")


def _host(value: str) -> str:
    """The name in a Host header, without the port."""
    return (value.rpartition(":")[0] if ":" in value.rpartition("]")[2] else value).lower()


def _protect(message: MutableMapping[str, Any]) -> None:
    headers = [(name.lower(), value) for name, value in message.get("headers", [])]
    names = {name for name, _ in headers}
    headers += [each for each in _RAW_HEADERS if each[0] not in names]
    if b"cache-control" not in names:
        headers.append((b"cache-control", b"no-store"))
    message["headers"] = headers


def is_known(headers: Headers, token: str) -> bool:
    """Whether a request carries the token, or the cookie that the page got for it; takes the same time for any."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    bearer = hmac.compare_digest(given.strip().encode(), token.encode()) and kind.lower() == "bearer"
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        morsel = None
    return hmac.compare_digest((morsel.value if morsel else "").encode(), session(token).encode()) or bearer


def session(token: str) -> str:
    """What the cookie of a page holds: from it the token cannot be told."""
    return hashlib.blake2b(b"transhash session", key=token.encode()[:64], digest_size=32).hexdigest()
