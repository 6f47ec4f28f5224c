"""Public functions say what they take: one way to tell progress, and hardly anything of any kind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = sorted((ROOT / "src" / "transhash").rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST, *, inside: str = "") -> Iterator[tuple[str, Function]]:
    """The functions and methods of a module by name, without those that are defined inside of others."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield f"{inside}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, inside=f"{inside}{node.name}.")


def is_public(name: str) -> bool:
    """Whether no part of a name is private; names of Python's protocols are."""
    return not any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def arguments(function: Function) -> list[ast.arg]:
    own = function.args
    return [*own.posonlyargs, *own.args, *own.kwonlyargs, *filter(None, (own.vararg, own.kwarg))]


def with_any(path: Path) -> list[str]:
    """Public functions with `Any` in their signature."""
    found = []
    for name, function in functions(ast.parse(path.read_text("utf-8"))):
        written = [each.annotation for each in arguments(function)] + [function.returns]
        has = any(isinstance(part, ast.Name) and part.id == "Any" for each in written if each for part in ast.walk(each))
        if is_public(name) and has:
            found.append(f"{path.relative_to(ROOT / 'src' / 'transhash')}: {name}")
    return found


@pytest.mark.parametrize("path", [*SOURCE, *BENCHMARKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_progress_is_told_in_one_way(path: Path) -> None:
    given = {
        ast.unparse(each.annotation) if each.annotation else "nothing"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, Function)
        for each in arguments(node)
        if each.arg == "progress"
    }
    assert given <= {"Progress"}
