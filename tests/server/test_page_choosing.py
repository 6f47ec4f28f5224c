"""The page in Chromium: pictures that are chosen, searched with as one, parts of them, orders, rules, a phone."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from embedded import COUNT, ordered_library
from fake_model import FakeModel
from gallery import Gallery, forty
from serving import Running, eventually, serving
from transhash import Library
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")


def shown(visit: Visit, count: int) -> list[str]:
    expect(visit.page.locator("#grid .picture")).to_have_count(count)
    return visit.names()


def test_chosen_pictures_are_exported_downloaded_and_let_go(visit: Visit, tmp_path: Path, gallery: Gallery) -> None:
    page = visit.page
    names = shown(visit, 40)
    expect(page.locator("#picks")).to_be_hidden()
    page.locator("#grid .pick").nth(2).click()
    page.locator("#grid .pick").nth(5).click(modifiers=["Shift"])
    expect(page.locator("#picks-count")).to_have_text("4 pictures chosen")
    expect(page.locator("#queries .query")).to_have_count(0)  # it was no search

    with page.expect_download() as table:
        page.locator("#picks-table").click()
    written = Path(table.value.path()).read_bytes()
    assert written.startswith(b"\xef\xbb\xbf")  # otherwise spreadsheets take it for another encoding
    rows = list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"))))
    assert [Path(row["path"]).name for row in rows] == names[2:6]
    assert rows[0]["width"] == str(Image.open(gallery.photos / rows[0]["path"]).width)

    with page.expect_download() as files:
        page.locator("#picks-files").click()
    with zipfile.ZipFile(files.value.path()) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == names[2:6]
        for row in rows:
            with archive.open(Path(row["path"]).name) as file:
                assert Image.open(file).tobytes() == Image.open(gallery.photos / row["path"]).tobytes()

    page.keyboard.press("Escape")
    expect(page.locator("#picks")).to_be_hidden()
    expect(page.locator("#grid .chosen")).to_have_count(0)


def test_the_picture_that_the_keyboard_is_at_shows_its_tick(visit: Visit) -> None:
    page = visit.page
    shown(visit, 40)
    page.locator("#grid .picture").first.focus()
    page.keyboard.press("x")
    for part in (".pick", ".view"):
        on_top = (
            "e => { const { x, y } = e.getBoundingClientRect(); return document.elementFromPoint(x + 9, y + 9) === e; }"
        )
        assert page.locator(f"#grid {part}").first.evaluate(on_top)


def test_no_archive_is_made_that_would_be_too_large(visit: Visit) -> None:
    """Its format has sizes of 32 bits: a larger one could not be read."""
    page = visit.page
    shown(visit, 40)
    page.evaluate(
        "() => { const blob = Response.prototype.blob; Response.prototype.blob = async function () {"
        " return Object.defineProperty(await blob.call(this), 'size', {value: 2.1e9}); }; }"
    )
    for at in (2, 3):
        page.locator("#grid .pick").nth(at).click()
    page.locator("#picks-files").click()
    expect(page.locator(".told")).to_contain_text("At most 4.0 GB can be downloaded at once; choose fewer")


def test_paths_of_chosen_pictures_are_copied_with_the_keyboard(browser: Any, gallery: Gallery) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    visit = Visit(browser, gallery.server.url, permissions=permissions).ready()
    names, page = shown(visit, 40), visit.page
    page.locator("#grid .picture").first.focus()
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+X")
    expect(page.locator("#picks-count")).to_have_text("3 pictures chosen")
    expect(page.locator("#grid .pick[aria-pressed=true]")).to_have_count(3)
    page.locator("#picks-paths").click()
    expect(page.locator("#troubles")).to_contain_text("3 paths on the clipboard")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert [each.rpartition("/")[2] for each in copied.split("\n")] == names[:3]
    visit.context.close()
    assert visit.errors == []


def test_several_are_searched_with_as_one_but_not_like_another(visit: Visit, gallery: Gallery) -> None:
    page = visit.page
    shown(visit, 40)
    ids = [int(page.locator("#grid li").nth(at).get_attribute("data-id")) for at in (3, 8)]
    for at in (3, 8):
        page.locator("#grid .pick").nth(at).click()
    page.locator("#picks-search").click()

    def wanted(**unlike: object) -> list[str]:
        [found] = gallery.server.post("/search/joined", json={"k": 40, **unlike}).json()["results"]
        return [hit["name"] for hit in found["hits"]]

    together = wanted(like=[{"id": ids[0]}, {"id": ids[1]}])
    expect(page.locator("#together")).to_have_attribute("aria-pressed", "true")
    assert eventually(lambda: visit.names() == together)
    page.locator("#queries .role").nth(1).click()
    expect(page.locator("#queries .unlike")).to_have_count(1)
    without = wanted(like=[{"id": ids[0]}], unlike=[{"id": ids[1]}])
    assert eventually(lambda: visit.names() == without)
    assert without != together
    assert "joined=1&not=1" in page.url

    page.reload()
    assert eventually(lambda: visit.names() == without)
    page.locator("#queries .role").nth(0).click()  # nothing would be left to look for
    expect(page.locator("#troubles")).to_contain_text("One picture or word at least")
    page.locator("#together").click()
    expect(page.locator("#grid .badge").first).to_have_text("same")  # one by one again
    page.go_back()
    assert eventually(lambda: visit.names() == without)


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The gallery with a picture whose right half is another one of it."""
    photos, model = forty(tmp_path_factory.mktemp("halves")), FakeModel()
    both = Image.new("RGB", (800, 400))
    for at, name in enumerate(("cat/cat-04.png", "dog/dog-09.png")):
        both.paste(Image.open(photos / name).resize((400, 400), Image.Resampling.NEAREST), (400 * at, 0))
    both.save(photos / "both.png")
    with Library.create(photos / ".transhash", model) as library:
        library.index(photos)
        with serving(library.path, model) as server:
            yield server


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_a_part_of_a_picture_is_searched_with(window: Any, halves: Running, way: str) -> None:
    visit = Visit(window, halves.url).ready()
    page = visit.page
    expect(page.locator("#grid img.there")).to_have_count(41, timeout=60_000)
    page.locator("#grid .picture[title$='both.png']").focus()
    page.keyboard.press("Space")
    expect(page.locator("#viewer-picture")).to_have_js_property("naturalWidth", 800, timeout=60_000)
    page.locator("#part").click()
    box = page.locator("#viewer-picture").bounding_box()
    if way == "mouse":
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 1)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.6)
        page.mouse.move(box["x"] + box["width"] + 30, box["y"] + box["height"] + 30)  # beyond its edge
        page.mouse.up()
    else:
        for keys, times in (("ArrowUp", 13), ("ArrowRight", 13), ("Shift+ArrowDown", 25)):
            for _ in range(times):
                page.keyboard.press(keys)
        page.keyboard.press("Enter")

    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#queries .query")).to_have_attribute("title", "part of both.png")
    expect(page.locator("#grid .picture").first).to_have_attribute("title", "dog/dog-09.png")
    page.reload()  # it is kept as its code
    expect(page.locator("#grid .picture").first).to_have_attribute("title", "dog/dog-09.png")
    visit.forget()
    assert visit.errors == []


def test_escape_ends_the_part_and_then_the_picture(visit: Visit) -> None:
    page = visit.page
    page.locator("#grid .picture").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("p")
    expect(page.locator("#region")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#region")).to_be_hidden()
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()


def test_the_library_is_shown_in_another_order(visit: Visit, gallery: Gallery) -> None:
    page = visit.page
    shown(visit, 40)
    page.locator("#sort").select_option("-pixels")
    wanted = [each["name"] for each in gallery.server.get("/pictures", params={"sort": "-pixels"}).json()["pictures"]]
    assert eventually(lambda: visit.names() == wanted)
    expect(page.locator("#summary")).to_have_text("40 pictures, most pixels first")
    assert "sort=-pixels" in page.url
    page.reload()
    expect(page.locator("#sort")).to_have_value("-pixels")
    assert eventually(lambda: visit.names() == wanted)
    page.locator("#grid .picture").first.click()
    expect(page.locator("#order")).to_be_hidden()  # what is found is in the order of its distance
    page.go_back()
    assert eventually(lambda: visit.names() == wanted)


def test_filters_are_built_by_choosing_and_said_in_words(visit: Visit) -> None:
    page = visit.page
    shown(visit, 40)
    page.locator("#toggle-filters").click()
    page.locator("#rule-column").select_option("width")
    page.locator("#rule-operator").select_option("least")
    page.locator("#rule-value").fill("40")
    page.keyboard.press("Enter")
    expect(page.locator("#rule-list li")).to_contain_text(["width is at least 40"])
    expect(page.locator("#summary")).to_have_text("4 pictures, the newest first")
    page.locator("#rule-column").select_option("label")
    expect(page.locator("#rule-values option")).to_have_count(3)  # values of it, offered as one types
    page.locator("#rule-operator").select_option("is")
    page.locator("#rule-value").fill("kind 1")
    page.locator("#rule-add").click()
    expect(page.locator("#rule-list li")).to_have_count(2)
    expect(page.locator("#summary")).to_have_text("2 pictures, the newest first")

    page.reload()
    expect(page.locator("#summary")).to_have_text("2 pictures, the newest first")
    page.locator("#toggle-filters").click()
    page.get_by_role("button", name="Take away: label is kind 1").click()
    expect(page.locator("#summary")).to_have_text("4 pictures, the newest first")
    page.go_back()
    expect(page.locator("#summary")).to_have_text("2 pictures, the newest first")
    page.locator("#clear-filters").click()
    expect(page.locator("#summary")).to_have_text("40 pictures, the newest first")
    page.locator("#rule-column").select_option("stars")
    page.locator("#rule-operator").select_option("empty")
    expect(page.locator("#rule-value")).to_be_hidden()
    page.locator("#rule-add").click()
    expect(page.locator("#summary")).to_have_text("20 pictures, the newest first")


def test_on_a_phone_the_head_makes_room_and_a_finger_turns_the_picture(browser: Any, gallery: Gallery) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    visit = Visit(browser, gallery.server.url, **phone).ready()
    names, page = shown(visit, 40), visit.page
    head = page.locator(".top")
    visit.drop(gallery.photos / "cat" / "cat-03.png")
    expect(page.locator("#cutoff")).to_be_visible()
    expect(page.locator("#save")).to_be_visible()
    page.click("#toggle-filters")
    expect(page.locator("#filter-where")).to_be_visible()
    assert head.evaluate("each => each.offsetHeight") <= 844 / 4
    page.click("#toggle-filters")
    expect(page.locator("#filter-where")).to_be_hidden()
    page.click("#clear")
    expect(page.locator("#summary")).to_have_text("40 pictures, the newest first")

    page.set_viewport_size({"width": 390, "height": 500})
    turned = "top => { scrollTo(0, top); return new Promise(done => requestAnimationFrame(() => setTimeout(done))); }"
    for top in (100, 200, 300):
        page.evaluate(turned, top)
    expect(head).to_have_class(re.compile("folded"))
    for top in (260, 200):
        page.evaluate(turned, top)
    expect(head).not_to_have_class(re.compile("folded"))
    page.evaluate("scrollTo(0, 0)")

    page.locator("#grid .view").first.tap()
    expect(page.locator("#viewer-name")).to_have_text(names[0])
    stage = page.locator(".stage").bounding_box()
    middle = stage["y"] + stage["height"] / 2
    touch = page.context.new_cdp_session(page)

    def move(kind: str, *across: int) -> None:
        points = [{"x": x, "y": middle, "id": finger} for finger, x in enumerate(across)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def swipe() -> None:
        for kind, x in (("touchStart", 300), ("touchMove", 240), ("touchMove", 120)):
            move(kind, x)
        move("touchEnd")

    def pinch(begin: int, end: int) -> None:
        """Two fingers, so many pixels from the middle."""
        move("touchStart", 195 - begin)
        move("touchStart", 195 - begin, 195 + begin)
        for away in range(begin, end, 10 if end > begin else -10):
            move("touchMove", 195 - away, 195 + away)
        move("touchEnd")

    swipe()
    expect(page.locator("#viewer-name")).to_have_text(names[1])
    pinch(40, 120)
    assert eventually(lambda: page.evaluate("visualViewport.scale") > 1.5)
    seen = page.evaluate("visualViewport.pageLeft")
    swipe()  # moves what is seen, and turns nothing
    assert eventually(lambda: page.evaluate("visualViewport.pageLeft") > seen)
    expect(page.locator("#viewer-name")).to_have_text(names[1])
    pinch(180, 10)
    assert eventually(lambda: page.evaluate("visualViewport.scale") == 1)
    swipe()
    expect(page.locator("#viewer-name")).to_have_text(names[2])
    visit.context.close()
    assert visit.errors == []


def test_what_is_new_is_reached_by_screen_readers_and_in_forced_colours(visit: Visit) -> None:
    page = visit.page
    page.emulate_media(forced_colors="active")
    shown(visit, 40)
    page.locator("#grid .pick").first.click()
    page.locator("#toggle-filters").click()
    for role, name in (
        ("region", "Chosen pictures"),
        ("button", "Search with them"),
        ("combobox", "Column"),
        ("combobox", "What about it"),
        ("combobox", "Value"),
        ("combobox", "Order"),
    ):
        expect(page.get_by_role(role, name=name).first).to_be_visible()
    colours = "each => [getComputedStyle(each).backgroundColor, getComputedStyle(each).color]"
    picked = page.locator("#grid .pick[aria-pressed=true]").first.evaluate(colours)
    assert picked[0] != picked[1]


def test_the_cut_off_leaves_what_is_near_where_cosines_order(browser: Any, tmp_path: Path) -> None:
    """The nearest codes are not the first hits there."""
    with ordered_library(tmp_path) as library, serving(library.path, library.model) as server:
        every = library.search(library.path.parent / "pictures" / "0-0003.png", COUNT)
        near = {cut: [hit.path.name for hit in every if hit.distance <= cut] for cut in range(64)}
        cut = next(at for at, some in near.items() if some != [hit.path.name for hit in every[: len(some)]])
        visit = Visit(browser, f"{server.url}#like={every[0].id}&cut={cut}").ready()
        expect(visit.page.locator("#grid .picture")).to_have_count(len(near[cut]))
        assert visit.names() == near[cut]
        visit.cut(0)
        expect(visit.page.locator("#grid .picture")).to_have_count(1)
        visit.context.close()
