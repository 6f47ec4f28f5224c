"""Errors that a user meets say where, what is wrong, and the remedy: three arguments, none of them left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages import ROOT, SOURCES, name
from transhash import errors

KINDS = {
    each.__name__
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, errors.TransHashError) and each is not errors.FilterError
}


def made(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls that make an error of the package's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
            yield node


def fault(call: ast.Call) -> str | None:
    """What an error lacks."""
    if any(isinstance(each, ast.Starred) for each in call.args):
        return None  # reason and remedy come together
    if len(call.args) != 3:
        return f"{len(call.args)} arguments: give where (or an empty text), the reason and the remedy"
    empty = [word for word, each in zip(("reason", "remedy"), call.args[1:], strict=True) if _is_empty(each)]
    return f"no {' and no '.join(empty)}" if empty else None


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


RAISING = [path for path in SOURCES if path.stem != "errors"] + sorted((ROOT / "benchmarks").rglob("*.py"))


@pytest.mark.parametrize("path", RAISING, ids=name)
def test_an_error_says_where_what_and_the_remedy(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    found = {f"{name(path)}:{call.lineno}": wrong for call in made(tree) if (wrong := fault(call))}
    assert found == {}


@pytest.mark.parametrize(
    "text", ['DataError("x: is wrong; do y")', 'DataError("x", "is wrong")', 'DataError("x", "is wrong", "")']
)
def test_an_error_without_a_part_is_noticed(text: str) -> None:
    (call,) = made(ast.parse(text))
    assert fault(call)
