"""Moments in the catalogue: seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from transhash.library.catalogue.kinds import UnfitError, seconds


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (datetime(1970, 1, 1), 0),
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(2024, 5, 1, 12, 30, tzinfo=timezone(timedelta(hours=2))), 1_714_559_400),
        (datetime(2024, 5, 1, 10, 30, 0, 999_999), 1_714_559_400),
        (datetime(1969, 12, 31, 23, 59, 59, 500_000), -1),
    ],
    ids=["in no time zone", "UTC", "in a time zone", "with a fraction", "before 1970"],
)
def test_seconds_of_a_moment(given: datetime, stored: int) -> None:
    assert seconds(given) == stored


@pytest.mark.parametrize("given", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_that_is_in_no_year_of_utc(given: str) -> None:
    with pytest.raises(UnfitError, match="from the year 1 to 9999 in UTC"):
        seconds(datetime.fromisoformat(given))
