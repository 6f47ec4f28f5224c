"""Which picture of a group is kept."""

from __future__ import annotations

import pytest

from transhash.library.duplicates.confirmation import Evidence, Finding
from transhash.library.duplicates.keep import Candidate, Noted, Stored, losses, note, order, parse
from transhash.library.duplicates.kinds import Kind

CAMERA = Candidate("/p/camera.jpg", 4000, 3000, 5_000_000, 300, 1_600_000_000)
ENLARGED = Candidate("/p/enlarged.jpg", 8000, 6000, 9_000_000, 400, None)
SMALL = Candidate("/p/originals/small.jpg", 400, 300, 90_000, 100, 1_600_000_100)
SQUEEZED = Candidate("/p/squeezed.jpg", 4000, 3000, 400_000, 200, 1_600_000_000)
EVERY = [SMALL, SQUEEZED, ENLARGED, CAMERA]


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        (["best"], CAMERA),
        (["largest"], ENLARGED),
        (["oldest"], CAMERA),
        (["newest"], SMALL),
        (["path:originals/*"], SMALL),
        (["path:nowhere/*", "largest"], ENLARGED),
        ([], ENLARGED),
    ],
)
def test_the_first_rule_that_tells_pictures_apart_decides(rules: list[str], kept: Candidate) -> None:
    places, why = order(EVERY, parse(rules))
    assert EVERY[places[0]] is kept
    assert why


def test_what_makes_the_best_the_best_is_said() -> None:
    assert order([SMALL, CAMERA], parse(["best"]))[1] == "the best: 4000 × 3000 pixels, not 400 × 300"
    assert order([ENLARGED, CAMERA], parse(["best"]))[1] == "the best: 3.3 bits a pixel, not 1.5; has the camera's date"


def test_the_order_does_not_depend_on_the_order_given() -> None:
    places, _ = order(EVERY, parse(["best"]))
    again, _ = order(EVERY[::-1], parse(["best"]))
    assert [EVERY[place] for place in places] == [EVERY[::-1][place] for place in again]


def test_the_best_is_the_one_over_which_nothing_was_laid() -> None:
    titled = CAMERA._replace(path="/p/titled.jpg", width=6000, height=4500, marked=True)
    places, why = order([titled, CAMERA], parse(["best"]))
    assert places == [1, 0]
    assert why == "the best: nothing was laid over it"
    assert order([titled, CAMERA], parse(["largest"]))[0] == [0, 1]


def test_the_best_is_the_one_that_has_its_colours() -> None:
    grey = CAMERA._replace(path="/p/grey.png", bytes=20_000_000, greyed=True)
    places, why = order([grey, SQUEEZED], parse(["best"]))
    assert places == [1, 0]
    assert why == "the best: has its colours"
    large = grey._replace(width=40_000, height=30_000)
    assert order([large, SQUEEZED], parse(["best"]))[0] == [0, 1]


@pytest.mark.parametrize("lost", ["marked", "greyed", "cropped"])
def test_a_larger_file_does_not_bring_back_what_is_lost(lost: str) -> None:
    faint = CAMERA._replace(bytes=200_000)
    poorer = CAMERA._replace(path="/p/poorer.png", width=3900, height=2900, bytes=30_000_000, **{lost: True})
    assert order([poorer, faint], parse(["best"]))[0] == [1, 0]
    assert "bits a pixel" not in order([poorer, SMALL], parse(["best"]))[1]


def test_a_part_has_lost_the_rest_unless_it_is_finer() -> None:
    crop = Finding(Kind.EDIT, Evidence(shown=(0.5, 1.0)))
    assert losses(crop, (1_000_000, 500_000)) == {"cropped": 1}
    assert losses(crop, (1_000_000, 2_000_000)) == {}  # the first may be a collage with the second in it
    assert losses(Finding(Kind.COPY, Evidence(shown=(1.0, 0.9))), (900_000, 1_000_000)) == {"cropped": 0}
    assert losses(Finding(Kind.EDIT, Evidence(shown=(0.9, 0.9))), (1_000_000, 1_000_000)) == {}  # each lacks something
    assert losses(Finding(Kind.BURST, Evidence(shown=(0.9, 1.0))), (1_000_000, 500_000)) == {}


PAGE = Candidate("/p/9.png", 1000, 1400, 60_000, 100, None, stored=Stored("PNG", is_lossless=True))
SAVED = Candidate("/p/1.jpg", 1000, 1400, 300_000, 200, None, stored=Stored("JPEG"))


@pytest.mark.parametrize(
    ("worse", "better", "why"),
    [
        (SAVED, PAGE, "the best: stored without a loss"),
        (SAVED._replace(width=1010), PAGE, "the best: stored without a loss"),
        (PAGE, SAVED._replace(taken=1_600_000_000), "the best: has the camera's date"),
        (PAGE, SAVED._replace(width=1100), "the best: 1100 × 1400 pixels, not 1000 × 1400"),
        (PAGE, PAGE._replace(bytes=10, stored=Stored("BMP", 16, True)), "the best: 16 bits a colour, not 8"),
        (SAVED, SAVED._replace(bytes=9, stored=Stored("WEBP", is_clear=True)), "the best: has its transparency"),
        (SAVED, SAVED._replace(bytes=9, modified=100, stored=Stored("HEIF")), "the oldest file"),
        (SAVED, SAVED._replace(bytes=400_000), "the best: 2.3 bits a pixel, not 1.7"),
        (PAGE._replace(remade=True, modified=300), SAVED, "the oldest file"),
    ],
)  # fmt: skip
def test_among_equal_pixels_it_counts_how_they_are_stored(worse: Candidate, better: Candidate, why: str) -> None:
    for path in ("/p/0", "/p/99"):
        assert order([worse, better._replace(path=path)], parse(["best"])) == ([1, 0], why)


def test_what_another_format_takes_does_not_change_which_of_one_format_is_best() -> None:
    light = SAVED._replace(path="/p/heic", bytes=100_000, modified=100, stored=Stored("HEIF"))
    poor = SAVED._replace(path="/p/poor.jpg", bytes=30_000, modified=50)
    every = [poor, SAVED, light]
    assert [every[place] for place in order(every, parse(["best"]))[0]] == [light, SAVED, poor]


def test_a_border_is_no_pixels() -> None:
    shot = Candidate("/p/0.png", 1000, 2100, 900_000, 100, None, bordered=True, content=0.5, stored=PAGE.stored)
    photograph = Candidate("/p/1.jpg", 1000, 1050, 90_000, 200, None, stored=Stored("JPEG"))
    assert order([shot, photograph], parse(["best"])) == ([1, 0], "the best: has no border")
    small = photograph._replace(width=500, height=525)
    words = "the best: 1000 × 2100 pixels, not 500 × 525"
    assert order([shot, small], parse(["best"])) == ([0, 1], words)


def test_of_two_that_may_have_a_mark_neither_is_better_for_its_bytes() -> None:
    clean = SAVED._replace(disputed=True, modified=100, path="/p/9.jpg")
    marked = SAVED._replace(disputed=True, bytes=400_000)
    assert order([marked, clean], parse(["best"])) == ([1, 0], "the oldest file")


def test_what_a_pair_says_is_noted_of_both() -> None:
    lossy, lossless = Stored("JPEG"), Stored("PNG", is_lossless=True)
    known: dict[int, Noted] = {}
    note(known, (3, 7), Finding(Kind.SAME_PIXELS, stored=(lossy, lossless)), (100, 100))
    assert known == {3: {"stored": lossy}, 7: {"stored": lossless, "remade": True}}
    known = {}
    framed = Evidence(content=(1.0, 0.6), mark=True)
    note(known, (3, 7), Finding(Kind.COPY, framed, stored=(lossy, lossy)), (100, 160))
    assert known[3] == {"stored": lossy, "content": 1.0, "disputed": True}
    assert known[7] == {"stored": lossy, "content": 0.6, "disputed": True, "bordered": True}
