"""Which picture of a group is kept."""

from __future__ import annotations

import pytest

from transhash.library.duplicates.confirmation import Evidence, Finding
from transhash.library.duplicates.keep import Candidate, losses, order, parse
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
    assert why == "the best: 3.3 bits a pixel, not 1.5; nothing was laid over it"
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
