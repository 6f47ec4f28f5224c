"""How many rooms a road enters: from a query to its hits, here, over REST and to Milvus; from a recipe to a model."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType

import pytest

import transhash
from collection import draw
from serving import serving
from tiny_run import recipe
from transhash import Library
from transhash.cli import main
from transhash.library.ranking import Backend
from transhash.remote.milvus import MilvusLibrary, send

MOST = 6  # rooms, from a query to its hits
MOST_OF_TRAINING = 8  # from a recipe to a model


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(4):
        draw(folder / f"{number}.png", number)
    with Library.create(folder / ".transhash", transhash.load()) as library:
        library.index(folder)
    with serving(folder / ".transhash", transhash.load()) as server:  # compiles its kernels: traced, that takes minutes
        server.send(folder / "2.png", k=2)
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


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[set[str], str]]:
    """Run the program here: the rooms it entered, and its output."""

    def run(*words: object) -> tuple[set[str], str]:
        monkeypatch.setattr(sys, "argv", ["transhash", *map(str, words)])
        with rooms() as entered, pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        assert end.value.code == 0, told.err
        return entered, told.out

    return run


def test_from_the_command_line(run: Callable[..., tuple[set[str], str]], photos: Path) -> None:
    entered, out = run("search", photos / "2.png", "--library", photos, "-k", 2)

    assert "2.png" in out
    assert entered == {"cli", "library", "model", "images", "search"}
    assert len(entered) <= MOST


def test_over_rest(photos: Path) -> None:
    with rooms() as entered, serving(photos / ".transhash", transhash.load()) as server:
        answer = server.send(photos / "2.png", k=2)

    assert answer.json()["results"][0]["hits"][0]["name"] == "2.png"
    assert entered == {"server", "library", "model", "images", "search"}
    assert len(entered) <= MOST


def test_to_milvus(run: Callable[..., tuple[set[str], str]], photos: Path, milvus: str) -> None:
    address = f"milvus://{milvus}/road"
    with Library.open(photos / ".transhash") as library:
        send(library, address)
    entered, out = run("search", photos / "2.png", "--library", address, "-k", 2)

    assert "2.png" in out
    assert entered == {"cli", "remote", "library", "model", "images", "search"}
    assert len(entered) <= MOST


def test_to_milvus_it_is_the_same_road() -> None:
    """A collection answers what an index in memory answers: the nearest codes, and what is known of pictures."""
    asked = {name for name in vars(Backend) if not name.startswith("_")} | set(Backend.__annotations__)
    assert asked == {"address", "bits", "model", "nearest", "rows"}
    assert asked - {"address"} <= set(dir(MilvusLibrary))


def test_from_a_recipe_to_a_model(run: Callable[..., tuple[set[str], str]], place: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe(place, epochs=1).dump())
    for name in ("calibrate", "validation"):  # imports count as entering, and other tests may have done it
        import_module(f"transhash.training.{name}")
    entered, _ = run("train", tmp_path / "recipe.yaml", "--out", tmp_path / "run")

    assert transhash.load(tmp_path / "run" / "model").bits == 16
    assert entered == {"cli", "training", "data", "images", "nn", "losses", "model"}
    assert len(entered) <= MOST_OF_TRAINING
