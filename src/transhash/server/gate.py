"""The outermost layer of the application: what a request may be, how long it may take, and how its answer goes out.

A request gets an id, which its answer and the log carry. It is counted while it is under way: by address, by the bytes
of its body that have arrived, by the bytes of its answer that wait to be taken. When its client leaves, the work ends.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext

from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from transhash.server import faults, security
from transhash.server.addresses import counted, is_among
from transhash.server.answers import Answer
from transhash.server.connections import CONNECTION
from transhash.server.faults import ID, Fault
from transhash.server.log import Log
from transhash.server.metrics import Metrics
from transhash.server.settings import Settings
from transhash.server.tokens import NAME, Tokens
from transhash.server.workers import DEADLINE, SENDER

SMALL = 64 << 10  # bytes of a body that finds room however full it is
LEFT = 499  # the status, in the log and the counters, of a request whose client left before its answer
_METHODS = ("GET", "POST", "DELETE", "HEAD")


class Gate:
    """Lets requests pass, or answers them."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, tokens: Tokens, log: Log) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._tokens = tokens
        self._log = log
        self._held = Held(settings.max_held)
        self._sending = Held(settings.max_sending)
        self._of: Counter[str] = Counter()  # requests under way, by address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        given, scope = scope, dict(scope)
        name = scope[ID] = f"{random.getrandbits(64):016x}"  # no secret
        # the first of a name, as everywhere here
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in reversed(scope["headers"])}
        address = str((scope.get("client") or ("", 0))[0])
        connection = scope.get("extensions", {}).get(CONNECTION)
        answer = Answer(send, scope["method"], headers, name, self._sending, connection)
        task = asyncio.current_task()
        if connection is not None:
            connection.answering = task
        sender = counted(address)
        self._of[sender] += 1
        SENDER.set(sender)
        try:
            await self._answer(scope, headers, receive, answer, address)
        except ClientDisconnect:
            answer.status = LEFT
            if connection is not None:
                connection.abort()
        except asyncio.CancelledError:
            if connection is not None and connection.left and task is not None:
                task.uncancel()
                answer.status = LEFT
            elif answer.started:
                raise
            else:  # the server ends, and has waited long enough
                await faults.stopping().answer(name)(scope, receive, answer.send)
        finally:
            if connection is not None:
                connection.answering = None
            self._of[sender] -= 1
            if not self._of[sender]:
                del self._of[sender]
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "none")
            method = given["method"] if given["method"] in _METHODS else "other"
            self._metrics.answered(route, method, answer.status, seconds)
            self._log.request(name, address, scope.get(NAME), given, answer.status, answer.sent, seconds)

    async def _answer(  # noqa: PLR0912 - what can go wrong, one after the other
        self, scope: Scope, headers: Mapping[str, str], receive: Receive, answer: Answer, address: str
    ) -> None:
        settings, name = self._settings, scope[ID]
        body = None
        try:
            if scope["method"] == "HEAD":  # the same answer without its body
                scope["method"] = "GET"
            if not self._strip(scope):
                await RedirectResponse(f"{settings.prefix}/")(scope, receive, answer.send)
                return
            security.check_sender(scope, headers, settings)
            if self._of[counted(address)] > settings.max_of_one and not is_among(address, settings.proxies):
                refusal = faults.busy("requests")
                refusal.headers["Connection"] = "close"  # whatever else this client has sent is not even read
                raise refusal
            if scope["path"].startswith(f"{security.API}/") and scope["path"] not in security.OPEN:
                self._tokens.check(scope, headers, changes=security.changes(scope))
            limit = security.body_limit(scope, headers, settings)
            body = _Body(receive, limit, settings, self._held)
            await self._in_time(scope, body.receive, answer)
        except Fault as fault:
            if answer.started:
                raise
            self._log.fault(name, fault)
            await fault.answer(name)(scope, receive, answer.send)
        except TimeoutError:
            if answer.started:  # the client takes nothing of it
                raise ClientDisconnect from None
            await faults.late().answer(name)(scope, receive, answer.send)
        except ClientDisconnect:
            raise
        except Exception as error:
            self._log.failed(name, error)
            if not answer.started:
                await faults.internal().answer(name)(scope, receive, answer.send)
        finally:
            if body is not None:
                body.release()

    async def _in_time(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        under_way = nullcontext() if scope["path"] in security.OPEN else self._metrics.under_way()
        try:
            async with asyncio.timeout(self._settings.upload_seconds + self._settings.seconds) as deadline:
                answer.deadline = deadline
                DEADLINE.set(deadline)
                with under_way:
                    await self._app(scope, receive, answer.send)
        finally:
            answer.deadline = None  # it is over, and can be put off no more: what is still answered is short

    def _strip(self, scope: Scope) -> bool:
        """Take the prefix off a path, if it has it; false for the prefix without a slash, which names no folder."""
        prefix = self._settings.prefix
        if prefix and scope["path"] == prefix:
            return False
        if prefix and scope["path"].startswith(f"{prefix}/"):
            scope["path"] = scope["path"][len(prefix) :]
            scope["raw_path"] = scope["path"].encode()
        return True


class Held:
    """Bytes that are in memory for requests, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0

    def take(self, size: int) -> bool:
        """Room for some bytes, if there is any."""
        if self._bytes + size > self._most and self._bytes:
            return False
        self._bytes += size
        return True

    def give(self, size: int) -> None:
        """Give it back."""
        self._bytes -= size


class _Body:
    """A request's body, of bounded size, that must arrive in time; what has arrived is counted."""

    def __init__(self, receive: Receive, limit: int, settings: Settings, held: Held) -> None:
        self._receive = receive
        self._limit = limit
        self._held = held
        self._seen = self._taken = 0
        self._until = time.monotonic() + settings.upload_seconds
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:  # what comes now is that the client has gone
            return await self._receive()
        try:
            async with asyncio.timeout(self._until - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise Fault(408, "slow", "the request did not arrive in time", "send it again") from None
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit:
            raise security.too_large(self._limit)
        if self._seen > SMALL and self._seen > self._taken:
            if not self._held.take(self._seen - self._taken):
                raise faults.busy("uploads")
            self._taken = self._seen
        self._complete = not message.get("more_body", False)
        return message

    def release(self) -> None:
        """The request is answered."""
        self._held.give(self._taken)
        self._taken = 0
