"""Which picture of a group is kept."""

from __future__ import annotations

import pytest

from transhash.library.duplicates.keep import Candidate, order, parse

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
