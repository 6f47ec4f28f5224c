"""A library of drawn pictures, served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collection import draw
from fake_model import FakeModel
from serving import Running, serving
from transhash import Library
from visiting import CHROMIUM, FLAGS, Visit


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty pictures in two folders."""
    for i in range(20):
        draw(tmp_path / "photos" / "cat" / f"cat-{i:02d}.png", i, 24 + i)
        draw(tmp_path / "photos" / "dog" / f"dog-{i:02d}.png", 100 + i)
    return tmp_path / "photos"


@pytest.fixture
def library(photos: Path, model: FakeModel) -> Iterator[Library]:
    """A library of them, with a label each."""
    with Library.create(photos / ".transhash", model) as library:
        library.index(photos)
        library.annotate({f"cat/cat-{i:02d}.png": {"label": f"kind {i % 3}", "stars": i} for i in range(20)})
        yield library


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


@pytest.fixture
def visit(browser: Any, server: Running) -> Iterator[Visit]:
    visit = Visit(browser, server.url).ready()
    yield visit
    visit.context.close()
    assert visit.errors == []
