"""The page in Chromium when things go wrong or back: slow and lost networks, Back, reload, small screens."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collection import draw
from fake_model import FakeModel
from serving import Running, serving
from transhash import Library
from transhash.library.catalogue.records import Coded, File
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")


@pytest.fixture
def troubled(browser: Any, server: Running) -> Iterator[Visit]:
    """A visit whose console may tell of requests that failed."""
    visit = Visit(browser, server.url).ready()
    yield visit
    visit.context.close()
    assert all("Failed to load resource" in error for error in visit.errors), visit.errors


def fail(visit: Visit, pattern: str) -> Callable[[], None]:
    """Let requests fail, until what is returned is called."""
    visit.page.route(pattern, lambda route: route.abort())
    return lambda: visit.page.unroute(pattern)


def many(library: Library, count: int) -> None:
    """Rows without files."""
    with library.catalogue.writing():
        for number in range(count):
            name, code = f"many-{number:05d}.png".encode(), number.to_bytes(8, "big")
            library.catalogue.pictures.put(File(b"cat", name, 1, 1, code * 2), Coded(30, 20, code, None, None))


def open_first(page: Any) -> str:
    page.locator("#grid .view").first.evaluate("each => each.click()")
    return str(page.locator("#viewer-name").inner_text())


def test_the_small_copy_is_there_before_the_picture(visit: Visit) -> None:
    page = visit.page
    held: list[Any] = []
    page.route("**/original*", lambda route: held.append(route))  # noqa: PLW0108 - it is given a mark
    open_first(page)
    for _ in range(2):
        expect(page.locator("#viewer-picture")).to_have_attribute("src", re.compile("thumbnail"))
        expect(page.locator("#viewer-picture")).not_to_have_js_property("naturalWidth", 0)
        shown = page.locator("#viewer-picture").get_attribute("src")
        id_ = re.search(r"show=(\d+)", page.url)
        assert id_
        assert f"/pictures/{id_[1]}/" in shown  # its own, not that of the one before
        page.click("#next")
    for route in held:
        route.continue_()
    expect(page.locator("#viewer-picture")).to_have_attribute("src", re.compile("original"))


def test_what_goes_wrong_is_seen_over_an_open_picture(troubled: Visit) -> None:
    page = troubled.page
    fail(troubled, "**/occlusion*")
    open_first(page)
    page.click("[data-map=of_local]")
    box = page.locator(".trouble").bounding_box()
    hit = page.evaluate(
        "b => document.elementFromPoint(b.x + 20, b.y + b.height / 2)?.closest('.trouble') !== null", box
    )
    assert hit
    page.click(".trouble .icon")  # and can be taken away
    expect(page.locator(".trouble")).to_have_count(0)


def test_a_search_that_fails_shows_nothing_and_is_tried_again(troubled: Visit) -> None:
    page = troubled.page
    again = fail(troubled, "**/search/by-id")
    page.locator("#grid .picture").nth(5).click()
    expect(page.locator("#empty")).to_contain_text("the server cannot be reached")
    expect(page.locator("#grid .picture")).to_have_count(0)
    again()
    expect(page.locator("#grid .picture")).to_have_count(40, timeout=20_000)
    expect(page.locator("#empty")).to_be_hidden()


def test_a_page_of_the_list_that_fails_is_asked_for_again(
    browser: Any,
    library: Library,
    model: FakeModel,
) -> None:
    many(library, 400)
    with serving(library.path, model) as server:
        visit = Visit(browser, server.url)
        visit.page.route("**/thumbnail*", lambda route: route.fulfill(status=200, content_type="image/png", body=b""))
        visit.ready()
        again = fail(visit, "**/pictures?before=*")
        visit.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        expect(visit.page.locator("#stalled")).to_contain_text("It is tried again.")
        again()
        visit.page.wait_for_function(
            "() => { scrollTo(0, document.documentElement.scrollHeight);"
            " return [...document.querySelectorAll('#grid li')].some(each => each.index > 430); }",
            timeout=30_000,
        )
        expect(visit.page.locator("#stalled")).to_be_hidden()
        visit.context.close()


def test_back_and_reload_keep_the_place(browser: Any, library: Library, model: FakeModel) -> None:
    many(library, 400)
    with serving(library.path, model) as server:
        visit = Visit(browser, server.url, viewport={"width": 700, "height": 500})
        page = visit.page
        page.route("**/thumbnail*", lambda route: route.fulfill(status=200, content_type="image/png", body=b""))
        visit.ready()
        for _ in range(8):
            page.evaluate("scrollBy(0, 450)")
            page.wait_for_timeout(60)
        page.wait_for_timeout(400)
        there = page.evaluate("scrollY")
        assert there > 500
        target = "document.elementFromPoint(200, 300).closest('li').querySelector('.picture')"
        title = page.evaluate(f"{target}.title")

        def is_there() -> None:
            page.wait_for_function(
                f"([y, title]) => Math.abs(scrollY - y) < 30 && {target}?.title === title", arg=[there, title]
            )

        page.evaluate(f"{target}.click()")
        expect(page.locator("#queries .query")).to_have_count(1)
        page.go_back()
        expect(page.locator("#queries .query")).to_have_count(0)
        is_there()
        page.reload()
        is_there()
        visit.context.close()


def test_back_closes_a_picture(visit: Visit) -> None:
    page = visit.page
    name = open_first(page)
    assert "show=" in page.url
    page.click("#next")
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    assert "show=" not in page.url
    page.go_forward()
    expect(page.locator("#viewer-name")).not_to_have_text(name)
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#summary")).to_have_text("40 pictures, the newest first")


def test_removing_can_be_taken_back(browser: Any, writable: Running, library: Library) -> None:
    visit = Visit(browser, writable.url).ready()
    page = visit.page
    open_first(page)
    page.click("#remove")
    expect(page.locator("#grid li.gone")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#grid li.gone")).to_have_count(0)
    time.sleep(11)
    assert len(library) == 40
    open_first(page)
    page.click("#remove")
    expect(page.locator("#summary")).to_have_text("39 pictures, the newest first", timeout=30_000)
    assert len(library) == 39
    assert visit.errors == []
    visit.context.close()


def test_the_address_is_the_whole_state(browser: Any, visit: Visit, server: Running, photos: Path) -> None:
    page = visit.page
    page.click("#toggle-filters")
    page.fill("#filter-folder", "cat")
    page.keyboard.press("Enter")
    page.get_by_label("Label").select_option("kind 1")
    visit.drop(photos / "cat" / "cat-03.png")
    expect(page.locator("#cutoff-text")).to_have_text("7 pictures, any distance")
    visit.cut(30)
    near = visit.names()
    assert 0 < len(near) < 7

    other = Visit(browser, page.url).ready()  # as if it had been sent to somebody
    expect(other.page.locator("#grid .picture")).to_have_count(len(near))
    assert sorted(other.names()) == sorted(near)
    expect(other.page.locator("#filter-count")).to_have_text(" · 2")
    assert other.errors == []
    other.context.close()
    page.reload()
    expect(page.locator("#grid .picture")).to_have_count(len(near))
    page.go_back()  # before the picture
    expect(page.locator("#summary")).to_have_text("7 pictures, the newest first")
    page.go_back()  # before the label
    expect(page.locator("#summary")).to_have_text("20 pictures, the newest first")


def test_plain_words_look_in_names_and_folders(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("/")
    for words, count in (("CAT", 20), ("dog 07", 1), ("og-1", 10), ("name like 'cat-0*'", 10), ("bird", 0)):
        page.fill("#filter-where", words)
        page.keyboard.press("Enter")
        expect(page.locator("#summary")).to_have_text(re.compile(rf"^{count} pictures?, the newest first"))
    page.keyboard.press("Escape")
    expect(page.locator("#filter-where")).not_to_be_focused()


def test_a_wait_is_told_and_success_too(browser: Any, writable: Running, tmp_path: Path) -> None:
    visit = Visit(browser, writable.url).ready()
    page = visit.page
    held: list[Any] = []
    page.route("**/api/v1/search?*", lambda route: held.append(route))  # noqa: PLW0108
    visit.drop(draw(tmp_path / "mine.png", 31415))
    expect(page.locator("#activity")).to_have_text("Sending mine.png…")
    held[0].continue_()
    expect(page.locator("#activity")).to_be_hidden()
    page.click("#queries .add")
    expect(page.locator(".told")).to_contain_text("mine.png is in the library now")
    assert visit.errors == []
    visit.context.close()


def test_a_lost_network_is_told_and_found_again(troubled: Visit) -> None:
    page = troubled.page
    names = troubled.names()
    troubled.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible(timeout=20_000)
    assert troubled.names() == names
    troubled.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden(timeout=20_000)


def test_the_head_takes_a_quarter_of_a_phone_at_most(browser: Any, server: Running, photos: Path) -> None:
    visit = Visit(browser, server.url, viewport={"width": 390, "height": 844}, has_touch=True).ready()
    page = visit.page
    visit.drop(photos / "cat" / "cat-03.png")
    expect(page.locator("#cutoff")).to_be_visible()
    page.click("#toggle-filters")
    expect(page.locator("#filter-where")).to_be_visible()

    assert page.locator(".top").evaluate("each => each.offsetHeight") <= 844 / 4
    page.click("#toggle-filters")
    expect(page.locator("#filter-where")).to_be_hidden()
    assert visit.errors == []
    visit.context.close()


def test_groups_of_duplicates_are_shown_whole(
    browser: Any,
    library: Library,
    model: FakeModel,
    photos: Path,
) -> None:
    for number in range(4):
        (photos / f"copy-{number}.png").write_bytes((photos / "cat" / "cat-19.png").read_bytes())
    library.index(photos)
    with serving(library.path, model) as server:
        visit = Visit(browser, server.url, viewport={"width": 390, "height": 844}).ready()
        visit.page.click("#show-duplicates")
        expect(visit.page.locator(".group .copy")).to_have_count(5, timeout=60_000)
        card = visit.page.locator(".group").first
        assert card.evaluate("each => each.scrollWidth <= each.clientWidth")
        assert visit.errors == []
        visit.context.close()


def test_the_histogram_has_an_axis_and_sizes_have_figures(visit: Visit, photos: Path) -> None:
    visit.drop(photos / "cat" / "cat-03.png")
    expect(visit.page.locator("#axis-least")).to_have_text("0")
    expect(visit.page.locator("#axis-most")).to_have_text("64 bits")
    expect(visit.page.locator("#histogram")).to_have_attribute("aria-label", re.compile("from 0 to 64 bits"))
    expect(visit.page.locator("#status-model")).not_to_contain_text(" 0 MB")


def test_the_keyboard_is_never_lost(visit: Visit) -> None:
    page = visit.page
    held = "document.activeElement !== document.body"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#queries .query")).to_have_count(1)
    expect(page.locator("#grid .badge").first).to_have_text("same")
    assert page.evaluate(held)
    page.locator("#clear").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#queries .query")).to_have_count(0)
    assert page.evaluate(held)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_contain_text("move through the pictures")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()


def test_forced_colours_keep_the_histogram(browser: Any, server: Running, photos: Path) -> None:
    visit = Visit(browser, server.url, forced_colors="active").ready()
    visit.drop(photos / "cat" / "cat-03.png")
    visit.page.locator("#histogram rect").first.wait_for(state="attached")  # the answer, which sets the cut
    visit.cut(5)  # the picture itself is within it, every other picture of the collection is not
    fill = "each => getComputedStyle(each).fill"
    inside = visit.page.locator("#histogram .in").first.evaluate(fill)
    outside = visit.page.locator("#histogram rect:not(.in)").last.evaluate(fill)
    paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert len({inside, outside, paper}) == 3
    visit.context.close()


def test_a_user_can_log_out(browser: Any, library: Library, model: FakeModel) -> None:
    with serving(library.path, model, token="100%25 & % of it") as server:
        visit = Visit(browser, f"{server.url}/#token=100%2525%20%26%20%25%20of%20it").ready()
        expect(visit.page.locator("#grid .picture img.there").first).to_be_visible()
        visit.page.click("#log-out")
        expect(visit.page.locator("#ask-token")).to_be_visible()
        visit.page.goto(f"{server.url}/#token=100%")  # not encoded: the page asks, rather than being blank
        visit.page.reload()
        expect(visit.page.locator("#ask-token")).to_be_visible()
        visit.context.close()


def test_nothing_is_likely_where_that_does_not_hold(visit: Visit, photos: Path) -> None:
    visit.drop(photos / "cat" / "cat-03.png")
    expect(visit.page.locator("#grid .badge").nth(1)).to_have_text(re.compile(r"^\d+$"))
    open_first(visit.page)
    expect(visit.page.locator("#facts")).to_contain_text("the same picture")
