"""A library of drawn pictures, served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_model import FakeModel
from gallery import Gallery, fill, forty
from serving import Running, serving
from transhash import Library
from visiting import CHROMIUM, FLAGS, WIDE, Visit


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty pictures in two folders."""
    return forty(tmp_path / "photos")


@pytest.fixture
def library(photos: Path, model: FakeModel) -> Iterator[Library]:
    """A library of them, with a label each."""
    with Library.create(photos / ".transhash", model) as library:
        fill(library, photos)
        yield library


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    photos = forty(tmp_path_factory.mktemp("gallery") / "photos")
    model = FakeModel()
    with Library.create(photos / ".transhash", model) as library:
        fill(library, photos)
        with serving(library.path, model) as running:
            yield Gallery(photos, library, running)


@pytest.fixture
def server(library: Library, model: FakeModel) -> Iterator[Running]:
    """That library, served."""
    with serving(library.path, model) as running:
        yield running


@pytest.fixture
def writable(library: Library, model: FakeModel) -> Iterator[Running]:
    """The same, to be written to."""
    with serving(library.path, model, writable=True) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def window(browser: Any) -> Iterator[Any]:
    """What visits to the gallery share: the page's files are read once. Each starts as a stranger all the same."""
    context = browser.new_context(viewport=WIDE)
    yield context
    context.close()


@pytest.fixture
def troubled(window: Any, gallery: Gallery) -> Iterator[Visit]:
    """A visit to the gallery whose console may tell of requests that failed."""
    visit = Visit(window, gallery.server.url).ready()
    yield visit
    visit.forget()
    assert all("Failed to load resource" in error for error in visit.errors), visit.errors


@pytest.fixture
def visit(troubled: Visit) -> Iterator[Visit]:
    """A visit to the gallery."""
    yield troubled
    assert troubled.errors == []
