"""The measurement of codes of vectors: what it counts, and what the page says of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.vectors import (
    FILE,
    METHODS,
    NAMES,
    WITH_LABELS,
    classes_of,
    recall_of,
    said_of_memory,
    said_of_speed,
    table,
    table_of_classes,
)
from benchmarks.vectors_from import docstrings

PAGE = Path(__file__).parents[2] / "docs" / "vectors.md"


def test_more_is_found_when_candidates_are_ordered_by_cosines() -> None:
    vectors = np.random.default_rng(0).standard_normal((320, 32)).astype(np.float32)
    found = recall_of(vectors, 20, [32])
    assert set(found) == set(METHODS)
    for rows in found.values():
        assert 10 / 300 < rows["32"]["distance"] < rows["32"]["float32"] <= 1  # chance alone would find 10 of 300
        assert abs(rows["32"]["int8"] - rows["32"]["float32"]) < 0.05


def test_classes_are_told_apart_on_vectors_that_were_not_trained_on() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 320)
    vectors = random.standard_normal((320, 32)).astype(np.float32)
    vectors[:, :4] += 2 * np.eye(4, dtype=np.float32)[labels]
    found = classes_of(vectors, labels, 20, [16])
    assert set(found) == set(WITH_LABELS)
    assert found["learned"]["16"] > found["itq"]["16"]


def test_sentences_are_those_of_docstrings(tmp_path: Path) -> None:
    for name in ("module.py", "test/other.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(
            '"""Reads one\nfile of settings. And more."""\n\ndef f():\n    """Too short."""\n\nclass A:\n'
            '    """Reads one file of settings."""\n    """No docstring but a text."""\n    x = 1\n'
        )
    assert list(docstrings(tmp_path)) == ["Reads one file of settings"]


def test_the_page_says_what_was_measured() -> None:
    results = json.loads(FILE.read_text("utf-8"))
    page = PAGE.read_text("utf-8")
    for name in results["recall"]:
        assert f"{NAMES[name].capitalize()}:\n\n{table(results, name)}" in page
    assert table_of_classes(results) in page
    assert said_of_speed(results) in " ".join(page.split())
    assert said_of_memory(results) in " ".join(page.split())
