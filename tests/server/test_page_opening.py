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


def test_a_link_to_a_search_keeps_its_pictures_until_a_token_is_given(browser: Any, gallery: Gallery) -> None:
    with serving(gallery.library.path, FakeModel(), token="a secret of the tests") as server:
        visit = Visit(browser, f"{server.url}/#like=3&like=5&joined=1&not=1")
        page = visit.page
        page.fill("#token", "a secret of the tests")
        page.keyboard.press("Enter")
        visit.ready()
        expect(page.locator("#queries .query")).to_have_count(2)
        expect(page.locator("#queries .unlike .query")).to_have_attribute("title", name_of(gallery, 5))
        expect(page.locator("#announce")).to_have_text(
            f"40 pictures like {name_of(gallery, 3)}, but not {name_of(gallery, 5)}"
        )
        assert "like=3&like=5" in page.url
        visit.context.close()


def name_of(gallery: Gallery, id_: int) -> str:
    return gallery.library.pictures([id_])[id_].path.relative_to(gallery.photos).as_posix()


def test_a_picture_that_the_server_was_too_busy_to_name_stays_in_the_search(troubled: Visit, gallery: Gallery) -> None:
    page = troubled.page
    page.route(
        "**/api/v1/pictures/3", lambda route: route.fulfill(status=503, json={"reason": "busy", "remedy": "wait"})
    )
    page.evaluate("() => { location.hash = 'like=3&like=5&active=1'; }")
    expect(page.locator("#empty")).to_contain_text("Nothing can be shown: busy; wait.")
    assert "like=3&like=5" in page.url
    page.unroute("**/api/v1/pictures/3")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#queries .query").first).to_have_attribute("title", name_of(gallery, 3))
    expect(page.locator("#grid .picture").first).to_have_attribute("title", name_of(gallery, 5))


def test_a_page_whose_first_look_at_the_library_fails_opens_with_the_next(browser: Any, gallery: Gallery) -> None:
    context = browser.new_context(viewport=WIDE)
    context.clock.install()
    context.route("**/api/v1/library", lambda route: route.fulfill(status=503, json={}), times=1)
    visit = Visit(context, f"{gallery.server.url}/#like=3&cut=30")
    page = visit.page
    expect(page.locator("#grid .picture").first).to_be_visible()
    expect(page.locator("#name")).to_have_text("transhash")
    page.clock.run_for(6_000)
    visit.ready()
    expect(page.locator("#name")).to_have_text(gallery.photos.name)
    expect(page.locator("#folders option")).to_have_count(2)
    expect(page.locator("#queries .query")).to_have_attribute("title", name_of(gallery, 3))
    context.close()


def test_a_session_that_ends_takes_nothing_away(browser: Any, gallery: Gallery) -> None:
    with serving(gallery.library.path, FakeModel(), token="a secret of the tests") as server:
        visit = Visit(browser, f"{server.url}/#token=a%20secret%20of%20the%20tests").ready()
        page = visit.page
        expect(page.locator("#grid .picture")).to_have_count(40)
        page.locator("#grid .pick").nth(0).click()
        page.locator("#grid .pick").nth(2).click(modifiers=["Shift"])
        visit.context.clear_cookies()

        page.locator("#grid .picture").nth(5).click()
        expect(page.locator("#ask-token")).to_be_visible()
        page.fill("#token", "not that one")
        page.keyboard.press("Enter")
        expect(page.locator("#token-wrong")).to_be_visible()
        page.fill("#token", "a secret of the tests")
        page.keyboard.press("Enter")

        expect(page.locator("#ask-token")).to_be_hidden()
        expect(page.locator("#grid .badge").first).to_have_text("same")
        expect(page.locator("#picks-count")).to_have_text("3 pictures chosen")
        expect(page.locator("#grid .picture.broken")).to_have_count(0)
        expect(page.locator("#empty")).to_be_hidden()
        assert all("Failed to load resource" in error for error in visit.errors), visit.errors
        visit.context.close()


def test_on_a_phone_a_picture_is_seen_when_it_is_opened(browser: Any, gallery: Gallery) -> None:
    """From an address, which gives no picture before and after it to turn to, and from the neighbours below."""
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    visit = Visit(browser, f"{gallery.server.url}/#show=3", **phone).ready()
    page = visit.page
    neighbours = page.locator("#neighbours button")
    expect(neighbours).to_have_count(12)
    expect(page.locator("#viewer-picture")).to_be_in_viewport()
    neighbours.last.tap()
    expect(page.locator("#viewer-name")).not_to_have_text(gallery.library.pictures([3])[3].name)
    expect(page.locator("#viewer-picture")).to_be_in_viewport()
    assert visit.errors == []
    visit.context.close()
