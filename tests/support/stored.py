"""The stored results of comparisons, and figures of them as the documents write them."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

STORED = Path(__file__).parents[2] / "benchmarks" / "results" / "compare"
Of = Callable[[str, str, int], list[float]]
TEXT = (Path(__file__).parents[2] / "docs" / "comparison.md").read_text("utf-8")


def assert_says(sentence: str, *figures: float | str) -> None:
    """`sentence` with the figures in its places is in the page; those below 1 without their leading zero."""
    shown = re.sub(r"(?<!\d)0\.(?=\d{4})", ".", sentence.format(*figures))
    assert shown in " ".join(TEXT.split()), shown


@cache
def results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((STORED / name / "results.json").read_text("utf-8"))
    return found


def cells(name: str, method: str, bits: int) -> list[dict[str, Any]]:
    return [cell for cell in results(name)["cells"] if (cell["method"], cell["bits"]) == (method, bits)]


def score(name: str, method: str, bits: int) -> float:
    return statistics.mean(values(name, method, bits))


def values(name: str, method: str, bits: int) -> list[float]:
    return [cell["scores"]["map"] for cell in cells(name, method, bits)]


def near_values(name: str, method: str, bits: int) -> list[float]:
    return [cell["scores"]["precision_by_radius"][2] for cell in cells(name, method, bits)]


def conventional(name: str, method: str, bits: int) -> list[float]:
    """mAP as the field's code counts it."""
    return [cell["scores"]["map_conventional"] for cell in cells(name, method, bits)]


def gain(name: str, method: str, other: str, bits: int, of: Of = values) -> float:
    """Points that a method is ahead of another."""
    return 100 * (statistics.mean(of(name, method, bits)) - statistics.mean(of(name, other, bits)))


def lead(name: str, method: str, other: str, bits: int, of: Of = values) -> str:
    """The same with its deviation, as the pages write it."""
    return f"{gain(name, method, other, bits, of):.1f} ± {deviation(name, method, other, bits, of):.1f}"


def deviation(name: str, method: str, other: str, bits: int, of: Of = values) -> float:
    """Of the difference of two methods, in points."""
    both = [of(name, each, bits) for each in (method, other)]
    return 100 * math.sqrt(sum(statistics.variance(each) / len(each) for each in both))


def is_ahead(name: str, method: str, other: str, bits: int) -> bool:
    """Whether a method is ahead of another by more than two deviations; of a single seed nothing is claimed."""
    if min(len(values(name, each, bits)) for each in (method, other)) < 2:
        return False
    return gain(name, method, other, bits) > 2 * deviation(name, method, other, bits)


def mean(name: str, method: str, bits: int) -> str:
    """A figure of a table, with its deviation."""
    found = values(name, method, bits)
    return f"{statistics.mean(found):.4f} ± {statistics.stdev(found):.4f}"


def rank(name: str, method: str, bits: int) -> int:
    """The place of a method among all, 1 for the best."""
    methods = {cell["method"] for cell in results(name)["cells"]}
    return 1 + sum(score(name, other, bits) > score(name, method, bits) for other in methods)
