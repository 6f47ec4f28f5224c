"""Public functions say what they take: one way to tell progress, and hardly anything of any kind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "transhash"
SOURCE = sorted(PACKAGE.rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))

ANYTHING = {  # what has `Any` in its signature, by the reason
    "any public name of a package": ["__init__.py: __getattr__", "model/__init__.py: __getattr__"],
    "types that Typer does not export": [
        "cli/verbs.py: Verbs.__init__", "cli/verbs.py: Verbs.format_help", "cli/verbs.py: Verbs.format_usage",
        "cli/verbs.py: Verbs.invoke", "cli/verbs.py: Verbs.parse_args", "cli/verbs.py: Verbs.resolve_command",
    ],
    "Pillow's: keys and values of any kind": ["images/formats.py: Reader.info", "images/pillow.py: PillowReader.info"],
    "arrays of any kind of number": ["images/pixels.py: to_levels", "model/directory.py: read_linear"],
    "what Numba compiles has no types of Python's": [
        "kernels.py: inlined", "kernels.py: kernel", "kernels.py: summing", "search/bitops.py: bits_at",
        "search/bitops.py: borrow", "search/bitops.py: load", "search/bitops.py: lowest", "search/bitops.py: ones",
        "search/bitops.py: prefetch",
    ],
    "rows of SQL, which whoever asks checks": [
        "library/catalogue/database.py: Database.chosen", "library/catalogue/database.py: Database.pages",
        "library/catalogue/database.py: Database.rows",
    ],
    "pyarrow has no types": [
        "bulk/sources.py: known",
        "library/exchange/parquet_file.py: parquet", "library/exchange/parquet_file.py: plain",
        "library/exchange/parquet_file.py: pyarrow", "library/exchange/parquet_file.py: values",
    ],
    "a picture, several, or queries; `search` has overloads": ["library/ranking.py: answer"],
    "one of two kinds of service, which each route asks for": ["server/routes/common.py: service"],
    "items are whatever the caller has": [
        "model/embedder.py: Embedder.encoded", "model/encoder.py: stream", "model/encoding.py: decode",
        "model/hash_model.py: HashModel.stream", "model/opened.py: in_opened",
    ],
    "transformers has no types": ["model/hub.py: PretrainedEncoder.__init__", "model/hub.py: TwoTowers.__init__"],
    "what a text from outside says, which whoever asks checks": ["plain.py: parsed", "training/recipe.py: from_yaml"],
    "an answer of a server, which whoever asks checks": ["remote/connection.py: Connection.ask"],
}  # fmt: skip

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


def has_any(function: Function) -> bool:
    written = [*(each.annotation for each in arguments(function)), function.returns]
    parts = [part for each in written if each for part in ast.walk(each)]
    return any(isinstance(part, ast.Name) and part.id == "Any" for part in parts)


def with_any(path: Path) -> list[str]:
    """Public functions with `Any` in their signature; of one with overloads, in one of these."""
    every = list(functions(ast.parse(path.read_text("utf-8"))))
    overloaded = {name for name, function in every if "overload" in map(ast.unparse, function.decorator_list)}
    asked = [(name, f) for name, f in every if name not in overloaded or f.decorator_list]
    return [f"{path.relative_to(PACKAGE)}: {name}" for name, function in asked if is_public(name) and has_any(function)]


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


def test_hardly_any_signature_takes_or_gives_anything() -> None:
    assert sorted(each for path in SOURCE for each in with_any(path)) == sorted(chain(*ANYTHING.values()))
