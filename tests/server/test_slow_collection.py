"""A collection that is slow: who asks it waits, and nobody else."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fake_model import FakeModel
from serving import Running, answering, eventually
from transhash import Library


class Held:
    """A collection whose answers are held back while it is `closed`."""

    most_hits = 1000
    address = "milvus://elsewhere/collection"

    def __init__(self, library: Library, model: FakeModel) -> None:
        self.model, self.bits, self._info = model, library.bits, library.info()
        self.open = threading.Event()
        self.open.set()
        self.asked_by: list[str] = []

    def _wait(self) -> None:
        self.asked_by.append(threading.current_thread().name)
        assert self.open.wait(20)

    def refresh(self) -> None:
        """It stays what it is."""

    def count(self, where: str | None = None) -> int:
        self._wait()
        return 40

    def info(self) -> Any:
        self._wait()
        return self._info

    def newest(self, where: str | None, before: int | None, limit: int) -> list[Any]:
        return []


def gauge(server: Running) -> str:
    lines = server.get("/metrics").text.splitlines()
    return next(line for line in lines if line.startswith("transhash_pictures "))


@pytest.mark.parametrize("path", ["/metrics", "/library"])
def test_a_slow_collection_keeps_nobody_else_waiting(library: Library, model: FakeModel, path: str) -> None:
    held = Held(library, model)
    with answering(held) as server:  # type: ignore[arg-type]
        assert eventually(lambda: gauge(server) == "transhash_pictures 40.0")  # what was asked at the start
        held.open.clear()
        threading.Timer(3, held.open.set).start()
        asking = threading.Thread(target=lambda: server.get(path))
        asking.start()
        assert server.get("/health", timeout=2).status_code == 200
        asking.join()
        assert server.get("/library").json()["id"] == server.get("/library").json()["id"] != ""

    assert not any(name.startswith("Thread") for name in held.asked_by)  # the event loop of these tests is in one
