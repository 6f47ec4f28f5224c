"""JSON and YAML from outside: whatever they say, what reads them ends with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from transhash.errors import TransHashError
from transhash.library.duplicates.plan import read_plan
from transhash.library.duplicates.undoing import undo_log
from transhash.model.directory import CONFIG, read_config
from transhash.plain import parsed
from transhash.training.facts import FACTS, check_facts
from transhash.training.recipe import Recipe, from_yaml

DEEP = "[" * 100_000


def test_json_says_what_it_says() -> None:
    assert parsed('{"a": [1, null]}') == parsed(b'{"a": [1, null]}') == {"a": [1, None]}


@pytest.mark.parametrize("text", ["", "{", DEEP, '{"a": ' * 100_000, "1" * 5000])
def test_what_is_no_json_is_an_error_of_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text)


@pytest.mark.parametrize("text", [DEEP, "[1]", "3", '"text"'])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        (CONFIG, lambda path: read_config(path.parent)),
        ("plan", read_plan),
        ("log", undo_log),
        ("recipe.yaml", Recipe.read),
        (FACTS, lambda path: check_facts(path.parent, {})),
    ],
)
def test_files_of_something_else_are_a_sentence(
    tmp_path: Path, name: str, read: Callable[[Path], object], text: str
) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(TransHashError, match=str(tmp_path)):
        read(tmp_path / name)


@pytest.mark.parametrize("text", ["[", DEEP, "2026-99-99", "!!int x", "a: b: c"])
def test_a_setting_that_is_no_yaml_is_a_sentence(text: str) -> None:
    with pytest.raises(TransHashError, match="--set"):
        from_yaml(text, "--set gamma=…")
