"""Duplicates over HTTP: kinds, pairs side by side, verdicts, plans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from serving import API, Running, eventually, serving
from transhash import Library, open_library
from transhash.library.duplicates.applying import apply_plan
from transhash.library.duplicates.plan import read_plan

ALL = {"max_distance": 64, "kinds": "all"}


@pytest.fixture
def copies(library: Library, photos: Path) -> Library:
    """The library with a larger and a mirrored copy of one picture, and with the bytes of another one twice."""
    image = Image.open(photos / "cat" / "cat-19.png").resize((400, 400), Image.Resampling.NEAREST)
    image.save(photos / "large.png")
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photos / "mirrored.png")
    (photos / "again.png").write_bytes((photos / "dog" / "dog-04.png").read_bytes())
    library.index(photos)
    return library


@pytest.fixture
def running(copies: Library, model: FakeModel) -> Iterator[Running]:
    with serving(copies.path, model, writable=True) as running:
        yield running


def groups(running: Running, **asked: Any) -> dict:
    assert eventually(lambda: "groups" in running.get("/duplicates", params={**ALL, **asked}).json(), 300)
    return running.get("/duplicates", params={**ALL, **asked}).json()


def kinds(answer: dict) -> dict[tuple[str, str], str]:
    return {(group["keep"]["name"], copy["name"]): copy["kind"] for group in answer["groups"] for copy in group["same"]}


def test_kinds_that_are_asked_for_come_with_the_evidence(running: Running) -> None:
    answer = groups(running)

    found = kinds(answer)
    assert found["large.png", "mirrored.png"] == "edit"
    assert found["large.png", "cat-19.png"] == "copy"
    assert "same-file" in found.values()
    whys = {copy["name"]: copy["why"] for group in answer["groups"] for copy in group["same"]}
    assert "mirrored" in whys["mirrored.png"]
    assert answer["bytes"] == sum(copy["bytes"] for group in answer["groups"] for copy in group["same"])
    fewer = groups(running, kinds="same-file")
    assert set(kinds(fewer).values()) == {"same-file"}
    assert set(kinds(groups(running, kinds="+edit")).values()) == {"same-file", "copy", "edit"}


def test_the_rule_for_the_one_to_keep_is_asked_for(running: Running, photos: Path) -> None:
    newest = groups(running, kinds="same-file", keep="newest")
    oldest = groups(running, kinds="same-file", keep="oldest")

    assert [group["keep"]["name"] for group in newest["groups"]] == ["again.png"]
    assert [group["keep"]["name"] for group in oldest["groups"]] == ["dog-04.png"]


@pytest.mark.parametrize("asked", [{"kinds": "copies"}, {"keep": "worst"}, {"keep": "path:/etc/*"}, {"kinds": ""}])
def test_what_is_no_kind_and_no_rule_is_refused(running: Running, asked: dict[str, str]) -> None:
    answer = running.get("/duplicates", params=asked)

    assert (answer.status_code, answer.json()["code"]) == (422, "value")


def test_a_pair_is_told_with_what_differs(running: Running) -> None:
    ids = {each["name"]: each["id"] for each in running.get("/pictures").json()["pictures"]}

    told = running.get("/duplicates/pair", params={"one": ids["cat-19.png"], "other": ids["large.png"]}).json()

    assert (told["kind"], told["one"]["name"], told["other"]["name"]) == ("copy", "cat-19.png", "large.png")
    assert told["onto"] == pytest.approx([1, 0, 0, 1, 0, 0], abs=0.02)
    assert {each["what"] for each in told["differences"]} >= {"pixels", "bytes", "format", "changed", "folder", "name"}
    assert running.get("/duplicates/pair", params={"one": 1, "other": 99999}).status_code == 404


def test_pictures_that_somebody_told_apart_do_not_come_again(running: Running, copies: Library) -> None:
    (group,) = (each for each in groups(running)["groups"] if each["keep"]["name"] == "large.png")
    mirrored = next(copy for copy in group["same"] if copy["name"] == "mirrored.png")
    body = {"ids": [group["keep"]["id"], mirrored["id"]]}

    assert running.post("/duplicates/verdicts", json=body).status_code == 204

    assert ("large.png", "mirrored.png") not in kinds(groups(running))
    assert ("large.png", "cat-19.png") in kinds(groups(running))
    assert len(copies.duplicates(64, kinds=["edit", "copy"]).groups) == 1
    assert running.post("/duplicates/verdicts", json={**body, "differ": False}).status_code == 204
    assert ("large.png", "mirrored.png") in kinds(groups(running))


def test_equal_files_cannot_be_told_apart(running: Running) -> None:
    (group,) = groups(running, kinds="same-file")["groups"]

    answer = running.post("/duplicates/verdicts", json={"ids": [group["keep"]["id"], group["same"][0]["id"]]})

    assert answer.json()["code"] == "same-file"


def test_a_server_that_only_reads_keeps_no_verdicts_but_writes_plans(copies: Library, model: FakeModel) -> None:
    with serving(copies.path, model) as running:
        (group,) = groups(running, kinds="same-file")["groups"]
        keep, other = group["keep"]["id"], group["same"][0]["id"]
        assert running.post("/duplicates/verdicts", json={"ids": [keep, other]}).status_code == 403
        body = {**ALL, "kinds": "same-file", "decisions": [{"keep": other, "remove": keep}]}
        answer = running.post("/duplicates/plan", json=body)
    assert "plan.jsonl" in answer.headers["content-disposition"]
    removals = [line for line in map(json.loads, answer.text.splitlines()) if line.get("action") == "remove"]
    assert [Path(line["path"]).name for line in removals] == [group["keep"]["name"]]


def test_a_plan_of_decisions_can_be_applied(running: Running, photos: Path, tmp_path: Path) -> None:
    (group,) = (each for each in groups(running)["groups"] if each["keep"]["name"] == "large.png")
    ids = {each["name"]: each["id"] for each in (group["keep"], *group["same"])}
    body = {**ALL, "decisions": [{"keep": ids["cat-19.png"], "remove": ids["large.png"]}],
            "apart": [[ids["large.png"], ids["mirrored.png"]]], "rest": True}  # fmt: skip
    file = tmp_path / "plan.jsonl"
    file.write_bytes(running.post("/duplicates/plan", json=body).content)

    applied = apply_plan(read_plan(file), str(tmp_path / "gone"), tmp_path / "log")

    assert applied.skipped == []
    assert applied.done == 2  # the one that was chosen against, and one of the two equal files as proposed
    assert not (photos / "large.png").exists()
    assert (photos / "cat" / "cat-19.png").exists()
    assert (photos / "mirrored.png").exists()


def test_a_plan_is_not_made_of_a_circle_nor_without_a_search(running: Running) -> None:
    asked = {**ALL, "kinds": "same-file"}
    (group,) = groups(running, kinds="same-file")["groups"]
    one, other = group["keep"]["id"], group["same"][0]["id"]
    circle = [{"keep": one, "remove": other}, {"keep": other, "remove": one}]

    assert running.post("/duplicates/plan", json={**asked, "decisions": circle}).json()["code"] == "decisions"


def test_hits_that_are_copies_collapse_where_that_is_asked_for(running: Running, copies: Library) -> None:
    ids = {each["name"]: each["id"] for each in running.get("/pictures").json()["pictures"]}
    two = {ids["dog-04.png"], ids["again.png"]}

    def hits(**asked: Any) -> list[dict]:
        (found,) = running.get(f"/pictures/{ids['dog-04.png']}/similar", params=asked).json()["results"]
        return found["hits"]

    assert two <= {hit["id"] for hit in hits()}
    collapsed = hits(collapse=True)
    (first,) = (hit for hit in collapsed if hit["id"] in two)
    assert {first["id"], *first["copies"]} == two
    (posted,) = running.post("/search/by-id", json={"ids": [ids["dog-04.png"]], "collapse": True}).json()["results"]
    assert posted["hits"] == collapsed
    remote = open_library(running.url)
    (hit,) = (each for each in remote.search(copies.path.parent / "again.png", 50, collapse=True) if each.id in two)
    assert {hit.id, *hit.copies} == two


@pytest.fixture
def applying(copies: Library, model: FakeModel, tmp_path: Path) -> Iterator[Running]:
    with serving(copies.path, model, writable=True, apply_to=str(tmp_path / "gone")) as running:
        yield running


def test_what_was_decided_is_removed_and_comes_back(
    applying: Running, copies: Library, photos: Path, tmp_path: Path
) -> None:
    assert applying.get("/library").json()["applies"]
    (group,) = groups(applying, kinds="same-file")["groups"]
    keep, other = group["keep"], group["same"][0]
    content = (photos / other["path"]).read_bytes()
    body = {**ALL, "kinds": "same-file", "decisions": [{"keep": keep["id"], "remove": other["id"]}]}

    answer = applying.post("/duplicates/apply", json=body).json()

    assert (answer["done"], answer["freed"], answer["left"]) == (1, len(content), [])
    assert not (photos / other["path"]).exists()
    assert [path.read_bytes() for path in (tmp_path / "gone").rglob("*.png")] == [content]
    assert applying.get(f"/pictures/{other['id']}").status_code == 404
    assert applying.post("/duplicates/apply", json=body).json()["name"] == ""
    log = copies.path / "applied" / f"{answer['name']}.jsonl.log"
    assert other["name"] in log.read_text()
    assert applying.post("/duplicates/undo", json={"name": answer["name"]}).json()["done"] == 1
    assert (photos / other["path"]).read_bytes() == content
    assert applying.get(f"/pictures/{other['id']}").json()["path"] == other["path"]
    assert copies.index(photos).added == 0


def test_a_file_that_changed_is_left_alone(applying: Running, photos: Path) -> None:
    (group,) = groups(applying, kinds="same-file")["groups"]
    other = photos / group["same"][0]["path"]
    other.write_bytes(other.read_bytes() + b"more")
    body = {**ALL, "kinds": "same-file", "decisions": [{"keep": group["keep"]["id"], "remove": group["same"][0]["id"]}]}

    answer = applying.post("/duplicates/apply", json=body).json()

    assert (answer["done"], [each["path"] for each in answer["left"]]) == (0, [str(other)])
    assert "changed" in answer["left"][0]["reason"]
    assert other.exists()


def test_only_pictures_of_one_group_take_the_place_of_one_another(applying: Running, photos: Path) -> None:
    one, other = groups(applying)["groups"]
    across = {"keep": one["keep"]["id"], "remove": other["keep"]["id"]}
    within = {"keep": one["keep"]["id"], "remove": one["same"][0]["id"]}
    body = {**ALL, "decisions": [across, within]}

    answer = applying.post("/duplicates/apply", json=body).json()

    left = [(each["id"], each["path"]) for each in answer["left"]]
    assert (answer["done"], left) == (1, [(across["remove"], str(photos / other["keep"]["path"]))])
    assert "no group of this search" in answer["left"][0]["reason"]
    assert (photos / other["keep"]["path"]).exists()
    assert not (photos / one["same"][0]["path"]).exists()


def test_what_was_decided_in_another_search_does_not_go_with_the_rest(applying: Running, photos: Path) -> None:
    ids = {each["name"]: each["id"] for each in applying.get("/pictures").json()["pictures"]}
    groups(applying, kinds="same-file")
    elsewhere = [{"keep": ids["again.png"], "remove": ids["cat-01.png"]}]

    body = {**ALL, "kinds": "same-file", "rest": True, "decisions": elsewhere}
    answer = applying.post("/duplicates/apply", json=body).json()

    assert (answer["name"], [each["id"] for each in answer["left"]]) == ("", [ids["cat-01.png"]])
    assert (photos / "again.png").exists()
    assert (photos / "dog" / "dog-04.png").exists()


@pytest.mark.parametrize("name", ["../../plan", "20261127-000000-00000000", ""])
def test_only_what_was_applied_here_is_undone(applying: Running, name: str) -> None:
    answer = applying.post("/duplicates/undo", json={"name": name})

    assert (answer.status_code, answer.json()["code"]) == (422, "applying")


def test_nothing_is_applied_unless_the_server_was_started_for_it(running: Running, copies: Library) -> None:
    assert not running.get("/library").json()["applies"]

    for path, body in (("apply", {}), ("undo", {"name": "20261127-000000-00000000"})):
        answer = running.post(f"/duplicates/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "no-applying")
    assert not (copies.path / "applied").exists()


def another_picture(photos: Path, path: str, library: Library, running: Running) -> None:
    """Another picture under the path of one: once it is indexed, the picture of the same id has other content."""
    before = running.live.version
    draw(photos / path, 777)
    library.index(photos)
    assert eventually(lambda: running.live.version != before)


@pytest.mark.parametrize("changed", ["keep", "same"])
@pytest.mark.parametrize("decided", [True, False], ids=["decided", "the rest"])
def test_a_picture_that_is_another_now_is_not_removed_nor_the_other_for_it(
    applying: Running, copies: Library, photos: Path, changed: str, decided: bool
) -> None:
    (group,) = groups(applying, kinds="same-file")["groups"]
    keep, other = group["keep"], group["same"][0]
    path = (keep if changed == "keep" else other)["path"]
    another_picture(photos, path, copies, applying)
    body = {**ALL, "kinds": "same-file", "rest": not decided}
    body |= {"decisions": [{"keep": keep["id"], "remove": other["id"]}]} if decided else {}

    planned = applying.post("/duplicates/plan", json=body).text
    answer = applying.post("/duplicates/apply", json=body).json()

    assert '"remove"' not in planned
    assert (answer["done"], [each["path"] for each in answer["left"]]) == (0, [str(photos / path)])
    assert (photos / keep["path"]).exists()
    assert (photos / other["path"]).exists()
    assert groups(applying, kinds="same-file")["groups"] == []
    assert "changed" in answer["left"][0]["reason"]


def test_what_was_chosen_instead_of_a_picture_that_changed_does_not_go_with_the_rest(
    applying: Running, copies: Library, photos: Path
) -> None:
    (photos / "third.png").write_bytes((photos / "again.png").read_bytes())
    copies.index(photos)
    assert eventually(lambda: len(applying.live.index) == 44)
    (group,) = groups(applying, kinds="same-file")["groups"]
    chosen, changed = group["same"]
    another_picture(photos, changed["path"], copies, applying)
    decisions = [{"keep": chosen["id"], "remove": changed["id"]}]

    body = {**ALL, "kinds": "same-file", "rest": True, "decisions": decisions}
    answer = applying.post("/duplicates/apply", json=body).json()

    assert answer["done"] == 0
    assert (photos / chosen["path"]).exists()


def test_pictures_that_no_search_compared_are_not_planned(running: Running) -> None:
    groups(running, kinds="same-file")
    ids = {each["name"]: each["id"] for each in running.get("/pictures").json()["pictures"]}
    decisions = [{"keep": ids["cat-01.png"], "remove": ids["cat-02.png"]}]

    answer = running.post("/duplicates/plan", json={**ALL, "kinds": "same-file", "decisions": decisions})

    assert answer.status_code == 200
    assert '"remove"' not in answer.text


def test_what_is_meant_for_another_library_is_not_done(applying: Running, photos: Path) -> None:
    (group,) = groups(applying, kinds="same-file")["groups"]
    other = group["same"][0]
    body = {**ALL, "kinds": "same-file", "decisions": [{"keep": group["keep"]["id"], "remove": other["id"]}]}
    here, elsewhere = {"X-Library": applying.get("/library").json()["id"]}, {"X-Library": 32 * "0"}
    path = f"{API}/pictures/{other['id']}"

    files = {"pictures": ("new.png", (photos / "cat" / "cat-00.png").read_bytes())}
    rows = [{"path": "cat/cat-00.png", "stars": 7}]
    answers = [
        applying.post("/duplicates/apply", json=body, headers=elsewhere),
        applying.post("/duplicates/undo", json={"name": "20261127-000000-00000000"}, headers=elsewhere),
        applying.post("/duplicates/plan", json=body, headers=elsewhere),
        applying.post("/duplicates/verdicts", json={"ids": [1, 2]}, headers=elsewhere),
        applying.post("/annotations", json={"rows": rows}, headers=elsewhere),
        applying.post("/pictures", files=files, headers=elsewhere),
        applying.client.delete(path, headers=elsewhere),
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [(412, "another-library")] * 7
    assert (photos / other["path"]).exists()
    assert applying.client.delete(path, headers=here).status_code == 204
    assert applying.post("/duplicates/apply", json=body, headers=here).status_code == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_search_that_was_interrupted_is_no_wrong_request(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Library, "duplicates", fail)
        answer = running.get("/duplicates", params=ALL)
    assert (answer.status_code, answer.json()["code"]) == (503, "interrupted")
    assert len(groups(running)["groups"]) > 0
