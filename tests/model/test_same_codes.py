"""The model in the box gives the stored codes of stored pictures, whatever the processor."""

from __future__ import annotations

import json

from same_codes import STORED, codes


def test_codes_of_the_example_pictures_are_those_that_are_stored() -> None:
    stored, now = json.loads(STORED.read_text("utf-8")), codes()
    assert now["fingerprint"] == stored["fingerprint"], "another model: run python tests/support/same_codes.py"
    assert now["codes"] == stored["codes"]
