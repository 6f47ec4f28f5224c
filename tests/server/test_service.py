"""The rooms of a server: what it keeps, and when it does what takes long."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fake_model import FakeModel
from serving import serving
from transhash import Library
from transhash.library import LiveLibrary
from transhash.library.exchange.annotation import annotate
from transhash.server.faults import Fault
from transhash.server.metrics import Metrics
from transhash.server.service import Service
from transhash.server.settings import Settings
from transhash.server.workers import GivingWay


def test_what_is_prepared_gives_way_to_requests(
    library: Library, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def two_steps(_: LiveLibrary) -> Iterator[None]:
        for step in range(2):
            steps.append(step)
            yield

    monkeypatch.setattr("transhash.server.service.warm", two_steps)
    monkeypatch.setattr("transhash.server.service.QUIET_AT_FIRST", 0.001)
    monkeypatch.setattr("transhash.server.service.WARM_PATIENCE", math.inf)

    async def begun(service: Service) -> None:
        with service.metrics.under_way():
            service.prepare()
            await asyncio.sleep(0.2)
            assert steps == []
            with pytest.raises(Fault, match="first searches are being prepared"):
                await service.check()
        await service.sweep()  # which comes after it
        await service.check()
        assert steps == [0, 1]

    with LiveLibrary(library.path, model) as live:
        service = Service(live, Settings(), Metrics())
        try:
            asyncio.run(begun(service))
        finally:
            service.close()


class Held:
    """Annotations that wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

        def slow(*given: Any, **named: Any) -> Any:
            self.begun.set()
            assert self.let.wait(20)
            return annotate(*given, **named)

        monkeypatch.setattr("transhash.server.routes.library.annotate_pictures", slow)


@pytest.fixture
def held(library: Library, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(monkeypatch)
    yield held
    held.let.set()


def rows(stars: int) -> dict[str, Any]:
    return {"rows": [{"path": "cat/cat-00.png", "stars": stars}]}


def test_what_has_begun_to_be_written_is_answered_when_it_is_done(
    library: Library, model: FakeModel, held: Held
) -> None:
    with serving(library.path, model, writable=True, seconds=0.1, upload_seconds=0.1) as server:
        threading.Timer(1, held.let.set).start()
        answer = server.post("/annotations", json=rows(7))
        assert (answer.status_code, answer.json()["matched"]) == (200, 1)


def test_what_has_not_begun_in_time_is_not_written(library: Library, model: FakeModel, held: Held) -> None:
    with serving(library.path, model, writable=True, seconds=0.2) as server, ThreadPoolExecutor() as pool:
        first = pool.submit(server.post, "/annotations", json=rows(7))
        assert held.begun.wait(20)
        second = server.post("/annotations", json=rows(8))
        held.let.set()
        assert (second.status_code, second.json()["code"]) == (503, "late")
        assert first.result().status_code == 200
        assert server.post("/annotations", json={"rows": []}).status_code == 200  # after all that waited
        assert server.get("/pictures/1").json()["columns"]["stars"] == 7


def test_a_request_does_not_wait_for_another_process_for_ever(
    library: Library, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transhash.library.catalogue.database.LOCK_SECONDS", 0.05)
    with serving(library.path, model, writable=True) as server, library.catalogue.writing():
        answer = server.post("/annotations", json=rows(7))
        assert (answer.status_code, answer.json()["code"]) == (503, "library")


def test_a_long_list_lets_others_go_first_again_and_again(
    library: Library, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops: list[int] = []
    monkeypatch.setattr("transhash.server.routes.pictures.LISTED_AT_ONCE", 7)
    monkeypatch.setattr(GivingWay, "__call__", lambda _: stops.append(1))
    with serving(library.path, model) as server:
        listed = server.get("/pictures?limit=1000").json()["pictures"]

    assert [each["id"] for each in listed] == library.passing()[::-1].tolist()
    assert len(stops) >= 6  # of forty pictures, seven at a time


def test_threads_of_a_server_take_short_turns(library: Library, model: FakeModel) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)  # as Python begins
    try:
        with serving(library.path, model):
            assert sys.getswitchinterval() < 0.001
    finally:
        sys.setswitchinterval(before)
