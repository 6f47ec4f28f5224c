"""The measurement of codes of vectors: what it counts, and what the page says of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.vectors import FILE, METHODS, recall_of, said_of_speed, table

PAGE = Path(__file__).parents[2] / "docs" / "vectors.md"


def test_more_is_found_when_candidates_are_ordered_by_cosines() -> None:
    vectors = np.random.default_rng(0).standard_normal((320, 32)).astype(np.float32)
    found = recall_of(vectors, 20, [32])
    assert set(found) == set(METHODS)
    for rows in found.values():
        assert 10 / 300 < rows["32"]["distance"] < rows["32"]["float32"] <= 1  # chance alone would find 10 of 300
        assert abs(rows["32"]["int8"] - rows["32"]["float32"]) < 0.05


def test_the_page_says_what_was_measured() -> None:
    results = json.loads(FILE.read_text("utf-8"))
    page = PAGE.read_text("utf-8")
    assert table(results, "photographs-box") in page
    assert said_of_speed(results) in " ".join(page.split())
