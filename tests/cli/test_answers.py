"""What `search` says about hits, and when there are none."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from transhash.model.calibration import Calibration

CALIBRATION = Calibration(0.376, 20.0, 2.0, 1000, "photos")


@pytest.fixture
def calibrated(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(FakeModel, "calibration", CALIBRATION)
    return indexed


def test_the_same_bytes_under_any_name_are_the_same_picture(run, indexed: Path, tmp_path: Path) -> None:
    shutil.copy(indexed / "cat" / "cat-0.png", tmp_path / "copy.png")
    with Image.open(indexed / "cat" / "cat-0.png") as image:
        image.save(tmp_path / "again.png", compress_level=1)

    assert run("search", "copy.png", "-k", 1).out == "   0  photos/cat/cat-0.png  (the same picture)\n"
    assert run("search", "again.png", "-k", 1).out == "   0  photos/cat/cat-0.png\n"  # other bytes


def test_the_same_picture_has_no_percentage_and_others_keep_their_column(run, calibrated: Path) -> None:
    first, second = run("search", "photos/cat/cat-0.png", "-k", 2, "-l", "photos").out.splitlines()

    assert first == "   0         photos/cat/cat-0.png  (the same picture)"
    distance, percent, path = second.split()
    assert percent == f"{CALIBRATION.probability(int(distance)):.0%}"
    assert second.index(path) == first.index("photos/")


def test_a_probability_that_no_hit_can_have_is_refused(run, calibrated: Path) -> None:
    result = run("search", "photos/cat/cat-0.png", "-l", "photos", "--min-probability", "0.5")

    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "--min-probability 0.5: the calibration of model fake gives 0.37 at most; ask for less, or limit the distance "
        "(--max-distance)\n"
    )
    assert run("search", "photos/cat/cat-0.png", "-l", "photos", "--min-probability", "0.37").code == 0


def test_a_filter_that_leaves_few_hits_warns_of_nothing(run, calibrated: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run("search", "photos/cat/cat-0.png", "-l", "photos", "--where", "name = 'cat-1.png'")

    assert (result.code, result.err, len(result.out.splitlines())) == (0, "", 1)


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("taken > '2020'", "0 of 6 pictures pass the filter; 6 have no `taken`"),
        ("taken > '2020' and width > 9999", "0 of 6 pictures pass the filter; 6 have no `taken`"),
        ("width > 9999", "0 of 6 pictures pass the filter"),
        ("rating > 3", "0 of 6 pictures pass the filter; 4 have no `rating`"),
        ("taken is not null", "0 of 6 pictures pass the filter"),
    ],
)
def test_a_filter_that_nothing_passes_is_explained(run, indexed: Path, where: str, why: str) -> None:
    (indexed / "own.csv").write_text("path,rating\ncat-0.png,1\ncat-1.png,2\n")
    run("annotate", "photos/own.csv", "-l", "photos")
    result = run("search", "photos/cat/cat-0.png", "-l", "photos", "--where", where)

    assert (result.code, result.out) == (0, "")
    assert result.err == f"photos/cat/cat-0.png: nothing found: {why}\n"


def test_limits_that_leave_nothing_are_named_with_what_would_do(run, calibrated: Path, tmp_path: Path) -> None:
    draw(tmp_path / "stranger.png", 500)
    nearest = int(run("search", "stranger.png", "-k", 1, "-l", "photos").out.split()[0])
    asked = ("search", "stranger.png", "-l", "photos", "--max-distance", 0, "--min-probability", "0.37")
    result = run(*asked)

    assert result.out == ""
    start, _, remedy = result.err.strip().partition("; allow it with ")
    assert start == f"stranger.png: nothing found: the nearest picture differs in {nearest} bits"
    assert remedy.startswith(f"--max-distance {nearest} --min-probability 0.")
    assert run("search", "stranger.png", "-l", "photos", *remedy.split()).out  # the remedy is one


def test_a_library_without_pictures(run, indexed: Path) -> None:
    for folder in ("cat", "dog"):
        (indexed / folder).rename(indexed.parent / folder)
    run("index", "photos")
    result = run("search", "cat/cat-0.png", "-l", "photos")

    assert (result.code, result.out) == (0, "")
    assert result.err == "cat/cat-0.png: nothing found: the library has no pictures; run `transhash index DIR`\n"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("a red flower", "a red flower: no such file, and searches are by picture, not by words; name a picture that "),
        ("flower", "flower: no such file, and searches are by picture, not by words; "),
        ("photos/flower", "photos/flower: no such file; check "),
        ("flower.jpg", "flower.jpg: no such file; check the path"),
        ("https://example.org/a.jpg", "https://example.org/a.jpg: an address, not a file; download the picture, or "),
        ("photos", "photos: a folder, not a picture; "),
    ],
)
def test_what_is_no_picture_is_told_apart(run, indexed: Path, query: str, sentence: str) -> None:
    result = run("search", query, "-l", "photos")

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(sentence)
    assert len(result.err.splitlines()) == 1
