"""A library that is kept current tells of changes, and outlasts what is away for a while."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from collection import draw
from fake_model import FakeModel
from fittable_model import FittableModel
from transhash import Library
from transhash.errors import LibraryError
from transhash.library import IndexReport, watch


class OverError(Exception):
    """No more happens."""


def watched(
    library: Library, folder: Path | list[Path], *events: Callable[[], object]
) -> tuple[list[IndexReport], list[str]]:
    """The reports and the complaints while events happen, one in each pause, and then one more run."""
    reports: list[IndexReport] = []
    said: list[str] = []
    happening = iter([*events, lambda: None])

    def wait(seconds: float) -> None:
        event = next(happening, None)
        if event is None:
            raise OverError
        event()

    known = library.index(folder)
    with pytest.raises(OverError):
        reports.extend(watch(library, folder, known=known, trouble=said.append, wait=wait))
    return reports, said


def test_only_runs_that_change_something_are_told(library: Library, photos: Path) -> None:
    reports, said = watched(
        library,
        photos,
        lambda: None,
        lambda: draw(photos / "new.png", 50),
        lambda: None,
        lambda: (photos / "new.png").rename(photos / "moved.png"),
        lambda: (photos / "bad.png").write_bytes(b"bad"),
        lambda: None,
        (photos / "moved.png").unlink,
    )

    assert [(r.added, r.moved, r.removed, len(r.skipped)) for r in reports] == [
        (1, 0, 0, 0),
        (0, 1, 0, 0),
        (0, 0, 0, 1),
        (0, 0, 0, 1),  # no longer perhaps being copied
        (0, 0, 1, 1),
    ]
    assert said == []


def test_a_run_that_fits_codes_and_finds_no_change_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures came through a server, for example, which fits nothing."""
    for seed in range(70):
        draw(tmp_path / "pictures" / f"{seed}.png", seed)
    with Library.create(tmp_path / "lib", FittableModel()) as library:  # type: ignore[arg-type]
        due = partial(monkeypatch.setattr, "transhash.library.fitting.LEAST", 70)
        reports, _ = watched(library, tmp_path / "pictures", lambda: None, due, lambda: None)
    assert [(report.fitted, report.unchanged) for report in reports] == [(70, 70)]


def test_a_file_that_is_being_copied_is_told_once_and_not_called_broken(library: Library, photos: Path) -> None:
    content = draw(photos.parent / "large.png", 60, size=400).read_bytes()
    arriving = photos / "arriving.png"

    def settle() -> None:
        arriving.write_bytes(content[:800])
        os.utime(arriving, (1.7e9, 1.7e9))

    reports, _ = watched(
        library,
        photos,
        lambda: arriving.write_bytes(content[:200]),
        lambda: arriving.write_bytes(content[:500]),
        settle,
        lambda: arriving.write_bytes(content),
    )

    first, broken, whole = reports
    (told,) = first.skipped
    assert told.remedy == "it changed a moment ago and is perhaps still being copied: index again"
    assert [skipped.remedy.startswith("restore it") for skipped in broken.skipped] == [True]
    assert (whole.added, whole.skipped) == (1, [])


def test_a_folder_that_is_away_for_a_while_costs_nothing(model: FakeModel, photos: Path, tmp_path: Path) -> None:
    with Library.create(tmp_path / "lib", model) as library:
        reports, said = watched(
            library,
            photos,
            lambda: photos.rename(tmp_path / "away"),
            lambda: None,
            lambda: (tmp_path / "away").rename(photos),
            lambda: draw(photos / "new.png", 50),
        )
        assert len(library) == 7

    assert [(report.added, report.unchanged) for report in reports] == [(1, 6)]
    assert said == [
        f"{photos}: no such folder; check the path; waiting until that works again",
        "the library is kept current again",
    ]


def test_one_of_several_folders_may_be_away(model: FakeModel, photos: Path, tmp_path: Path) -> None:
    drive = draw(tmp_path / "drive" / "a.png", 20).parent
    with Library.create(tmp_path / "lib", model) as library:
        reports, said = watched(
            library,
            [drive, photos],
            lambda: drive.rename(tmp_path / "away"),
            lambda: draw(photos / "new.png", 50),
            lambda: (tmp_path / "away").rename(drive),
            (drive / "a.png").unlink,
        )

    assert [(report.added, report.removed, len(report.skipped)) for report in reports] == [
        (0, 0, 1),
        (1, 0, 1),
        (0, 0, 1),
    ]
    assert said == []


def test_a_drive_that_is_away_with_its_library_is_waited_for(library: Library, photos: Path, tmp_path: Path) -> None:
    def leave() -> None:
        photos.rename(tmp_path / "away")
        photos.mkdir()  # where the drive was mounted

    def come_back() -> None:
        photos.rmdir()
        shutil.copytree(tmp_path / "away", photos)  # other files than those that are open
        draw(photos / "new.png", 50)

    reports, said = watched(library, photos, leave, lambda: None, come_back)

    assert [report.added for report in reports] == [1]
    assert [sentence.split(": ")[-1][:24] for sentence in said] == [
        "the library is not there",
        "the library is kept curr",
    ]
    assert len(library) == 7
    assert library.path == photos / ".transhash"


@pytest.mark.parametrize("moments", [0, 1])
def test_a_drive_that_is_mounted_over_the_library_brings_its_own(
    library: Library, photos: Path, tmp_path: Path, model: FakeModel, moments: int
) -> None:
    """Also before the first look: what is open then is hidden, and nobody would find what is written there."""
    drive, hidden = tmp_path / "drive", tmp_path / "hidden"
    draw(drive / "a.png", 50)
    with Library.create(drive / ".transhash", model) as on_drive:
        on_drive.index(drive)

    def mount() -> None:
        photos.rename(hidden)
        drive.rename(photos)

    reports, said = watched(library, photos, *[lambda: None] * moments, mount, lambda: draw(photos / "b.png", 51))
    assert ([report.added for report in reports], said, len(library)) == ([1], [], 2)
    with Library.open(photos, model) as there, Library.open(hidden, model) as before:
        assert (len(there), len(before)) == (2, 6)


def test_another_library_in_its_place_is_not_written_to(library: Library, photos: Path) -> None:
    def exchange() -> None:
        shutil.rmtree(photos / ".transhash")
        Library.create(photos / ".transhash", FakeModel("other")).close()
        (photos / ".transhash").rename(photos / ".waiting")

    reports, said = watched(library, photos, exchange, lambda: (photos / ".waiting").rename(photos / ".transhash"))

    assert reports == []
    assert "another library is in its place" in said[-1]


def test_a_library_is_opened_again_any_number_of_times(library: Library, photos: Path) -> None:
    """Also before anything has been asked of it."""
    for _ in range(3):
        library.reopen()
    (photos / ".transhash").rename(photos / ".away")
    for _ in range(2):
        with pytest.raises(LibraryError, match="the library is not there"):
            library.reopen()
    (photos / ".away").rename(photos / ".transhash")
    library.reopen()
    assert library.index(photos).usable == 6
