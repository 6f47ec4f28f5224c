"""The outermost layer answers whatever the application does: fails, refuses, or takes longer than it may."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from transhash.server import faults
from transhash.server.gate import Gate
from transhash.server.log import Log
from transhash.server.metrics import Metrics
from transhash.server.settings import Settings
from transhash.server.tokens import Tokens


async def _refuses(scope: Scope, receive: Receive, send: Send) -> None:
    raise faults.unknown_picture()


async def _fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError


async def _never_ends(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("app", "status"), [(_refuses, 404), (_fails, 500), (_never_ends, 503)])
def test_every_request_is_answered(app: object, status: int) -> None:
    settings = Settings(seconds=0.01, upload_seconds=0.01)
    gate = Gate(app, settings, Metrics(), Tokens(settings), Log(settings))  # type: ignore[arg-type]
    scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": [], "client": ("::1", 1)}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(gate(scope, receive, send))

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == status
