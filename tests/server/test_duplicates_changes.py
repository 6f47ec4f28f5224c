"""Removing files over HTTP where it takes long: it goes on next to the server, is asked about, and can be undone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fake_model import FakeModel
from plans import Held
from serving import Running, eventually, serving
from transhash import Library
from transhash.errors import LibraryError
from transhash.library.duplicates import housekeeping
from transhash.library.duplicates.applying import Applied, apply_plan
from transhash.progress import Progress

ASKED = {"max_distance": 0, "kinds": "same-file"}
COPIES = ["one.png", "three.png", "two.png"]


@pytest.fixture
def start(
    library: Library, photos: Path, model: FakeModel, tmp_path: Path
) -> Callable[[], AbstractContextManager[Running]]:
    """Serves a library with three copies of a picture, which are removed to a folder."""
    for name in COPIES:
        (photos / name).write_bytes((photos / "dog" / "dog-04.png").read_bytes())
    library.index(photos)
    return partial(serving, library.path, model, writable=True, apply_to=str(tmp_path / "gone"))


@pytest.fixture
def held(library: Library, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(monkeypatch)
    yield held
    held.let.set()


def begin(server: Running) -> Any:
    """Ask for what is proposed to be done."""
    assert eventually(lambda: "groups" in server.get("/duplicates", params=ASKED).json(), 300)
    return server.post("/duplicates/apply", json={**ASKED, "rest": True})


def there(photos: Path) -> list[str]:
    return [name for name in [*COPIES, "dog/dog-04.png"] if (photos / name).exists()]


def test_a_long_removal_is_asked_about_by_its_name_and_undone(start: Any, held: Held, photos: Path) -> None:
    with start() as server:
        answer = begin(server)
        told = answer.json()
        assert (answer.status_code, told["stage"], told["total"]) == (202, "removing", 3)
        path = f"/duplicates/applied/{told['name']}"
        assert server.get(path).status_code == 202
        held.let.set()
        assert eventually(lambda: server.get(path).status_code == 200)
        outcome = server.get(path).json()
        assert (outcome["name"], outcome["done"], outcome["undone"], outcome["left"]) == (told["name"], 3, False, [])
        assert len(there(photos)) == 1
        undone = server.post("/duplicates/undo", json={"name": told["name"]}).json()
        assert (undone["done"], undone["undone"], len(there(photos))) == (3, True, 4)
        assert server.get(path).json() == undone


def test_a_second_removal_does_not_wait_behind_one_that_is_under_way(start: Any, held: Held) -> None:
    with start() as server:
        name = begin(server).json()["name"]
        for path, body in (("apply", {**ASKED, "rest": True}), ("undo", {"name": name})):
            answer = server.post(f"/duplicates/{path}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (429, "busy")
        rows = {"rows": [{"path": "cat/cat-00.png", "stars": 7}]}
        assert server.post("/annotations", json=rows).status_code == 200  # which no removal keeps waiting
        held.let.set()


def test_what_was_removed_before_the_server_was_stopped_comes_back(
    start: Any, held: Held, photos: Path, library: Library
) -> None:
    with start() as server:
        name = begin(server).json()["name"]
        assert held.moved.wait(20)
        threading.Timer(0.5, held.let.set).start()
    assert len(there(photos)) == 2  # the file that it was at is finished, and no other one begun
    assert len(library) == 41  # of 43
    with start() as server:
        assert server.get(f"/duplicates/applied/{name}").json()["code"] == "no-plan"
        assert server.post("/duplicates/undo", json={"name": name}).json()["done"] == 2
        assert len(there(photos)) == 4
        assert len(library) == 43


def test_a_removal_that_fails_on_the_way_says_its_name_before(
    start: Any, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any, progress: Progress) -> Applied:
        apply_plan(*given, progress=progress)
        raise LibraryError("", "the log cannot be written", "make room")

    monkeypatch.setattr(housekeeping, "apply_plan", fail)
    with start() as server:
        answer = begin(server)
        name = answer.json()["name"]
        asked = server.get(f"/duplicates/applied/{name}")
        assert (answer.status_code, asked.status_code, asked.json()["code"]) == (202, 422, "applying")
        assert server.post("/duplicates/undo", json={"name": name}).json()["done"] == 3
