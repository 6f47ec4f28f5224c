"""What the server keeps of filters."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

from PIL import Image

from fake_model import FakeModel
from transhash import Library
from transhash.library import LiveLibrary
from transhash.server.metrics import Metrics
from transhash.server.service import Service
from transhash.server.settings import Settings


def test_what_passed_in_the_library_as_it_was_is_given_up(library: Library, model: FakeModel, photos: Path) -> None:
    async def twice(service: Service, live: LiveLibrary) -> None:
        found = await service.passing("width > 1")
        assert await service.passing("width > 1") is found
        former = weakref.ref(found.ids)
        Image.new("RGB", (30, 30), "teal").save(photos / "new.png")
        library.index(photos)
        live.refresh()
        assert len((await service.passing("width > 2")).ids) == len(found.ids) + 1
        del found
        gc.collect()
        assert former() is None

    with LiveLibrary(library.path, model) as live:
        service = Service(live, Settings(), Metrics())
        try:
            asyncio.run(twice(service, live))
        finally:
            service.close()
