"""The model in the box gives the stored codes of stored pictures, whatever the processor, and the same on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

import same_codes


@pytest.fixture(scope="module")
def stored() -> Any:
    return json.loads(same_codes.STORED.read_text("utf-8"))


@pytest.fixture(scope="module")
def now() -> Any:
    return same_codes.steps()


def test_the_model_is_the_one_of_the_stored_codes(stored: Any, now: Any) -> None:
    assert now["fingerprint"] == stored["fingerprint"], "another model: run python tests/support/same_codes.py"


@pytest.mark.parametrize("step", same_codes.STEPS)
def test_the_example_pictures_give_every_bit_that_is_stored(step: str, stored: Any, now: Any) -> None:
    assert now[step] == stored[step]
