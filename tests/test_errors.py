"""Errors: their parts, their sentence, and their journey between processes."""

from __future__ import annotations

import pickle

import pytest

from transhash import errors
from transhash.errors import FilterError, ImageError, LibraryError, TransHashError, UncalibratedError

CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, TransHashError)]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (("a.jpg", "not an image", "replace it"), "a.jpg: not an image; replace it"),
        (("", "k is 0", "ask for 1 or more"), "k is 0; ask for 1 or more"),
        (("a.jpg", "not an image"), "a.jpg: not an image"),
        (("", "two options contradict each other"), "two options contradict each other"),
    ],
)
def test_the_sentence_is_what_there_is_of_where_reason_and_remedy(parts: tuple[str, ...], sentence: str) -> None:
    error = TransHashError(*parts)
    assert str(error) == sentence
    assert (error.where, error.reason) == parts[:2]


@pytest.mark.parametrize(
    "error",
    [
        LibraryError("lib", "the disk is full", "make room", code="disk-full"),
        ImageError("a.jpg", "not an image", "replace it"),
        FilterError("colour = 1", 1, "a column"),
    ],
)
def test_an_error_is_the_same_after_a_journey(error: TransHashError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.code, again.remedy) == (type(error), str(error), error.code, error.remedy)


def test_every_class_has_a_code_of_its_own_and_a_place_in_the_documented_tree() -> None:
    assert len({each.code for each in CLASSES}) == len(CLASSES)
    assert errors.__doc__ is not None
    for each in CLASSES:
        assert f" {each.__name__} " in errors.__doc__ or each is TransHashError or f"{each.__name__} " in errors.__doc__


def test_a_kind_is_caught_by_its_parent() -> None:
    assert issubclass(UncalibratedError, LibraryError)
    assert LibraryError("x", "y").code == "library"
    assert LibraryError("x", "y", code="disk-full").code == "disk-full"
