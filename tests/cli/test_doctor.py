"""transhash doctor."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import transhash.model
from transhash.model import engines, shipped
from transhash.nn import torch_engine
from transhash.search import HammingIndex


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
