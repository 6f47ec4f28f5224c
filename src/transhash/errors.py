"""The errors a user meets: one sentence that says what is wrong, where, and the remedy."""

from __future__ import annotations


class TransHashError(Exception):
    """Something a user can mend. `str(error)` is the whole message, remedy included."""


class ImageError(TransHashError):
    """A picture that cannot be used.

    `path` names the picture (or describes where it came from), `reason` is a short phrase that can be grouped
    and counted ("truncated file"), `remedy` says what to do about it.
    """

    def __init__(self, path: str, reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {reason}; {remedy}")
        self.path = path
        self.reason = reason
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str, str]]:
        return type(self), (self.path, self.reason, self.remedy)


class ModelError(TransHashError):
    """A model that cannot be loaded, is damaged, or does not fit what it is used for."""


class HammingIndexError(TransHashError):
    """A Hamming index, or a file of one, that cannot be used as asked."""


class LibraryError(TransHashError):
    """A library that cannot be opened or does not fit the model it is used with."""


class UncalibratedError(LibraryError):
    """A probability was asked for, of a model that was not calibrated to tell any."""


class FilterError(TransHashError):
    """A filter (`where`) that cannot be understood: at which character, and what was expected there."""

    def __init__(self, text: str, position: int, expected: str) -> None:
        found = repr(text[position - 1 : position + 19]) if position <= len(text) else "the end"
        super().__init__(f"filter {text!r}, character {position}: expected {expected}, but found {found}")
        self.text = text
        self.position = position  # from 1
        self.expected = expected

    def __reduce__(self) -> tuple[type[FilterError], tuple[str, int, str]]:
        return type(self), (self.text, self.position, self.expected)


class DataError(TransHashError):
    """A data set that is missing, damaged or not in a known layout."""


class RecipeError(TransHashError):
    """Training settings that contradict one another."""
