"""`.transhashignore` means what git makes of the same lines in a `.gitignore`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_model import FakeModel
from transhash import Library
from transhash.library.files.walk import count_pictures, walk
from tree import found, touch

TREE = [
    "a.jpg",
    "b.png",
    "ab.png",
    "x[1].jpg",
    "a/a.jpg",
    "a/b/b.png",
    "a/b/a/a.jpg",
    "b/a.jpg",
    "b/b.png/c.jpg",
    "#.jpg",
]


def ignore(folder: Path, *lines: str) -> None:
    (folder / ".transhashignore").write_text("\n".join(lines), newline="")


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (["# all of it:", "", "   "], TREE),
        (["*.png"], ["a.jpg", "x[1].jpg", "a/a.jpg", "a/b/a/a.jpg", "b/a.jpg", "#.jpg"]),
        (["a/"], ["a.jpg", "b.png", "ab.png", "x[1].jpg", "b/a.jpg", "b/b.png/c.jpg", "#.jpg"]),
        (["/a.jpg"], [name for name in TREE if name != "a.jpg"]),
        (["b/a.jpg"], [name for name in TREE if name != "b/a.jpg"]),
        (["a/**/a.jpg"], [name for name in TREE if name not in ("a/a.jpg", "a/b/a/a.jpg")]),
        (["**/b/*.png"], [name for name in TREE if name not in ("a/b/b.png", "b/b.png/c.jpg")]),
        (["*", "!*/", "!a.jpg"], ["a.jpg", "a/a.jpg", "a/b/a/a.jpg", "b/a.jpg"]),
        (["a", "!a/a.jpg"], ["a.jpg", "b.png", "ab.png", "x[1].jpg", "b/a.jpg", "b/b.png/c.jpg", "#.jpg"]),
        (["\\#.jpg", "x\\[1].jpg\r"], [name for name in TREE if name not in ("#.jpg", "x[1].jpg")]),
        (["[!a].png  ", "?[b].png"], ["a.jpg", "x[1].jpg", "a/a.jpg", "a/b/a/a.jpg", "b/a.jpg", "#.jpg"]),
    ],
)
def test_what_the_patterns_leave(tmp_path: Path, lines: list[str], left: list[str]) -> None:
    touch(tmp_path, *TREE)
    ignore(tmp_path, *lines)

    assert sorted(found(tmp_path)) == sorted(left)
    assert count_pictures(tmp_path) == len(left)


def test_deeper_files_come_first_and_those_above_the_root_count(tmp_path: Path) -> None:
    touch(tmp_path, "photos/a.jpg", "photos/in/a.jpg", "photos/in/b.jpg", "photos/in/c.jpg")
    ignore(tmp_path, "a.jpg", "photos/in/c.jpg")
    ignore(tmp_path / "photos" / "in", "!a.jpg", "b.jpg")

    assert found(tmp_path / "photos") == ["in/a.jpg"]


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nothing")], ids=["a folder", "a link"])
def test_a_folder_whose_patterns_cannot_be_read_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "b/c/3.jpg")
    make(tmp_path / "b" / ".transhashignore")

    folders = list(walk(os.fsencode(tmp_path)))
    assert [folder.path for folder in folders if folder.error] == [os.fsencode(tmp_path / "b")]
    assert found(tmp_path) == ["a/1.jpg"]


def test_nothing_vanishes_where_the_patterns_are_a_link_to_nothing(library: Library, photos: Path) -> None:
    library.index(photos)
    for folder in (photos / "cat", photos.parent):
        (folder / ".transhashignore").symlink_to("nothing")
        report = library.index(photos, prune=True)
        assert (report.removed, report.pruned, len(library)) == (0, 0, 6)
        (skipped,) = report.skipped
        assert skipped.reason == "cannot be read (.transhashignore has vanished, or is a link to nothing)"
        (folder / ".transhashignore").unlink()


def test_no_pattern_takes_long(tmp_path: Path) -> None:
    touch(tmp_path, "a" * 240 + ".jpg", "/".join(["a"] * 60) + "/b.jpg")
    ignore(tmp_path, "*a" * 30 + "b", "**/a/" * 30 + "c")

    assert len(found(tmp_path)) == 2


def test_pictures_that_are_named_later_are_no_longer_found(library: Library, photos: Path, model: FakeModel) -> None:
    library.index(photos)
    ignore(photos, "cat/")
    assert (library.index(photos).removed, len(library)) == (3, 3)

    (photos / ".transhashignore").unlink()
    model.decoded.clear()
    assert (library.index(photos).added, len(library)) == (3, 6)
    assert model.decoded == []


pieces = st.sampled_from(
    [
        *"abx/*?!#\\ []-^.1",
        "**",
        "/**/",
        "**/",
        "/**",
        "[!",
        "[^",
        "[a-x]",
        "[[:alpha:]]",
        "[[:x:]]",
        "[]-a]",
        "*.",
        "\\*",
    ]
)
# Left out: stars beside others (git takes `x**/` for `x` and `**/`, against its own manual), and slashes in brackets.
ODD = re.compile(r"[^/!]\*\*|\*\*\\|\[[^\]]*/")
patterns = st.lists(pieces, max_size=7).map("".join).filter(lambda line: not ODD.search(line))


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the oracle")
@settings(max_examples=60, deadline=None)
@given(top=st.lists(patterns, max_size=4), deep=st.lists(patterns, max_size=2))
def test_git_agrees(top: list[str], deep: list[str]) -> None:
    home = Path(tempfile.mkdtemp(prefix="transhash-"))
    try:
        touch(home, *TREE)
        for folder, lines in ((home, top), (home / "a", deep)):
            ignore(folder, *lines)
            shutil.copy(folder / ".transhashignore", folder / ".gitignore")
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": os.fspath(home)}
        git = ["git", "-C", os.fspath(home), "-c", "core.ignoreCase=false"]
        subprocess.run([*git, "init", "-q"], check=True, env=environment)
        ask = [*git, "check-ignore", "--no-index", *TREE]
        checked = subprocess.run(ask, check=False, capture_output=True, env=environment)
        ignored = checked.stdout.decode().splitlines()
        assert checked.returncode in (0, 1)

        assert sorted(found(home)) == sorted(set(TREE) - {line.strip('"') for line in ignored})
    finally:
        shutil.rmtree(home)
