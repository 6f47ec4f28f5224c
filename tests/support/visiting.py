"""Visits to the page in Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDE = {"width": 1280, "height": 800}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

try:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)  # machines that are busy with other things
except ImportError:  # the tests that need it are skipped
    expect = None  # type: ignore[assignment]


class Visit:
    """A visit to the page; in the end nothing may be in the console."""

    def __init__(self, browser: Any, url: str, *, pictures: bool = True, **context: Any) -> None:
        """In a context of its own; or, given a context instead of a browser, in that one.

        Without `pictures` none is asked for: rows of a library that have no files.
        """
        self.context = browser
        if hasattr(browser, "new_context"):
            self.context = browser.new_context(**{"viewport": WIDE, **context})
        self.context.set_default_timeout(60_000)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("console", self._noted)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        if not pictures:
            self.page.add_init_script("Object.defineProperty(HTMLImageElement.prototype, 'src', {set() {}})")
        self.page.goto(url)

    def _noted(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def ready(self) -> Visit:
        self.page.wait_for_selector("html[data-ready]")
        return self

    def forget(self) -> None:
        """End it, and leave nothing of it to those who visit in the same context."""
        self.context.set_offline(False)
        self.page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        self.context.clear_cookies()
        self.page.close()

    def names(self) -> list[str]:
        return [
            title.rpartition("/")[2]
            for title in self.page.locator("#grid .picture").evaluate_all(
                "all => all.sort((a, b) => a.parentElement.index - b.parentElement.index).map(each => each.title)"
            )
        ]

    def drop(self, *pictures: Path) -> None:
        """Drop files on the page."""
        files = [[path.name, list(path.read_bytes())] for path in pictures]
        transfer = self.page.evaluate_handle(
            "files => { const all = new DataTransfer(); for (const [name, bytes] of files)"
            " all.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/png'})); return all; }",
            files,
        )
        for event in ("dragenter", "dragover", "drop"):
            self.page.dispatch_event("body", event, {"dataTransfer": transfer})

    def looks_right(self, name: str, sizes: Sequence[tuple[int, int]]) -> None:
        """Nothing that axe finds, and nothing sticks out, in any of some sizes, light and dark.

        Wants a visit with `bypass_csp`: axe is put into the page as a script of the page's, which the policy forbids.
        """
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
        for width, height in sizes:
            self.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                self.page.emulate_media(color_scheme=scheme)
                found = axe.run(self.page)
                assert found.violations_count == 0, f"{name}, {width}, {scheme}: {found.generate_report()}"
                assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
                if folder := os.environ.get("TRANSHASH_SCREENSHOTS"):
                    self.page.screenshot(path=f"{folder}/{width}-{scheme}-{name}.png")

    def cut(self, bits: int) -> None:
        self.page.locator("#distance").evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }", bits)
