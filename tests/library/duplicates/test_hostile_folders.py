"""Plans on folders that are not what they seem: one folder under two paths, names that differ only in their case."""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from transhash.library.digests import file_digest
from transhash.library.duplicates.applying import apply_plan
from transhash.library.duplicates.plan import Action, Plan
from transhash.library.duplicates.undoing import undo_log

WAYS = ("elsewhere", "hardlink", "symlink", "delete")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("one.jpg", "two.jpg"):
        (folder / name).write_bytes(b"picture" * 400)
    return folder


def plan(folders: tuple[Path, ...], removed: Path, kept: Path) -> Plan:
    size, digest = kept.stat().st_size, file_digest(kept).hex()
    action = Action("remove", 1, str(removed), size, digest, "same-file", "", str(kept), size, digest, size)
    return Plan(tuple(map(str, folders)), (), (action,))


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_under_two_paths_is_not_its_own_duplicate(photos: Path, tmp_path: Path, way: str) -> None:
    (tmp_path / "door").symlink_to(photos)
    both = (photos, tmp_path / "door")
    for removed, kept in ((photos, tmp_path / "door"), (tmp_path / "door", photos)):
        done = apply_plan(plan(both, removed / "one.jpg", kept / "one.jpg"), way, tmp_path / f"log-{removed.name}")
        assert (done.done, len(done.skipped)) == (0, 1)
    assert (photos / "one.jpg").read_bytes() == b"picture" * 400


@pytest.mark.parametrize("way", WAYS)
def test_a_bound_folder_is_not_its_own_duplicate(
    photos: Path, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bind mount: another path with the same files that no resolving of links leads back to the first."""
    for kept, removed in ((photos, tmp_path / "bound"), (tmp_path / "bound", photos)):
        with monkeypatch.context() as patch:
            mapped(patch, lambda path: path.replace(str(tmp_path / "bound"), str(photos), 1))
            done = apply_plan(
                plan((tmp_path,), removed / "one.jpg", kept / "one.jpg"), way, tmp_path / f"log-{removed.name}"
            )
        assert (done.done, "the very file that is kept" in done.skipped[0].reason) == (0, True)
    assert (photos / "one.jpg").read_bytes() == b"picture" * 400


@pytest.fixture
def folding(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder on a drive for which A and a are one letter."""

    def fold(path: str) -> str:
        folder, name = os.path.split(path)
        if folder != str(photos):
            return path
        return os.path.join(folder, next((each for each in listed(folder) if each.lower() == name.lower()), name))

    listed = os.listdir
    with monkeypatch.context() as patch:
        patch.chdir(photos.parent)  # what is moved elsewhere stays on this drive
        mapped(patch, fold)
        yield photos


@pytest.mark.parametrize("way", WAYS)
def test_names_that_differ_in_their_case_alone_are_one_file(folding: Path, tmp_path: Path, way: str) -> None:
    assert (folding / "ONE.JPG").read_bytes() == (folding / "one.jpg").read_bytes()

    done = apply_plan(plan((folding,), folding / "ONE.JPG", folding / "one.jpg"), way, tmp_path / "log")

    assert (done.done, "the very file that is kept" in done.skipped[0].reason) == (0, True)
    assert (folding / "one.jpg").exists()


@pytest.mark.parametrize("way", WAYS)
def test_a_removal_on_such_a_drive_is_undone(folding: Path, tmp_path: Path, way: str) -> None:
    assert apply_plan(plan((folding,), folding / "TWO.jpg", folding / "One.JPG"), way, tmp_path / "log").done == 1

    undone = undo_log(tmp_path / "log")

    assert (folding / "one.jpg").read_bytes() == b"picture" * 400
    if way == "delete":
        assert "was deleted" in undone.skipped[0].reason
    else:
        assert (undone.back, (folding / "two.jpg").read_bytes()) == (1, b"picture" * 400)


def mapped(patch: pytest.MonkeyPatch, to: Callable[[str], str]) -> None:
    """Have every function that takes paths take others instead."""

    def wrapped(function: Callable[..., Any], *places: int) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            given = [
                to(os.fspath(each)) if place in places and isinstance(each, str | Path) else each
                for place, each in enumerate(args)
            ]
            return function(*given, **kwargs)

        return called

    for name in ("open", "stat", "lstat", "unlink", "chmod", "utime", "readlink"):
        patch.setattr(os, name, wrapped(getattr(os, name), 0))
    for name in ("rename", "replace", "link"):
        patch.setattr(os, name, wrapped(getattr(os, name), 0, 1))
    patch.setattr(os, "symlink", wrapped(os.symlink, 1))  # what a link says is kept as it is
    opening = wrapped(open, 0)
    patch.setattr(builtins, "open", opening)
    patch.setattr(io, "open", opening)
    for name in ("exists", "lexists", "isfile", "islink"):  # some Pythons ask the system without os.stat
        patch.setattr(os.path, name, wrapped(getattr(os.path, name), 0))
