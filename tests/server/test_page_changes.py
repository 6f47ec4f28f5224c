"""The page in Chromium when pictures go, or another library takes the place of the one that it shows."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_model import FakeModel
from fittable_model import FittableModel
from gallery import Gallery, fill, forty
from kinds import draw
from layered import fitted_to_more
from serving import API, Running, eventually, serving
from transhash import Library
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")


LATE = """() => {
  const own = setTimeout;
  window.late = [];
  window.setTimeout = (action, ms, ...more) => (ms >= 10000 ? window.late.push(action) : own(action, ms, ...more));
}"""  # what a page does after ten seconds waits for the test


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """A gallery that may be written to. Each test removes pictures of its own."""
    photos, model = forty(tmp_path_factory.mktemp("changing") / "photos"), FakeModel()
    with Library.create(photos / ".transhash", model) as library:
        fill(library, photos)
        with serving(library.path, model, writable=True) as running:
            yield Gallery(photos, library, running)


@pytest.fixture
def visit(window: Any, changing: Gallery) -> Iterator[Visit]:
    """A visit to it, whose console may tell of pictures that are gone."""
    visit = Visit(window, changing.server.url, pictures=False).ready()
    yield visit
    visit.forget()
    assert all("Failed to load resource" in error for error in visit.errors), visit.errors


def ids(server: Running) -> dict[str, int]:
    """The id of each picture, by its path."""
    listed = server.get("/pictures", params={"limit": 1000}).json()["pictures"]
    return {each["path"]: each["id"] for each in listed}


def remove(server: Running, id_: int) -> None:
    assert server.client.delete(f"{API}/pictures/{id_}").status_code == 204


def search(visit: Visit, address: str, *titles: str) -> None:
    """Type an address, and wait for the pictures that are searched with."""
    visit.page.evaluate("hash => { location.hash = hash; }", address)
    searched_with(visit, *titles)


def searched_with(visit: Visit, *titles: str) -> None:
    expect(visit.page.locator("#queries .query")).to_have_count(len(titles))
    for at, title in enumerate(titles):
        expect(visit.page.locator("#queries .query").nth(at)).to_have_attribute("title", title)
    expect(visit.page.locator("body:not(.turning)")).to_have_count(1)


def test_back_goes_on_over_a_picture_that_has_gone(visit: Visit, changing: Gallery) -> None:
    known = ids(changing.server)
    names = [f"cat/cat-{number:02d}.png" for number in (8, 9, 10)]
    for name in names:
        search(visit, f"#like={known[name]}", name)
    remove(changing.server, known[names[1]])

    visit.page.go_back(wait_until="commit")
    expect(visit.page.locator(".trouble")).to_contain_text("no picture of this id")
    searched_with(visit)
    visit.page.go_back(wait_until="commit")
    searched_with(visit, names[0])


def test_an_address_means_the_same_pictures_when_one_has_gone(visit: Visit, changing: Gallery) -> None:
    known, page = ids(changing.server), visit.page
    gone, one, other = (f"dog/dog-{number:02d}.png" for number in (4, 5, 6))
    likes = "&".join(f"like={known[name]}" for name in (gone, one, other))
    remove(changing.server, known[gone])

    search(visit, f"#{likes}&joined=1&not=1", one, other)
    expect(page.locator("#queries .unlike .query")).to_have_attribute("title", one)
    search(visit, f"#{likes}&active=2", one, other)
    expect(page.locator("#queries [aria-pressed=true]")).to_have_attribute("title", other)
    search(visit, f"#{likes}&joined=1&not=1&not=2")  # nothing is left that is to be alike


def test_a_search_with_several_keeps_its_sense_when_one_has_gone(visit: Visit, changing: Gallery) -> None:
    known, page = ids(changing.server), visit.page
    names = [f"cat/cat-{number:02d}.png" for number in (3, 4, 5)]
    search(visit, "#" + "&".join(f"like={known[name]}" for name in names) + "&joined=1&not=2", *names)
    page.click("#clear")
    searched_with(visit)
    remove(changing.server, known[names[0]])

    page.go_back(wait_until="commit")
    searched_with(visit, *names[1:])
    expect(page.locator("#queries .unlike .query")).to_have_attribute("title", names[2])


def test_a_picture_that_was_sent_before_a_reload_is_not_offered_to_be_added(visit: Visit, changing: Gallery) -> None:
    """Its file is gone, and the button would add another one."""
    page = visit.page
    names = ["dog-01.png", "dog-02.png", "dog-03.png"]
    for name in names:
        if name == "dog-03.png":
            page.reload()
            visit.ready()
        visit.drop(changing.photos / "dog" / name)
        searched_with(visit, name)
    expect(page.locator("#queries .add")).to_have_count(1)
    for name in names[1::-1]:
        page.go_back(wait_until="commit")
        searched_with(visit, name)
        assert page.locator("#queries .add").count() == 0


def test_what_is_removed_is_of_the_library_that_is_shown(visit: Visit, changing: Gallery) -> None:
    page, known = visit.page, ids(changing.server)
    page.clock.install()
    search(visit, f"#show={known['cat/cat-15.png']}")
    expect(page.locator("#neighbours button")).to_have_count(12)
    page.click("#remove")
    expect(page.locator("#viewer")).to_be_hidden()

    with page.expect_request(lambda request: request.method == "DELETE") as asked:
        page.clock.run_for(11_000)
    assert asked.value.headers["x-library"] == changing.server.get("/library").json()["id"]
    assert eventually(lambda: "cat/cat-15.png" not in ids(changing.server))


def test_what_waits_to_be_removed_is_not_removed_from_another_library(
    browser: Any, writable: Running, library: Library, model: FakeModel, photos: Path
) -> None:
    visit = Visit(browser, writable.url, pictures=False).ready()
    page, known = visit.page, ids(writable)
    page.clock.install()
    search(visit, f"#like={known['cat/cat-05.png']}", "cat/cat-05.png")
    page.locator("#grid .view").first.evaluate("each => each.click()")
    expect(page.locator("#neighbours button")).to_have_count(12)
    page.click("#remove")
    expect(page.locator("#grid li.gone")).to_have_count(1)

    library.close()
    shutil.move(photos / ".transhash", photos.parent / "away")
    shutil.rmtree(photos / "dog")
    with Library.create(photos / ".transhash", model) as again:
        again.index(photos)
        assert eventually(lambda: writable.get("/library").json().get("id") == again.creation)
    before = ids(writable)
    with page.expect_navigation():
        page.clock.run_for(6_000)
    visit.ready()
    searched_with(visit)  # the ids of the page were those of other pictures
    expect(page.locator("#status-library")).to_have_text("20 pictures")
    page.clock.run_for(11_000)
    assert ids(writable) == before

    page.go_back(wait_until="commit")
    expect(page.locator("#summary")).to_have_text("20 pictures, the newest first")
    searched_with(visit)
    assert "like" not in page.url
    visit.context.close()


def remove_at(page: Any, index: int) -> None:
    """Remove the picture at a place of the grid, with the open picture's button."""
    page.locator("#grid li").nth(index).locator(".view").evaluate("each => each.click()")
    page.click("#remove")
    expect(page.locator("#viewer")).to_be_hidden()


def test_each_of_several_removals_stays_marked_and_can_be_taken_back(visit: Visit) -> None:
    page = visit.page
    page.evaluate(LATE)
    for index in range(4):
        remove_at(page, index)
    page.select_option("#sort", "name")
    expect(page.locator("#summary")).to_contain_text("by name")
    expect(page.locator("#grid li.gone")).to_have_count(4)  # in another order, too
    for left in (3, 2, 1, 0):
        page.locator("#troubles button", has_text="Undo").first.click()
        expect(page.locator("#grid li.gone")).to_have_count(left)


def test_the_keyboard_and_the_open_picture_keep_their_place_when_another_is_removed(visit: Visit) -> None:
    page = visit.page
    count = len(visit.names())
    page.evaluate(LATE)
    remove_at(page, 2)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    held = str(page.evaluate("document.activeElement.title"))
    page.evaluate("late.splice(0).forEach((action) => action())")
    expect(page.locator("#grid li")).to_have_count(count - 1)
    expect(page.locator(f"#grid .picture[title='{held}']")).to_be_focused()

    names = visit.names()
    remove_at(page, 1)
    page.locator("#grid li").nth(6).locator(".view").evaluate("each => each.click()")
    page.evaluate("late.splice(0).forEach((action) => action())")
    expect(page.locator("#grid li")).to_have_count(count - 2)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer-name")).to_have_text(names[7])


def test_an_archive_says_what_it_has_only_small_or_not_at_all(visit: Visit, changing: Gallery) -> None:
    page = visit.page
    small, gone, whole = (f"dog/dog-{number:02d}.png" for number in (7, 8, 9))
    for path in (small, gone, whole):
        page.locator(f"#grid li:has([title='{path}']) .pick").evaluate("each => each.click()")
    known = ids(changing.server)
    assert changing.server.get(f"/pictures/{known[small]}/thumbnail").status_code == 200
    (changing.photos / small).unlink()
    remove(changing.server, known[gone])
    with page.expect_download() as files:
        page.click("#picks-files")
    with zipfile.ZipFile(files.value.path()) as archive:
        assert archive.namelist() == [Path(small).name, Path(whole).name]
    expect(page.locator("#troubles")).to_contain_text(f"no longer in the library: {Path(gone).name}")
    expect(page.locator("#troubles")).to_contain_text(f"only small copies of: {Path(small).name}")


def test_a_picture_that_was_sent_is_not_looked_for_by_a_code_from_before_a_fit(browser: Any, tmp_path: Path) -> None:
    (new,) = draw(tmp_path / "new", 1, seed=5)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        fitted_to_more(library, 70, seed=0)
        with serving(library.path, FittableModel()) as server:
            sender = Visit(browser, server.url, pictures=False).ready()
            sender.drop(new)
            searched_with(sender, new.name)
            before = sender.page.url
            fitted_to_more(library, 90, seed=7)
            assert eventually(lambda: server.get("/library").json()["fingerprint"] == library.info().fingerprint)

            sender.page.reload()  # which knows the relaxed code still
            searched_with(sender.ready(), new.name)
            assert sender.page.url != before
            reader = Visit(browser, sender.page.url, pictures=False).ready()
            searched_with(reader, new.name)
            late = Visit(browser, before, pictures=False).ready()
            searched_with(late)
            expect(late.page.locator("#troubles")).to_contain_text(f"{new.name}: the codes of this library were fitted")
            for visit in (sender, reader, late):
                visit.context.close()


def test_filters_offer_what_came_after_the_page_was_opened(visit: Visit, changing: Gallery) -> None:
    page = visit.page
    expect(page.locator("#rule-column option", has_text="mood")).to_have_count(0)
    path = next(changing.photos.rglob(visit.names()[0]))
    with Library.open(changing.library.path, FakeModel()) as other:
        assert other.annotate({path: {"mood": "calm"}}).matched == 1
    assert eventually(lambda: "mood" in changing.server.get("/library").json()["columns"])
    page.click("#toggle-filters")
    page.locator("#filter-texts label", has_text="Mood").locator("select").select_option("calm")
    expect(page.locator("#summary")).to_have_text("1 picture, the newest first")
    expect(page.locator("#rule-column option", has_text="mood")).to_have_count(1)


def test_what_is_being_typed_while_choices_come_is_a_filter_when_it_is_entered(visit: Visit, changing: Gallery) -> None:
    page, held = visit.page, []
    name = visit.names()[0]
    with Library.open(changing.library.path, FakeModel()) as other:
        other.annotate({next(changing.photos.rglob(name)): {"weather": "rain"}})
    assert eventually(lambda: "weather" in changing.server.get("/library").json()["columns"])
    page.route("**/library/facets", lambda route: held.append(route))  # noqa: PLW0108 -- playwright marks functions
    page.click("#toggle-filters")
    page.locator("#filter-where").press_sequentially(name)
    assert eventually(lambda: page.wait_for_timeout(50) or held)
    held[0].continue_()
    expect(page.locator("#filter-texts label", has_text="Weather")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_have_text("1 picture, the newest first")
    assert "where" in page.url
    page.unroute("**/library/facets")
    page.reload()
    expect(page.locator("#summary")).to_have_text("1 picture, the newest first")


def test_the_list_shows_what_has_changed_whoever_saw_it_first(window: Any, changing: Gallery) -> None:
    visit = Visit(window, changing.server.url).ready()
    page, known = visit.page, ids(changing.server)
    page.clock.install()
    edited, gone = "cat/cat-17.png", "cat/cat-18.png"
    copy = page.locator(f"#grid li[data-id='{known[edited]}'] img")
    before = str(copy.get_attribute("src"))
    shutil.copyfile(changing.photos / "dog" / "dog-19.png", changing.photos / edited)
    changing.library.index(changing.photos)
    count = len(changing.library)  # with what other tests have removed
    version = changing.server.get(f"/pictures/{known[edited]}").json()["version"]
    assert version not in before
    page.clock.run_for(6_000)
    expect(copy).to_have_attribute("src", re.compile(version))

    remove(changing.server, known[gone])
    page.click("#toggle-filters")  # which asks how the library is
    expect(page.locator("#status-library")).to_have_text(f"{count - 1} pictures")
    page.clock.run_for(6_000)
    expect(page.locator("#grid li")).to_have_count(count - 1)
    visit.forget()
    assert visit.errors == []
