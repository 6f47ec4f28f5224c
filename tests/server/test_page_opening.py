"""The page in Chromium as it is opened: by its link to the pictures, with a token, where nothing can be kept."""

from __future__ import annotations

from typing import Any

import pytest

from fake_model import FakeModel
from gallery import Gallery
from serving import serving
from visiting import CHROMIUM, WIDE, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")

REFUSED = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"


def test_the_way_to_the_pictures_keeps_the_search(visit: Visit) -> None:
    page = visit.page
    page.locator("#grid .picture").nth(5).click()
    expect(page.locator("#grid .badge").first).to_have_text("same")
    address = page.url
    page.focus(".skip")
    page.keyboard.press("Enter")
    expect(page.locator("#results")).to_be_focused()
    page.wait_for_timeout(500)  # a change of the address would be shown by now
    expect(page.locator("#queries .query")).to_have_count(1)
    assert page.url == address


def test_a_token_in_the_address_opens_a_page_that_is_open(browser: Any, gallery: Gallery) -> None:
    with serving(gallery.library.path, FakeModel(), token="a secret of the tests") as server:
        visit = Visit(browser, server.url)
        page = visit.page
        expect(page.locator("#ask-token")).to_be_visible()
        page.goto(f"{server.url}/#token=a%20secret%20of%20the%20tests")  # the same page: nothing is loaded
        expect(page.locator("#grid .picture img.there").first).to_be_visible()
        assert "token" not in page.url
        visit.context.close()


def test_the_page_works_where_the_browser_keeps_nothing(browser: Any, gallery: Gallery) -> None:
    context = browser.new_context(viewport=WIDE)
    context.add_init_script(REFUSED)
    visit = Visit(context, gallery.server.url).ready()
    page = visit.page
    expect(page.locator("#grid .picture")).to_have_count(40)
    page.click("#theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator("#grid .picture").first.click()
    page.click("#save")
    page.fill("#search-name", "the first")
    page.keyboard.press("Enter")
    expect(page.locator("#saved option")).to_have_text(["Saved searches", "the first"])  # as long as the page
    context.close()
    assert visit.errors == []


def test_screen_readers_hear_that_the_page_is_busy(visit: Visit) -> None:
    page = visit.page
    held: list[Any] = []
    page.route("**/search/by-id", lambda route: held.append(route), times=1)  # noqa: PLW0108 - it is given a mark
    page.locator("#grid .picture").first.click()
    expect(page.locator("body")).to_have_attribute("aria-busy", "true")
    held[0].continue_()
    expect(page.locator("#grid .badge").first).to_have_text("same")
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")
