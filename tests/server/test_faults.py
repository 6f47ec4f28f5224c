"""Every error of the package is an answer with a status and a code, which tells nothing of the server's paths."""

from __future__ import annotations

import errno

import pytest

from transhash.errors import (
    DataError,
    FilterError,
    HammingIndexError,
    ImageError,
    LibraryError,
    ModelError,
    TransHashError,
    UncalibratedError,
)
from transhash.server import faults

HIDDEN = "/home/anna/photos"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (FilterError(f"name = '{HIDDEN}' and", 40, "a column"), 422, "filter"),
        (ImageError(HIDDEN, "truncated file", "restore it from a copy"), 422, "picture"),
        (HammingIndexError(HIDDEN, f"{HIDDEN} is damaged", "build the index again"), 422, "code"),
        (UncalibratedError(HIDDEN, "no calibration", "give a distance"), 422, "uncalibrated"),
        (LibraryError(HIDDEN, f"{HIDDEN} is not there", f"look for {HIDDEN}"), 503, "library"),
        (LibraryError(HIDDEN, "it cannot be written", "make room", code="disk-full"), 503, "disk-full"),
        (ModelError(HIDDEN, f"{HIDDEN} is damaged", "copy it again"), 422, "value"),
        (DataError(HIDDEN, "no such file", f"look for {HIDDEN}"), 422, "value"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, TransHashError) else None,
)
def test_an_error_is_an_answer(error: TransHashError, status: int, code: str) -> None:
    answer = faults.of(error).answer("7")

    assert answer.status_code == status
    assert f'"code":"{code}"' in bytes(answer.body).decode()
    assert HIDDEN not in bytes(answer.body).decode()
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "disk-full"), (errno.EDQUOT, "disk-full"), (errno.EIO, "library")]
)
def test_a_drive_or_a_share_of_it_that_is_full_is_told_from_a_broken_one(number: int, code: str) -> None:
    error = LibraryError(HIDDEN, "it cannot be written")
    error.__cause__ = OSError(number, "as the system says")

    assert faults.of(error).code == code
