"""transhash doctor."""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import numpy as np
import pytest

import transhash.model
from transhash.model import engines, shipped
from transhash.nn import torch_engine
from transhash.search import HammingIndex

SOURCE = Path(__file__).parents[2] / "src" / "transhash"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("transhash.cli.doctor"), "SECONDS", 0.1)


def findings(result) -> dict[str, dict[str, str]]:
    return {line["what"]: line for line in map(json.loads, result.out.splitlines())}


def test_a_sound_installation(run, photos: Path) -> None:
    run("index", "photos")
    result = run("doctor", "--json")
    found = findings(result)

    assert (result.code, result.err) == (0, "")
    assert not any(line["problem"] for line in found.values())
    assert {"versions", "processor", "devices", "compiled", "state", "temporary", "self-test"} <= found.keys()
    assert f"numpy {np.__version__}" in found["versions"]["found"]
    assert str(photos / ".transhash") in found["state"]["found"]
    assert "pictures of 64 pixels a second" in found["self-test"]["found"]


def test_for_people_each_line_says_whether_it_is_well(run, photos: Path) -> None:
    lines = run("doctor").out.splitlines()
    assert {line[:4] for line in lines} == {"ok  "}


def test_folders_that_cannot_be_written_are_named(run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(photos / "file" / "cache"))
    result = run("doctor", "--json")

    assert result.code == 1
    assert "NUMBA_CACHE_DIR" in findings(result)["compiled"]["problem"]


def test_a_search_that_is_wrong_is_noticed(run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = HammingIndex.search

    def wrong(*arguments, **options):
        distances, ids = right(*arguments, **options)
        return distances + 1, ids

    monkeypatch.setattr(HammingIndex, "search", wrong)
    result = run("doctor", "--json")

    assert result.code == 1
    assert "differs from brute force" in findings(result)["self-test"]["problem"]


def called(room: str) -> Iterator[str]:
    """The names, with their modules, of the compiled functions of a room that Python calls."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in SOURCE.glob(f"{room}/*.py")}
    functions = [(path, node) for path, tree in trees.items() for node in ast.walk(tree) if is_function(node)]
    compiled = {id(inner) for _, node in functions if is_compiled(node) for inner in ast.walk(node)}
    names = {
        getattr(node, "id", None) for tree in trees.values() for node in ast.walk(tree) if id(node) not in compiled
    }
    for path, node in functions:
        if is_compiled(node, "kernel") and node.name in names:
            yield f"transhash.{room.replace('/', '.')}.{path.stem}.{node.name}"


def is_function(node: ast.AST) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef)


def is_compiled(node: ast.FunctionDef, *how: str) -> bool:
    return any(getattr(one, "id", None) in (how or ("kernel", "inlined", "summing")) for one in node.decorator_list)


def test_afterwards_nothing_is_left_to_compile_for_searches_and_copies(run, photos: Path) -> None:
    names = [*called("library/duplicates"), "transhash.shallow.signs._packed", "transhash.search.cosines._first"]
    assert len(names) > 20
    assert run("doctor").code == 0
    functions = {
        name: getattr(importlib.import_module(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in names
    }
    assert [name for name, function in functions.items() if not function.signatures] == []
    laid = functions["transhash.library.duplicates.laying.correlation"]
    assert {one.mutable for types in laid.signatures for one in types[:2]} == {True, False}  # of both kinds


def test_a_gpu_that_cannot_be_used_is_a_problem_with_its_reason(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def unfit(*_: object) -> None:
        raise RuntimeError("the driver is too old")

    monkeypatch.setattr(transhash.model, "load", shipped.load)  # a model with a network
    monkeypatch.setattr(engines, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(torch_engine, "TorchEngine", unfit)
    monkeypatch.setattr(torch_engine, "has_cuda", lambda: True)
    devices = findings(run("doctor", "--json"))["devices"]

    assert "pictures are encoded on cpu" in devices["found"]
    assert "the driver is too old" in devices["problem"]


def test_a_check_that_fails_does_not_stop_the_others(run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("no such device")

    monkeypatch.setattr("platform.machine", broken)
    result = run("doctor", "--json")

    assert result.code == 1
    found = findings(result)
    assert found["processor"]["found"] == "OSError: no such device"
    assert found["self-test"]["problem"] is None
