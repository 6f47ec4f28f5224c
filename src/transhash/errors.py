"""The errors that a user meets: where, what is wrong, and the remedy.

    TransHashError
    ├── ImageError          a picture that cannot be used
    ├── ModelError          a model that cannot be loaded, is damaged, or does not fit
    ├── HammingIndexError   an index, or a file of one, that cannot be used as asked
    ├── LibraryError        a library that cannot be opened, read or written
    │   └── UncalibratedError   a probability was asked for, without a calibration
    ├── FilterError         a filter (`where`) that cannot be understood
    ├── DataError           a data set, or a file of data, that is missing, damaged or of another kind
    │   └── VectorsError        vectors of one's own that cannot be used as asked; a `ValueError`, too
    └── RecipeError         training settings that contradict one another

Each has a `code`, a word for programs that does not change when the sentence does.
"""

from __future__ import annotations


class TransHashError(Exception):
    """Something a user can remedy. `str(error)` is the whole message: `where: reason; remedy`, what there is of it.

    `where` is a file, an address, or nothing; `reason` is what is wrong, in a phrase; `remedy` is what to do.
    `code` names the kind of error for programs, and stays the same when the sentence changes.
    """

    code = "error"

    def __init__(self, where: object, reason: str, remedy: str = "", *, code: str | None = None) -> None:
        super().__init__(str(where), reason, remedy)
        self.where = str(where)
        self.reason = reason
        self.remedy = remedy
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        placed = f"{self.where}: {self.reason}" if self.where else self.reason
        return f"{placed}; {self.remedy}" if self.remedy else placed


class TransHashWarning(UserWarning):
    """What a user should know, though all goes on: a whole sentence."""


class ImageError(TransHashError):
    """A picture that cannot be used.

    `where` names the picture (or describes where it came from), `reason` is a short phrase that can be grouped
    and counted ("truncated file"), `remedy` says what to do about it.
    """

    code = "picture"

    @property
    def path(self) -> str:
        """The picture's name."""
        return self.where


class ModelError(TransHashError):
    """A model that cannot be loaded, is damaged, or does not fit what it is used for."""

    code = "model"


class HammingIndexError(TransHashError):
    """A Hamming index, or a file of one, that cannot be used as asked."""

    code = "index"


class LibraryError(TransHashError):
    """A library that cannot be opened or does not fit the model it is used with."""

    code = "library"


class UncalibratedError(LibraryError):
    """A probability was asked for that neither the model nor the library is calibrated to tell."""

    code = "uncalibrated"


class FilterError(TransHashError):
    """A filter (`where`) that cannot be understood: at which character, and what was expected there."""

    code = "filter"

    def __init__(self, text: str, position: int, expected: str) -> None:
        found = repr(text[position - 1 : position + 19]) if position <= len(text) else "the end"
        super().__init__(f"filter {text!r}, character {position}", f"expected {expected}, but found {found}")
        self.text = text
        self.position = position  # from 1
        self.expected = expected

    def __reduce__(self) -> tuple[type[FilterError], tuple[str, int, str]]:
        return type(self), (self.text, self.position, self.expected)


class DataError(TransHashError):
    """A data set that is missing, damaged or not in a known layout."""

    code = "data"


class VectorsError(DataError, ValueError):
    """Vectors of one's own that cannot be used as asked; a `ValueError`, too, as scikit-learn has it."""

    code = "vectors"


class RecipeError(TransHashError):
    """Training settings that contradict one another."""

    code = "recipe"
