"""Own columns go with the picture when names are swapped and shifted, and stay when a drive is away."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from collection import counts, draw
from fake_model import FakeModel
from transhash import Library
from transhash.library.files import indexing as indexer


def move(photos: Path, *pairs: str) -> None:
    """Rename files all at once, each "old new" (a name that is also an old one has moved away before)."""
    for pair in pairs:
        old = photos / pair.split()[0]
        old.rename(old.with_suffix(".moving"))
    for pair in pairs:
        old, new = (photos / name for name in pair.split())
        new.parent.mkdir(exist_ok=True)
        old.with_suffix(".moving").rename(new)


def labels(library: Library) -> dict[str, str]:
    """What each picture is labelled, by its path below the folder of the library."""
    ids = library.passing().tolist()
    base = library.path.parent
    return {
        str(picture.path.relative_to(base)): str(picture.columns.get("label"))
        for picture in library.pictures(ids).values()
    }


@pytest.fixture
def numbered(library: Library, photos: Path) -> Path:
    """Three pictures in `cat` and two in `dog`, each labelled by its first path."""
    shutil.rmtree(photos / "cat")
    shutil.rmtree(photos / "dog")
    names = ["cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png", "dog/2.png"]
    for seed, name in enumerate(names):
        draw(photos / name, seed)
    library.index(photos)
    library.annotate({photos / name: {"label": name} for name in names})
    return photos


UNLABELLED = "None"


@pytest.mark.parametrize("rows", [1, 1000])
@pytest.mark.parametrize(
    ("pairs", "new", "expected", "numbers"),
    [
        (["cat/1.png cat/2.png", "cat/2.png cat/1.png"], "", {"cat/1.png": 2, "cat/2.png": 1}, {"moved": 2}),
        (["cat/1.png cat/2.png", "cat/2.png cat/9.png"], "", {"cat/2.png": 1, "cat/9.png": 2}, {"moved": 2}),
        (["cat/1.png cat/2.png", "cat/2.png a/9.png"], "", {"cat/2.png": 1, "a/9.png": 2}, {"moved": 2}),
        (["cat/1.png cat/2.png", "cat/2.png z/9.png"], "", {"cat/2.png": 1, "z/9.png": 2}, {"moved": 2}),
        (
            ["cat/2.png cat/1.png", "cat/3.png cat/2.png"],
            "",
            {"cat/1.png": 2, "cat/2.png": 3},
            {"moved": 2, "removed": 1},
        ),
        (["cat/1.png cat/2.png"], "", {"cat/2.png": 1, "cat/3.png": 3}, {"moved": 1, "removed": 1}),
        (
            ["cat/1.png cat/2.png", "cat/2.png cat/3.png", "cat/3.png cat/4.png"],
            "cat/1.png",
            {"cat/1.png": 0, "cat/2.png": 1, "cat/3.png": 2, "cat/4.png": 3},
            {"moved": 3, "added": 1},
        ),
        (
            ["cat/2.png cat/1.png", "cat/3.png cat/2.png"],
            "cat/3.png",
            {"cat/1.png": 2, "cat/2.png": 3, "cat/3.png": 0},
            {"moved": 2, "added": 1, "removed": 1},
        ),
    ],
)
def test_own_columns_follow_the_pictures_when_names_are_shifted(
    library: Library,
    numbered: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    pairs: list[str],
    new: str,
    expected: dict[str, int],
    numbers: dict[str, int],
) -> None:
    monkeypatch.setattr(indexer, "ROWS", rows)
    move(numbered, *pairs)
    if new:
        draw(numbered / new, 70)

    report = counts(library.index(numbered))
    assert {name: report[name] for name in report if name != "unchanged"} == numbers
    after = {path: label for path, label in labels(library).items() if not path.startswith("dog/")}
    assert {**{"cat/3.png": "cat/3.png"}, **after} == {
        **{"cat/3.png": "cat/3.png"},
        **{path: f"cat/{number}.png" if number else UNLABELLED for path, number in expected.items()},
    }
    assert counts(library.index(numbered)) == {"unchanged": len(library)}
    assert library.verify(deep=True).problems == []


def test_names_that_are_swapped_between_folders(library: Library, numbered: Path) -> None:
    move(numbered, "cat/1.png dog/2.png", "dog/2.png cat/1.png")
    assert counts(library.index(numbered)) == {"moved": 2, "unchanged": 3}
    assert (labels(library)["cat/1.png"], labels(library)["dog/2.png"]) == ("dog/2.png", "cat/1.png")


def test_names_that_are_swapped_with_a_folder_that_is_indexed_later(library: Library, numbered: Path) -> None:
    move(numbered, "cat/1.png dog/2.png", "dog/2.png cat/1.png")
    assert counts(library.index(numbered / "cat")) == {"moved": 1, "removed": 1, "unchanged": 2}
    assert labels(library)["cat/1.png"] == "dog/2.png"
    assert counts(library.index(numbered / "dog")) == {"moved": 1, "unchanged": 1}
    assert (labels(library)["cat/1.png"], labels(library)["dog/2.png"]) == ("dog/2.png", "cat/1.png")


def test_any_exchange_of_names_is_followed(library: Library, numbered: Path) -> None:
    random.seed(5)
    expected = labels(library)
    for _ in range(12):
        names = sorted(expected)
        targets = random.sample([*names, "a/0.png", "cat/7.png", "dog/8.png", "z/9.png"], len(names))
        move(numbered, *map(" ".join, zip(names, targets, strict=True)))
        expected = {target: expected[name] for name, target in zip(names, targets, strict=True)}
        library.index(numbered)
        assert labels(library) == expected


def test_what_is_overwritten_is_kept_until_it_is_pruned(library: Library, numbered: Path, tmp_path: Path) -> None:
    shutil.copy2(numbered / "cat" / "2.png", tmp_path / "backup.png")
    move(numbered, "cat/1.png cat/2.png")
    assert counts(library.index(numbered)) == {"moved": 1, "removed": 1, "unchanged": 3}
    assert library.info().vanished == 1
    shutil.copy2(tmp_path / "backup.png", numbered / "cat" / "restored.png")
    assert counts(library.index(numbered)) == {"moved": 1, "unchanged": 4}
    assert labels(library)["cat/restored.png"] == "cat/2.png"

    move(numbered, "cat/3.png cat/2.png")
    assert counts(library.index(numbered, prune=True)) == {"moved": 1, "removed": 1, "pruned": 1, "unchanged": 3}


def test_what_had_the_longest_name_comes_back_too(library: Library, numbered: Path, tmp_path: Path) -> None:
    longest = f"cat/{251 * '2'}.png"
    move(numbered, f"cat/2.png {longest}")
    library.index(numbered)
    shutil.copy2(numbered / longest, tmp_path / "backup.png")
    move(numbered, f"cat/1.png {longest}")
    library.index(numbered)
    shutil.copy2(tmp_path / "backup.png", numbered / "cat" / "restored.png")
    assert counts(library.index(numbered)) == {"moved": 1, "unchanged": 4}
    assert labels(library)["cat/restored.png"] == "cat/2.png"


def test_a_picture_that_takes_the_name_of_a_vanished_one_has_its_own_columns(library: Library, numbered: Path) -> None:
    (numbered / "cat" / "2.png").unlink()
    library.index(numbered)
    move(numbered, "cat/1.png cat/2.png")
    assert counts(library.index(numbered)) == {"moved": 1, "unchanged": 3}
    assert labels(library)["cat/2.png"] == "cat/1.png"


@pytest.mark.parametrize("original", ["a/original.png", "cat/original.png", "z/original.png"])
def test_an_edited_picture_keeps_its_columns_also_where_the_original_is_kept(
    library: Library, numbered: Path, original: str
) -> None:
    (numbered / original).parent.mkdir(exist_ok=True)
    shutil.copy2(numbered / "cat" / "2.png", numbered / original)
    draw(numbered / "cat" / "2.png", 70)
    assert counts(library.index(numbered)) == {"updated": 1, "added": 1, "unchanged": 4}
    assert (labels(library)["cat/2.png"], labels(library)[original]) == ("cat/2.png", UNLABELLED)


def forget_case(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    """Let a look at a file find it by its name in other letters, too, as on many drives."""
    for kind in ("stat", "lstat"):
        usual = getattr(os, kind)

        def look(path: Any, *given: Any, usual: Any = usual, **named: Any) -> os.stat_result:
            names = {os.fsencode(each).lower(): each for each in photos.rglob("*")} if isinstance(path, bytes) else {}
            return cast("os.stat_result", usual(names.get(path.lower(), path) if names else path, *given, **named))

        monkeypatch.setattr(os, kind, look)


@pytest.mark.parametrize(("one", "other"), [("cat/1.png", "cat/1.PNG"), ("dog", "Dog")])
def test_a_name_in_other_letters_is_the_same_picture_where_the_drive_says_so(
    library: Library, numbered: Path, monkeypatch: pytest.MonkeyPatch, one: str, other: str
) -> None:
    for old, new in ((one, other), (other, one)):
        expected = {path.replace(old, new): label for path, label in labels(library).items()}
        (numbered / old).rename(numbered / new)
        with monkeypatch.context() as patch:
            forget_case(patch, numbered)
            report = counts(library.index(numbered, prune=True))
        assert report == ({"moved": 1, "unchanged": 4} if "/" in one else {"moved": 2, "unchanged": 3})
        assert labels(library) == expected


def test_a_second_name_of_a_picture_is_a_copy(library: Library, numbered: Path) -> None:
    """Where the drive tells capital letters from small ones."""
    (numbered / "cat" / "1.PNG").hardlink_to(numbered / "cat" / "1.png")
    assert counts(library.index(numbered)) == {"added": 1, "unchanged": 5}


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    for seed in range(3):
        draw(tmp_path / "drive" / "deep" / f"{seed}.png", seed)
    return tmp_path / "drive"


@pytest.mark.parametrize(
    ("mount_point", "place", "both"),
    [
        (False, "lib/lib", False),
        (True, "lib/lib", False),
        (True, "lib/lib", True),
        (True, ".transhash", False),
        (True, ".transhash", True),
    ],
)
def test_a_copy_does_not_take_the_place_of_a_picture_on_a_drive_that_is_away(
    tmp_path: Path, model: FakeModel, drive: Path, place: str, *, mount_point: bool, both: bool
) -> None:
    """`both`: the drive is named, too. Below the folder of the library a folder that is missing was renamed."""
    with Library.create(tmp_path / place, model) as library:
        library.index(drive)
        library.annotate({drive / "deep" / "1.png": {"label": "kept"}})
        backup = Path(shutil.copytree(drive, tmp_path / "backup"))
        drive.rename(tmp_path / "away")
        if mount_point:
            drive.mkdir()
        model.decoded.clear()
        report = library.index([backup, drive] if both else backup)
        assert (report.added, report.moved, report.removed, model.decoded) == (3, 0, 0, [])

        if mount_point:
            drive.rmdir()
        (tmp_path / "away").rename(drive)
        assert counts(library.index([drive, backup])) == {"unchanged": 6}
        (id_,) = library.passing("label = 'kept'").tolist()
        assert library.pictures([id_])[id_].path == drive / "deep" / "1.png"


def test_a_picture_from_elsewhere_moves_where_its_folder_is_there(
    tmp_path: Path, model: FakeModel, drive: Path
) -> None:
    with Library.create(tmp_path / "lib" / "lib", model) as library:
        library.index(drive)
        (tmp_path / "here").mkdir()
        (drive / "deep" / "1.png").rename(tmp_path / "here" / "1.png")
        assert counts(library.index(tmp_path / "here")) == {"moved": 1}


def test_a_folder_that_is_renamed_below_the_library_moves_alone(library: Library, photos: Path) -> None:
    library.index(photos)
    (photos / "cat").rename(photos / "kitten")
    assert counts(library.index(photos / "kitten")) == {"moved": 3}


def test_what_vanished_before_moves_from_a_drive_that_is_away(tmp_path: Path, model: FakeModel, drive: Path) -> None:
    with Library.create(tmp_path / "lib" / "lib", model) as library:
        library.index(drive)
        (tmp_path / "here").mkdir()
        shutil.move(drive / "deep" / "1.png", tmp_path / "here")
        library.index(drive)
        shutil.rmtree(drive)
        assert counts(library.index(tmp_path / "here")) == {"moved": 1}
