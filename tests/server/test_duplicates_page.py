"""The page's duplicates in Chromium: looking at pairs, deciding on them by keyboard, and the plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from collection import draw
from fake_model import FakeModel
from plans import Held
from serving import Running, eventually, serving
from transhash import Library
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")

SLOW = 120_000  # ms: kernels may be compiled


@pytest.fixture
def copies(library: Library, photos: Path) -> Library:
    """The library with two larger copies of one picture, and with the bytes of another one twice."""
    image = Image.open(photos / "cat" / "cat-19.png").convert("RGB").resize((400, 400), Image.Resampling.NEAREST)
    image.save(photos / "large.png")
    image.resize((300, 300)).save(photos / "small.jpg", quality=92)
    (photos / "again.png").write_bytes((photos / "dog" / "dog-04.png").read_bytes())
    library.index(photos)
    return library


@pytest.fixture
def running(copies: Library, model: FakeModel, tmp_path: Path) -> Iterator[Running]:
    with serving(copies.path, model, writable=True, apply_to=str(tmp_path / "gone")) as running:
        yield running


def opened(browser: Any, url: str, **context: Any) -> Visit:
    """A visit to the groups."""
    visit = Visit(browser, url, **context).ready()
    visit.page.click("#show-duplicates")
    expect(visit.page.locator("#duplicates-title")).to_contain_text("group", timeout=SLOW)
    return visit


def ended(visit: Visit) -> None:
    visit.context.close()
    assert visit.errors == []


def test_a_pair_is_seen_side_by_side_under_a_slider_and_as_a_difference(browser: Any, running: Running) -> None:
    visit = opened(browser, running.url)
    page = visit.page
    page.locator(".group", has_text="large.png").locator(".compare").click()

    expect(page.locator("#pair-left img.there")).to_be_visible()
    expect(page.locator("#pair-right img.there")).to_be_visible()
    expect(page.locator("#pair-kind")).to_have_text("copy")
    expect(page.locator("#pair-facts tr").first).to_contain_text("pixels")
    expect(page.locator("#pair-facts tr").filter(has_text="folder")).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator("#pair-laid")).to_be_visible()
    page.locator("#pair-cut").fill("250")
    assert page.locator("#pair-over").evaluate("each => each.style.clipPath") == "inset(0px 0px 0px 25%)"
    ended(visit)


def test_the_difference_is_where_something_was_drawn(
    browser: Any, copies: Library, photos: Path, model: FakeModel
) -> None:
    image = Image.open(photos / "large.png")
    ImageDraw.Draw(image).rectangle((20, 30, 200, 42), fill=(255, 255, 255))
    image.save(photos / "marked.png")
    for other in ("small.jpg", "cat/cat-19.png"):
        (photos / other).unlink()
    copies.index(photos)
    with serving(copies.path, model) as running:
        visit = opened(browser, running.url)
        page = visit.page
        page.select_option("#duplicates-kinds", "all")
        group = page.locator(".group", has_text="marked.png")
        expect(group).to_have_count(1, timeout=SLOW)
        group.locator(".compare").click()
        expect(page.locator("#pair-kind")).to_have_text("edit")
        page.keyboard.press("3")
        expect(page.locator("#pair-difference")).to_contain_text("of the pixels differ visibly")
        colour = "each => { const [r, g, b] = each.getContext('2d').getImageData(100, %d, 1, 1).data; return r - b; }"
        assert page.locator("#pair-over").evaluate(colour % 36) > 60
        assert page.locator("#pair-over").evaluate(colour % 200) < 20
        ended(visit)


def test_the_keyboard_decides_and_what_was_decided_is_removed(browser: Any, running: Running, copies: Library) -> None:
    visit = opened(browser, running.url)
    page = visit.page
    groups = page.locator("#groups .group")
    expect(groups).to_have_count(2)
    page.click("#decide")
    names = [page.locator(f"#pair-{side}-name").inner_text() for side in ("left", "right")]
    assert sorted(names) == ["again.png", "dog/dog-04.png"]
    size = (copies.path.parent / "again.png").stat().st_size

    page.keyboard.press("ArrowDown")
    expect(page.locator(".trouble")).to_contain_text("keep both instead")
    page.keyboard.press("ArrowRight")

    expect(page.locator("#pair-title")).to_contain_text("Group 2 of 2, pair 1 of 2")
    expect(page.locator("#pair-tally")).to_contain_text("1 file to remove")
    first = page.locator("#pair-left-name").inner_text()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#pair-title")).to_contain_text("pair 2 of 2")
    assert len((copies.path / "not-duplicates.txt").read_text().splitlines()) == 1
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#pair-tally")).to_contain_text("2 files to remove")
    page.keyboard.press("Escape")
    expect(page.locator(".group.done")).to_have_count(2)
    expect(page.locator("#tally")).to_contain_text("3 pairs decided: 2 files to remove")
    with page.expect_download() as download:
        page.click("#plan")
    actions = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()[1:]]
    removed = [each for each in actions if each["action"] == "remove"]
    assert len(removed) == 2
    assert removed[0]["path"].endswith(names[0])  # the right one was kept
    assert removed[0]["size"] == size
    assert removed[1]["keep"].endswith(first)
    page.click("#apply")
    expect(page.locator(".told", has_text="2 files removed")).to_be_visible()
    assert not any(Path(each["path"]).exists() for each in removed)
    expect(page.locator("#tally")).to_contain_text("0 pairs decided", timeout=SLOW)
    page.locator(".told", has_text="2 files removed").get_by_role("button", name="Undo").click()
    expect(page.locator(".told", has_text="2 files brought back")).to_be_visible(timeout=SLOW)
    assert all(Path(each["path"]).stat().st_size == each["size"] for each in removed)
    expect(page.locator("#duplicates-title")).to_contain_text("2 groups", timeout=SLOW)
    ended(visit)


def test_decisions_outlast_a_reload_and_can_be_taken_back(browser: Any, running: Running, copies: Library) -> None:
    visit = opened(browser, running.url)
    page = visit.page
    page.click("#decide")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#pair-title")).to_contain_text("Group 2")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#pair-title")).to_contain_text("pair 2 of 2")
    page.keyboard.press("Backspace")
    expect(page.locator("#pair-title")).to_contain_text("pair 1 of 2")
    assert (copies.path / "not-duplicates.txt").read_text() == ""
    page.keyboard.press("Escape")
    expect(page.locator("#tally")).to_contain_text("1 pair decided: 1 file to remove")
    page.reload()
    expect(page.locator(".group.done")).to_have_count(1, timeout=SLOW)
    page.click("#start-over")
    expect(page.locator(".group.done")).to_have_count(0)
    ended(visit)


def test_what_was_decided_on_other_contents_is_decided_again(
    browser: Any, running: Running, copies: Library, photos: Path
) -> None:
    visit = opened(browser, running.url)
    page = visit.page

    def decide() -> None:
        page.locator(".group", has_text="again.png").locator(".compare").click()
        expect(page.locator("#pair-facts tr").first).to_contain_text("pixels")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#pair-tally")).to_contain_text("1 file to remove")
        page.keyboard.press("Escape")
        expect(page.locator("#tally")).to_contain_text("1 pair decided")

    def version() -> str:
        [found] = running.get("/pictures", params={"where": "name = 'again.png'"}).json()["pictures"]
        return str(found["version"])

    decide()
    before = version()
    for name in ("again.png", "dog/dog-04.png"):  # copies of one another again, and of another picture than before
        draw(photos / name, 4711)
    copies.index(photos)
    assert eventually(lambda: version() != before)

    page.click("#plan")
    expect(page.locator(".told", has_text="The pictures of 1 pair have changed or gone")).to_be_visible()
    expect(page.locator("#tally")).to_contain_text("0 pairs decided", timeout=SLOW)
    expect(page.locator(".group", has_text="again.png").locator(".compare")).to_have_text("Compare")
    decide()
    with page.expect_request("**/duplicates/plan") as asked:
        page.click("#plan")
    assert asked.value.headers["x-library"] == copies.creation
    ended(visit)


def told(page: Any, text: str) -> Any:
    return page.locator(".told", has_text=text)


@pytest.mark.parametrize("is_forgotten", [False, True], ids=["known", "forgotten"])
def test_a_removal_that_takes_long_outlasts_a_reload_and_is_undone(
    browser: Any, running: Running, photos: Path, monkeypatch: pytest.MonkeyPatch, is_forgotten: bool
) -> None:
    held = Held(monkeypatch)
    visit = Visit(browser, running.url).ready()
    page = visit.page
    page.click("#show-duplicates")
    expect(page.locator("#duplicates-title")).to_contain_text("2 groups", timeout=SLOW)
    page.check("#plan-rest")
    page.click("#apply")
    expect(page.locator("#activity-text")).to_have_text("Removing files… 1 of 3", timeout=SLOW)
    expect(page.locator("#apply")).to_be_disabled()
    page.reload()
    expect(page.locator("#activity-text")).to_have_text("Removing files… 1 of 3", timeout=SLOW)
    if is_forgotten:  # as by a server that was started again
        page.route("**/duplicates/applied/*", lambda route: route.fulfill(status=404, json={"code": "no-plan"}))
    held.let.set()
    end = "The server was started again" if is_forgotten else "3 files removed"
    expect(told(page, end)).to_be_visible(timeout=SLOW)
    assert eventually(lambda: not (photos / "cat" / "cat-19.png").exists())
    assert eventually(lambda: running.get("/pictures").json()["total"] == 40)
    page.unroute_all()
    told(page, end).get_by_role("button", name="Undo").click()
    expect(told(page, "3 files brought back")).to_be_visible(timeout=SLOW)
    page.reload()
    expect(page.locator("#duplicates-title")).to_contain_text("2 groups", timeout=SLOW)
    expect(page.locator("#apply")).to_be_enabled()
    visit.context.close()


def test_what_was_decided_in_another_search_is_named_and_can_still_be_done(
    browser: Any, running: Running, copies: Library, photos: Path
) -> None:
    image = Image.open(photos / "dog" / "dog-07.png").resize((400, 400), Image.Resampling.NEAREST)
    image.save(photos / "dog" / "dog-07.png")
    ImageDraw.Draw(image).rectangle((20, 30, 200, 42), fill=(255, 255, 255))
    image.save(photos / "marked.png")
    copies.index(photos)
    visit = opened(browser, running.url)
    page = visit.page
    page.select_option("#duplicates-kinds", "all")
    page.locator(".group", has_text="marked.png").locator(".compare").click(timeout=30_000)
    expect(page.locator("#pair-facts tr").first).to_contain_text("pixels")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    expect(page.locator("#tally")).to_contain_text("1 pair decided")
    page.select_option("#duplicates-kinds", "same-file,same-pixels,copy")
    expect(page.locator("#duplicates-title")).to_contain_text("2 groups", timeout=SLOW)
    attached = {"Content-Disposition": "attachment"}  # as a server answers that knows this search alone
    page.route("**/duplicates/plan", lambda route: route.fulfill(status=200, headers=attached, body="{}\n"))
    page.click("#plan")
    expect(told(page, "1 file that you decided on is not in it")).to_be_visible(timeout=SLOW)
    page.check("#plan-rest")
    page.click("#apply")
    expect(told(page, "3 files removed")).to_contain_text("1 file left alone, the first:", timeout=SLOW)
    expect(told(page, "3 files removed")).to_contain_text("is in no group of this search")
    expect(page.locator("#tally")).to_contain_text("1 pair decided: 1 file to remove")
    ended(visit)


def test_a_search_waits_while_the_server_looks_for_others(browser: Any, running: Running) -> None:
    visit = opened(browser, running.url)
    page, busy = visit.page, iter(range(7))  # more than a request is sent again

    def answer(route: Any) -> None:
        if next(busy, None) is None:
            return route.continue_()
        body = {"code": "busy", "reason": "another search for duplicates is under way", "remedy": "try again"}
        return route.fulfill(status=429, headers={"Retry-After": "0"}, json=body)

    page.route("**/api/v1/duplicates?*", answer)
    page.select_option("#duplicates-keep", "newest")
    expect(page.locator("#duplicates-title")).to_contain_text("2 groups", timeout=SLOW)
    assert next(busy, None) is None
    visit.context.close()


def test_ten_thousand_groups_are_turned_in_pages(browser: Any, library: Library, model: FakeModel) -> None:
    """20,000 files of which each two have equal bytes."""
    from transhash.library.catalogue.records import Coded, File

    folder = library.path.parent / "many"
    folder.mkdir()
    with library.catalogue.writing():
        for number in range(20_000):
            name = f"m-{number // 2:05d}-{number % 2}.png"
            (folder / name).touch()
            status = (folder / name).stat()
            code = (number // 2 * 0x9E3779B97F4A7C15 % (1 << 64)).to_bytes(8, "big")
            file = File(b"many", name.encode(), 0, status.st_mtime_ns, code * 2)
            library.catalogue.pictures.put(file, Coded(30, 20, code, None, None))
    with serving(library.path, model) as server:
        visit = Visit(browser, server.url, pictures=False).ready()
        page = visit.page
        page.locator("#duplicates-distance").evaluate("each => { each.value = '0'; }")
        page.click("#show-duplicates")
        expect(page.locator("#duplicates-title")).to_have_text("10,000 groups with 10,000 copies", timeout=SLOW)
        expect(page.locator("#groups .group")).to_have_count(60)
        expect(page.locator("#groups-shown")).to_have_text("Groups 1 to 60 of 10,000")
        page.click("#groups-next")
        expect(page.locator("#groups-shown")).to_have_text("Groups 61 to 120 of 10,000")
        expect(page.locator(".group").first).to_contain_text("m-00060")
        expect(page.locator("#groups-previous")).to_be_enabled()
        page.locator(".compare").last.click()
        expect(page.locator("#pair-title")).to_have_text("Group 120 of 10,000")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#pair-title")).to_have_text("Group 121 of 10,000")
        page.keyboard.press("Escape")
        expect(page.locator("#groups-shown")).to_have_text("Groups 121 to 180 of 10,000")
        expect(page.locator("#groups .group")).to_have_count(60)
        visit.context.close()


def test_axe_finds_nothing(browser: Any, running: Running) -> None:
    visit = opened(browser, running.url, bypass_csp=True, reduced_motion="reduce")
    page, look = visit.page, partial(visit.looks_right, sizes=((1440, 900), (390, 844)))
    look("groups")
    page.locator(".group", has_text="large.png").locator(".compare").click()
    expect(page.locator("#pair-facts tr").first).to_contain_text("pixels")
    look("beside")
    for mode in ("slider", "difference"):
        page.click(f"[data-mode={mode}]")
        expect(page.locator("#pair-laid")).to_be_visible()
        look(mode)
    ended(visit)


def test_hits_that_are_copies_are_one_on_the_page(browser: Any, running: Running, photos: Path) -> None:
    visit = Visit(browser, running.url).ready()
    page = visit.page
    visit.drop(photos / "again.png")
    expect(page.locator("#grid .badge").first).to_have_text("same · +1")
    names = visit.names()
    assert len({"again.png", "dog-04.png"} & set(names)) == 1
    page.click("#collapse")
    expect(page.locator("#grid .badge").first).to_have_text("same")
    assert {"again.png", "dog-04.png"} <= set(visit.names())
    page.click("#collapse")
    expect(page.locator("#grid .badge").first).to_have_text("same · +1")
    visit.cut(0)
    expect(page.locator("#grid .picture")).to_have_count(1)
    ended(visit)
