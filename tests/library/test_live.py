"""A library that others write to, used from several threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from collection import draw
from fake_model import FakeModel
from transhash import Library
from transhash.library import LiveLibrary
from transhash.library.searching import LocalSearch, Snapshot


@pytest.fixture
def followed(library: Library, photos: Path, model: FakeModel) -> Iterator[LiveLibrary]:
    library.index(photos)
    with LiveLibrary(library.path, model, interval=0.02) as followed:
        yield followed


def agrees(followed: LiveLibrary, library: Library) -> bool:
    """Whether what is in memory is, before long, what a new library would have."""

    def same() -> bool:
        pages = [row for page in library.catalogue.pictures.codes(library.bits // 8) for row in page]
        ids, codes = zip(*sorted(pages), strict=True)
        index = followed.index
        packed = np.frombuffer(b"".join(codes), np.uint8).reshape(len(ids), -1)
        return np.array_equal(index.ids, ids) and np.array_equal(index.reconstruct(index.ids), packed)

    return eventually(same)


def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_every_kind_of_change_is_seen(followed: LiveLibrary, library: Library, photos: Path) -> None:
    draw(photos / "new.png", 50)
    library.index(photos)
    assert agrees(followed, library)
    draw(photos / "cat" / "cat-0.png", 51)  # changed
    library.index(photos)
    assert agrees(followed, library)
    (photos / "new.png").rename(photos / "moved.png")
    (photos / "dog" / "dog-1.png").unlink()
    library.index(photos, prune=True)
    assert agrees(followed, library)
    library.remove(library.passing()[:2])
    assert agrees(followed, library)
    draw(photos / "dog" / "dog-1.png", 11)  # back again
    library.index(photos)
    assert agrees(followed, library)
    assert followed.here().search(photos / "moved.png", 1)[0].path == photos / "moved.png"


def test_own_changes_are_seen_at_once(library: Library, photos: Path, model: FakeModel) -> None:
    library.index(photos)
    with LiveLibrary(library.path, model, interval=1000) as followed:
        ids = followed.here().add([draw(photos.parent / "a.png", 60), draw(photos.parent / "b.png", 61)])
        followed.refresh()
        assert agrees(followed, library)
        followed.here().remove(ids[:1])
        followed.refresh()
        assert agrees(followed, library)


def test_a_picture_that_is_gone_is_left_out(library: Library, photos: Path, model: FakeModel) -> None:
    library.index(photos)
    with LiveLibrary(library.path, model, interval=1000) as followed:
        library.remove([1])
        hits = followed.here().search(photos / "cat" / "cat-0.png", 10)
        assert len(hits) == 5


def test_threads_search_while_another_process_writes(followed: LiveLibrary, library: Library, photos: Path) -> None:
    problems: list[BaseException] = []
    stop = threading.Event()

    def search() -> None:
        try:
            while not stop.is_set():
                hits = followed.here().search(photos / "cat" / "cat-0.png", 5)
                assert hits[0].path.name == "cat-0.png"
                assert len(hits) == 5
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(12):
        draw(photos / f"more-{number}.png", 100 + number)
        library.index(photos)
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert agrees(followed, library)


def test_a_later_moment_is_waited_for_but_not_for_long(
    followed: LiveLibrary, library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = followed.now()[1]
    draw(photos / "new.png", 50)
    library.index(photos)
    now = followed.later(before)
    assert now is not None
    assert len(now.index) == len(before.index) + 1

    monkeypatch.setattr("transhash.library.live.PATIENCE", 0.05)
    assert followed.later(now) is None  # nothing has changed
    go_on, snapshot = threading.Event(), LocalSearch.snapshot

    def slow(self: LocalSearch) -> Snapshot:
        go_on.wait(60)
        return snapshot(self)

    monkeypatch.setattr(LocalSearch, "snapshot", slow)
    library.remove(library.passing()[:1])
    for _ in range(2):
        assert followed.later(now) is None
    go_on.set()
    assert eventually(lambda: len(followed.index) == len(before.index))


def test_whatever_a_look_meets_the_next_one_comes(
    followed: LiveLibrary,
    library: Library,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(_: LocalSearch) -> Snapshot:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(LocalSearch, "snapshot", fails)
        assert eventually(lambda: followed.trouble is not None)
        time.sleep(0.2)  # several looks
        assert "Input/output error" in str(followed.trouble)
    draw(photos / "new.png", 52)
    library.index(photos)

    assert agrees(followed, library)
    assert eventually(lambda: followed.trouble is None)
    assert caplog.text.count("the look for changes failed") == 1
