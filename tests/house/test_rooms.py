"""Rooms stay rooms: nothing private reached for from outside, no paths added by hand."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = sorted((ROOT / "src" / "transhash").rglob("*.py"))
TESTS = [path for path in sorted((ROOT / "tests").rglob("*.py")) if path != Path(__file__)]


def matches(pattern: str, paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]


def test_tests_find_what_they_share_without_adding_paths() -> None:
    assert matches(r"sys\.path\.(insert|append)", TESTS) == []


def test_a_library_s_catalogue_is_not_reached_for_behind_its_back() -> None:
    library = ROOT / "src" / "transhash" / "library"
    outside = [path for path in [*SOURCE, *TESTS] if not path.is_relative_to(library)]
    assert matches(r"(?<!self)\._(catalogue|places)\b", outside) == []
