"""One road from a query to its hits: how many rooms it enters, from the command line, over REST, and to Milvus."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import transhash
from collection import draw
from serving import serving
from transhash import Library
from transhash.cli import main
from transhash.library.ranking import Backend
from transhash.remote.milvus import MilvusLibrary

MOST = 6  # rooms


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(4):
        draw(folder / f"{number}.png", number)
    with Library.create(folder / ".transhash", transhash.load()) as library:
        library.index(folder)
    return folder


@contextmanager
def rooms() -> Iterator[set[str]]:
    """The packages of transhash in which something is called, by this thread and those that begin meanwhile."""
    entered: set[str] = set()

    def notice(frame: FrameType, event: str, _: object) -> None:
        name = frame.f_globals.get("__name__", "") if event == "call" else ""
        package = frame.f_globals.get("__package__") or ""
        if name.startswith("transhash.") and package != "transhash":  # a module of the ground floor is no room
            entered.add(name.split(".")[1])

    gc.collect()  # what another test left unfinished is finished before, not on this road
    threading.setprofile(notice)
    sys.setprofile(notice)
    try:
        yield entered
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def test_from_the_command_line(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["transhash", "search", str(photos / "2.png"), "--library", str(photos), "-k", "2"]
    )
    with rooms() as entered, pytest.raises(SystemExit) as end:
        main()

    assert (end.value.code, "2.png" in capsys.readouterr().out) == (0, True)
    assert entered == {"cli", "library", "model", "images", "search", "evaluation"}
    assert len(entered) <= MOST


def test_over_rest(photos: Path) -> None:
    with rooms() as entered, serving(photos / ".transhash", transhash.load()) as server:
        answer = server.send(photos / "2.png", k=2)

    assert answer.json()["results"][0]["hits"][0]["name"] == "2.png"
    assert entered == {"server", "library", "model", "images", "search", "evaluation"}
    assert len(entered) <= MOST


def test_to_milvus_it_is_the_same_road() -> None:
    """A collection answers what an index in memory answers: the nearest codes, and what is known of pictures."""
    asked = {name for name in vars(Backend) if not name.startswith("_")} | set(Backend.__annotations__)
    assert asked == {"address", "bits", "model", "nearest", "rows"}
    assert asked - {"address"} <= set(dir(MilvusLibrary))
