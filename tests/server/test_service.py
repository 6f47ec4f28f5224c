"""The rooms of a server: what it keeps, and when it does what takes long."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator

import pytest

from fake_model import FakeModel
from transhash import Library
from transhash.library import LiveLibrary
from transhash.server.faults import Fault
from transhash.server.metrics import Metrics
from transhash.server.service import Service
from transhash.server.settings import Settings


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
