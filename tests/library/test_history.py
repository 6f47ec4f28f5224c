"""Whatever happens to a collection, an index kept up to date equals one made anew."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from collection import draw
from fake_model import FakeModel
from transhash import Library

PLACES = [f"{folder}{name}.png" for folder in ("", "a/", "a/b/", "c/") for name in ("x", "y", "z")]
places = st.sampled_from(PLACES)
folders = st.sampled_from(["a", "c", "a/b"])


class Collection(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="transhash-"))
        self.photos = self.home / "photos"
        self.photos.mkdir()
        self.model = FakeModel()
        self.library = Library.create(self.photos / ".transhash", self.model)
        self.seed = 0
        self.clock = 10**9

    def teardown(self) -> None:
        self.library.close()
        shutil.rmtree(self.home)

    def stamp(self, path: Path) -> None:
        """Give a written file a time of its own: two writes within a tick of the clock are another matter."""
        self.clock += 1
        os.utime(path, ns=(self.clock, self.clock))

    @rule(place=places)
    def draw(self, place: str) -> None:
        self.seed += 1
        self.stamp(draw(self.photos / place, self.seed))

    @rule(place=places)
    def break_(self, place: str) -> None:
        self.seed += 1
        (self.photos / place).parent.mkdir(parents=True, exist_ok=True)
        (self.photos / place).write_bytes(b"no picture %d" % self.seed)
        self.stamp(self.photos / place)

    @rule(place=places, other=places)
    def copy(self, place: str, other: str) -> None:
        if (self.photos / place).exists() and place != other:
            (self.photos / other).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.photos / place, self.photos / other)
            self.stamp(self.photos / other)

    @rule(place=places, other=places)
    def move(self, place: str, other: str) -> None:
        if (self.photos / place).exists():
            (self.photos / other).parent.mkdir(parents=True, exist_ok=True)
            (self.photos / place).rename(self.photos / other)

    @rule(place=places)
    def delete(self, place: str) -> None:
        (self.photos / place).unlink(missing_ok=True)

    @rule(folder=folders)
    def delete_folder(self, folder: str) -> None:
        shutil.rmtree(self.photos / folder, ignore_errors=True)

    @rule(prune=st.booleans())
    def index(self, prune: bool) -> None:
        report = self.library.index(self.photos, prune=prune)

        files = list(self.photos.rglob("*.png"))
        pictures = [path for path in files if path.read_bytes().startswith(b"\x89PNG")]
        assert (report.usable, len(report.skipped)) == (len(pictures), len(files) - len(pictures))
        assert len(self.library) == len(pictures)
        assert self.library.info().vanished == 0 or not prune
        with tempfile.TemporaryDirectory() as fresh, Library.create(fresh, FakeModel()) as anew:
            anew.index(self.photos)
            for query in pictures:
                assert hits(self.library, query) == hits(anew, query)

        self.model.decoded.clear()
        again = self.library.index(self.photos)
        assert (again.unchanged, again.skipped) == (len(pictures), report.skipped)
        assert self.model.decoded == []


def hits(library: Library, query: Path) -> set[tuple[Path, int]]:
    return {(hit.path, hit.distance) for hit in library.search(query, k=100)}


TestCollection = Collection.TestCase
TestCollection.settings = settings(max_examples=12, stateful_step_count=10, deadline=None)
