"""Rooms stay rooms: small, nothing private reached for from outside, no paths added by hand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = sorted((ROOT / "src" / "transhash").rglob("*.py"))
TESTS = [path for path in sorted((ROOT / "tests").rglob("*.py")) if path != Path(__file__)]
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
RELEASE = sorted((ROOT / "release").rglob("*.py"))

MOST_LINES = 350  # of a file
MOST_OF_A_FUNCTION = 60  # lines behind its docstring
LONG = {  # functions that have more, and why
    "cli/compare.py compare": "hands on thirty options by name",
    "evaluation/metrics.py evaluate": "checks six arrays, each with its sentence",
    "library/duplicates/fitting.py fitted": "one compiled loop: its parts would pass on all of its state",
    "library/duplicates/registration.py _most_agreed": "as `fitted`",
    "nn/weights.py load_vit": "refuses checkpoints in four ways, each with its sentence",
    "server/agents.py tools": "holds the tools, of which each is a function",
    "speed/encoding.py measure_encoding": "lets four things take turns in one loop",
    "training/loop.py train": "the loop, to be read once from top to bottom",
}
PYTHONS_OWN = {"_replace", "_asdict", "_fields", "_exit"}  # names that begin with _ and are documented


def matches(pattern: str, paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PYTHONS_OWN


def reached_for(source: str) -> Iterator[tuple[int, str]]:
    """Private names of others that a file reads, imports, or names in a text to patch them: line and name."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            is_super = isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()"
            names = [] if is_own or is_super else [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
            texts = [each for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            names = [text.value.rpartition(".")[2] for text in texts]
        yield from ((node.lineno, name) for name in names if private(name))


def test_files_are_small() -> None:
    files = [*SOURCE, *TESTS, *BENCHMARKS, *RELEASE]
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in files}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}
    assert len(lines) > 700


def test_functions_are_short() -> None:
    long, count = set(), 0
    for path in SOURCE:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count += 1
                first = node.body[min(len(node.body) - 1, int(ast.get_docstring(node) is not None))]
                if (node.end_lineno or 0) - first.lineno >= MOST_OF_A_FUNCTION:
                    long.add(f"{path.relative_to(ROOT / 'src' / 'transhash')} {node.name}")
    assert long == LONG.keys()
    assert count > 2000


def test_tests_find_what_they_share_without_adding_paths() -> None:
    assert matches(r"sys\.path(\.(insert|append|extend)|\[.*\] *=| *\+?=)", [*TESTS, *BENCHMARKS]) == []


def test_what_comes_first_is_there(pytestconfig: pytest.Config) -> None:
    (own,) = (each for each in pytestconfig.pluginmanager.get_plugins() if hasattr(each, "EARLY"))
    assert all(list(ROOT.glob(f"{start}*")) for start in own.EARLY)


def test_a_library_s_catalogue_is_not_reached_for_behind_its_back() -> None:
    library = ROOT / "src" / "transhash" / "library"
    outside = [path for path in [*SOURCE, *TESTS] if not path.is_relative_to(library)]
    assert matches(r"(?<!self)\._(catalogue|places)\b", outside) == []


def test_nothing_is_called_a_library_that_is_none() -> None:
    assert matches(r"cast\(\s*[\"']?(Library|HashModel)\b", [*SOURCE, *TESTS, *BENCHMARKS]) == []


@pytest.mark.parametrize("path", [*TESTS, *BENCHMARKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_private_names_are_left_alone(path: Path) -> None:
    assert list(reached_for(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("library._model = 1", "_model"),
        ("from transhash.library import _look", "_look"),
        ("monkeypatch.setattr(join, '_plan', 1)", "_plan"),
        ("patch.setattr('transhash.library.files.indexing._digest', None)", "_digest"),
        ("patch.setattr(*{'a': (indexing, '_digest')}[moment], 1)", "_digest"),
    ],
)
def test_a_private_name_is_noticed(source: str, name: str) -> None:
    assert [found for _, found in reached_for(source)] == [name]
