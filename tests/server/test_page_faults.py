"""The page in Chromium when things go wrong or back: slow and lost networks, Back, reload, small screens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fake_model import FakeModel
from gallery import Gallery
from serving import Running, eventually, serving
from transhash import Library
from transhash.library.catalogue.records import Coded, File
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")


def fail(visit: Visit, pattern: str) -> Callable[[], None]:
    """Let requests fail, until what is returned is called."""
    visit.page.route(pattern, lambda route: route.abort())
    return lambda: visit.page.unroute(pattern)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """5,000 rows without files, served."""
    model = FakeModel()
    with Library.create(tmp_path_factory.mktemp("crowd") / ".transhash", model) as library:
        with library.catalogue.writing():
            for number in range(5_000):
                name, code = f"many-{number:05d}.png".encode(), number.to_bytes(8, "big")
                library.catalogue.pictures.put(File(b"cat", name, 1, 1, code * 2), Coded(30, 20, code, None, None))
        with serving(library.path, model) as server:
            yield server


@pytest.fixture
def scrolled(window: Any, crowd: Running) -> Iterator[Visit]:
    """A visit to them; of its console only a test that lets requests fail need know."""
    visit = Visit(window, crowd.url, pictures=False).ready()
    yield visit
    visit.forget()


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


def test_a_page_of_the_list_that_fails_is_asked_for_again(scrolled: Visit) -> None:
    page = scrolled.page
    again = fail(scrolled, "**/pictures?before=*")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.locator("#stalled")).to_contain_text("It is tried again.")
    again()
    page.wait_for_function(
        "() => { scrollTo(0, document.documentElement.scrollHeight);"
        " return [...document.querySelectorAll('#grid li')].some(each => each.index > 430); }"
    )
    expect(page.locator("#stalled")).to_be_hidden()


def test_back_and_reload_keep_the_place(browser: Any, crowd: Running) -> None:
    visit = Visit(browser, crowd.url, pictures=False, viewport={"width": 700, "height": 500}).ready()
    page = visit.page
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
    assert visit.errors == []


def test_many_pictures_are_scrolled_through_with_few_elements(scrolled: Visit) -> None:
    """What is in the page does not grow, and what was left can be returned to."""
    first = scrolled.names()[0]
    most, loaded = scrolled.page.evaluate(
        """async () => {
          const turned = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const last = () => Math.max(...[...document.querySelectorAll("#grid li")].map((each) => each.index));
          let most = 0;
          while (last() < 3500) {
            scrollTo(0, document.documentElement.scrollHeight);
            await turned();
            most = Math.max(most, document.querySelectorAll("#grid li").length);
          }
          return [most, last()];
        }"""
    )
    assert loaded > 3000
    assert most < 500
    scrolled.page.evaluate("scrollTo(0, 0)")
    expect(scrolled.page.locator(f"#grid .picture[title$='{first}']")).to_be_visible()
    assert scrolled.errors == []


def test_back_closes_a_picture(visit: Visit) -> None:
    page = visit.page
    name = open_first(page)
    assert "show=" in page.url
    page.click("#next")
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    assert "show=" not in page.url
    page.go_forward()
    expect(page.locator("#viewer")).to_be_visible()
    expect(page.locator("#viewer-name")).not_to_have_text(name)
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#summary")).to_have_text("40 pictures, the newest first")


def test_the_address_is_the_whole_state(browser: Any, visit: Visit, gallery: Gallery) -> None:
    page = visit.page
    page.click("#toggle-filters")
    page.fill("#filter-folder", "cat")
    page.keyboard.press("Enter")
    page.get_by_label("Label").select_option("kind 1")
    visit.drop(gallery.photos / "cat" / "cat-03.png")
    expect(page.locator("#cutoff-text")).to_have_text("7 pictures, any distance")
    visit.cut(30)
    assert eventually(lambda: 0 < len(visit.names()) < 7)
    near = visit.names()

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
    filters = (("name like 'cat-0*'", 10), ("stars > 17 or label is null", 22), ("not width < 43", 1))
    apostrophes = (("cats in snow", 0), ('"cat-0"', 10), ("it's", 0), ("CAT", 20), ("cat (1) is like this", 0))
    for words, count in (("CAT", 20), ("dog 07", 1), ("og-1", 10), ("bird", 0), *filters, *apostrophes):
        page.fill("#filter-where", words)
        page.keyboard.press("Enter")
        expect(page.locator("#summary")).to_have_text(re.compile(rf"^{count} pictures?, the newest first"))
    page.keyboard.press("Escape")
    expect(page.locator("#filter-where")).not_to_be_focused()


def test_a_lost_network_is_told_and_found_again(troubled: Visit) -> None:
    page = troubled.page
    names = troubled.names()
    troubled.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible(timeout=20_000)
    assert troubled.names() == names
    troubled.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden(timeout=20_000)


def test_the_histogram_has_an_axis_and_sizes_have_figures(visit: Visit, gallery: Gallery) -> None:
    visit.drop(gallery.photos / "cat" / "cat-03.png")
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


def test_forced_colours_keep_the_histogram(visit: Visit, gallery: Gallery) -> None:
    visit.page.emulate_media(forced_colors="active")
    visit.drop(gallery.photos / "cat" / "cat-03.png")
    visit.page.locator("#histogram rect").first.wait_for(state="attached")  # the answer, which sets the cut
    visit.cut(5)  # the picture itself is within it, every other picture of the collection is not
    fill = "each => getComputedStyle(each).fill"
    inside = visit.page.locator("#histogram .in").first.evaluate(fill)
    outside = visit.page.locator("#histogram rect:not(.in)").last.evaluate(fill)
    paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert len({inside, outside, paper}) == 3


def test_nothing_is_likely_where_that_does_not_hold(visit: Visit, gallery: Gallery) -> None:
    visit.drop(gallery.photos / "cat" / "cat-03.png")
    expect(visit.page.locator("#grid .badge").nth(1)).to_have_text(re.compile(r"^\d+$"))
    open_first(visit.page)
    expect(visit.page.locator("#facts")).to_contain_text("the same picture")


def test_all_that_is_within_the_cut_off_is_loaded_and_nothing_else(scrolled: Visit, crowd: Running) -> None:
    page = scrolled.page
    page.evaluate("() => { location.hash = 'like=1&cut=3'; }")
    expect(page.locator("#grid li").first).to_be_visible()
    [found] = crowd.post("/search/by-id", json={"ids": [1], "max_distance": 3, "k": 1000}).json()["results"]
    assert 240 < len(found["hits"]) < 1000  # several pages
    expect(page.locator("#cutoff-text")).to_have_text(f"{len(found['hits'])} pictures within 3 bits")
    page.wait_for_function(
        "count => { scrollTo(0, document.documentElement.scrollHeight);"
        " return Math.max(...[...document.querySelectorAll('#grid li')].map(each => each.index)) === count - 1; }",
        arg=len(found["hits"]),
    )
    expect(page.locator("#grid .picture").last).to_have_attribute("title", re.compile(found["hits"][-1]["name"]))


def test_the_cut_off_is_searched_with_when_it_rests(visit: Visit) -> None:
    page = visit.page
    page.locator("#grid .picture").nth(5).click()
    expect(page.locator("#cutoff-text")).to_have_text("40 pictures, any distance")
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request.post_data_json) if "/search/" in request.url else None)
    page.locator("#distance").evaluate(
        "each => { for (let at = 60; at >= 30; at--) { each.value = at; each.dispatchEvent(new Event('input')); } }"
    )
    expect(page.locator("#cutoff-text")).to_contain_text("within 30 bits")  # at once
    within = int(page.locator("#cutoff-text").inner_text().split()[0])
    assert 1 < within < 40
    expect(page.locator("#grid .picture")).to_have_count(within)
    assert [each["max_distance"] for each in asked] == [30]
    visit.cut(64)
    expect(page.locator("#grid .picture")).to_have_count(40)
    assert "max_distance" not in asked[-1]


def test_a_proxy_that_asks_who_one_is_takes_nothing_away(visit: Visit) -> None:
    """Once its session has ended, a single sign-on answers with a page of its own, and not with an error."""
    page = visit.page
    page.locator("#grid .picture").nth(3).click()
    expect(page.locator("#grid .badge").first).to_have_text("same")
    address, login = page.url, {"content_type": "text/html", "body": "<!doctype html><title>Sign in</title>"}
    asked: list[str] = []
    page.route("**/api/v1/**", lambda route: (asked.append(route.request.url), route.fulfill(**login)))
    page.locator("#grid .picture").nth(5).click(modifiers=["Control"])
    expect(page.locator("#empty")).to_contain_text(
        "something else answers in the place of the server; load the page again"
    )
    assert eventually(lambda: page.wait_for_timeout(50) or any(url.endswith("/library") for url in asked))
    page.wait_for_timeout(200)
    assert address in page.url
    page.unroute("**/api/v1/**")
    page.reload()
    expect(page.locator("#queries .query")).to_have_count(2)
    expect(page.locator("#grid .badge").first).to_be_visible()
