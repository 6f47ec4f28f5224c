"""How an answer goes out: protected, compressed where the client can read that, in parts, and never faster than it is
taken."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import Message, Send

from transhash.server import faults
from transhash.server.security import protection

if TYPE_CHECKING:
    from transhash.server.connections import Connection
    from transhash.server.gate import Held

PART = 64 << 10  # bytes that are sent at once
FREE = 256 << 10  # bytes of an answer that are not counted
WORTH_IT = 1 << 10  # bytes from which an answer is compressed
LEVEL = 4
SLOWEST = 16 << 10  # bytes a second that a client has to take
PATIENCE = 30.0  # seconds more than that
_TEXTS = (b"application/json", b"text/", b"image/svg+xml", b"application/javascript")


class Answer:
    """The answer to one request; `send` is what the application sends with."""

    def __init__(  # noqa: PLR0917
        self,
        send: Send,
        method: str,
        headers: Mapping[str, str],
        request_id: str,
        sending: Held,
        connection: Connection | None,
    ) -> None:
        self.status = 500
        self.started = False
        self.sent = 0  # bytes of the body
        self.deadline: asyncio.Timeout | None = None
        self._send = send
        self._is_head = method == "HEAD"
        self._accepts = takes_gzip(headers.get("accept-encoding", ""))
        self._id = request_id
        self._sending = sending
        self._connection = connection
        self._start: Message | None = None
        self._refused = False

    async def send(self, message: Message) -> None:
        """Take a message of the application."""
        if message["type"] == "http.response.start":
            self._start = message  # until it is known how long the body is
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        counted = 0 if len(body) <= FREE or self._is_head else len(body)
        if self._refused:
            return
        if not self._sending.take(counted):
            self._refused = True
            if self._start is None:  # it has begun: the connection ends in the middle of it
                raise ClientDisconnect
            refusal = faults.busy("large answers").answer(self._id)
            self._start = {"type": "http.response.start", "status": refusal.status_code, "headers": refusal.raw_headers}
            body, more, counted = bytes(refusal.body), False, 0
        try:
            if self._start is not None:
                body = await self._begin(self._start, body, more)
                self._start = None
            await self._parts(body, more)
        finally:
            self._sending.give(counted)

    async def _parts(self, body: bytes, more: bool) -> None:
        if self._is_head:
            if not more:
                await self._send({"type": "http.response.body", "body": b""})
            return
        size = len(body)
        self.sent += size
        for first in range(0, max(1, size), PART):
            last = first + PART >= size
            part = body[first : first + PART] if size > PART else body
            await self._send({"type": "http.response.body", "body": part, "more_body": more or not last})

    async def _begin(self, start: Message, body: bytes, more: bool) -> bytes:
        """Send the head of the answer; gives its body, compressed if that is worth it."""
        headers = [(name.lower(), value) for name, value in start.get("headers", [])]
        names = dict(headers)
        if names.get(b"content-type", b"").startswith(_TEXTS) and b"content-encoding" not in names:
            own = MutableHeaders(raw=headers)  # the same list
            if b"vary" in names:
                own.add_vary_header("Accept-Encoding")
            else:
                headers.append((b"vary", b"Accept-Encoding"))
            if self._accepts and not more and len(body) >= WORTH_IT and not self._is_head:
                body = await _compressed(body)
                own["Content-Encoding"] = "gzip"
                own["Content-Length"] = str(len(body))
                if "etag" in own and not own["etag"].startswith("W/"):
                    own["ETag"] = f"W/{own['etag']}"
                names = dict(headers)
        more_headers = protection(names, self._id)
        if self._connection is None or self._is_head:
            headers += more_headers
        else:  # past uvicorn, which looks into each for what no header may have
            self._connection.hold(b"".join([b"%b: %b\r\n" % each for each in more_headers]))
        start["headers"] = headers
        self.status, self.started = start["status"], True
        if self.deadline is not None and (more or len(body) > PART):  # from here on it is the client's time
            length = names.get(b"content-length", b"")
            seconds = PATIENCE + (int(length) / SLOWEST if length.isdigit() else 0.0)
            self.deadline.reschedule(asyncio.get_running_loop().time() + seconds)
        await self._send(start)
        return body


def is_held(mark: str, held: str) -> bool:
    """Whether an If-None-Match names what there is (RFC 9110, 13.1.2; weak comparison)."""
    return held.strip() == "*" or any(each.strip().removeprefix("W/") == mark for each in held.split(","))


@lru_cache(maxsize=64)
def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, and not with the weight 0, which says no (RFC 9110, 12.4.2)."""
    for each in accepted.split(","):
        coding, _, parameter = each.partition(";")
        if coding.strip().lower() == "gzip":
            name, _, weight = parameter.partition("=")
            return name.strip().lower() != "q" or bool(weight.strip().strip("0."))
    return False


async def _compressed(body: bytes) -> bytes:
    if len(body) <= FREE:
        return gzip.compress(body, LEVEL)
    return await asyncio.to_thread(gzip.compress, body, LEVEL)
