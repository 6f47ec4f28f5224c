"""Short runs of benchmarks/faults: calls to the system that fail, and power cuts; nothing that was saved is lost.

With TRANSHASH_ALL_FAULTS=1 every call of every job fails in turn, which takes an hour.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks.faults.shim import compiler

pytest.importorskip("torch")  # for the model of random weights
pytestmark = pytest.mark.skipif(not compiler(), reason="no C compiler for Linux: apt-get install gcc")
ALL = bool(os.environ.get("TRANSHASH_ALL_FAULTS"))


def _run(program: str, *options: object) -> list[dict[str, object]]:
    command = [sys.executable, "-m", f"benchmarks.faults.{program}", *map(str, options)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [one["lost"] for one in told if one["lost"]] == [], ran.stdout
    assert ran.returncode == 0, ran.stderr
    return told


def test_any_call_may_fail() -> None:
    told = _run("failing", *([] if ALL else ["--sample", 1]))
    assert sum(int(str(one["runs"])) for one in told) >= 12  # each job


def test_the_power_may_go_at_any_moment() -> None:
    told = _run("cuts", *([] if ALL else ["--sample", 3, "--jobs", "index,save,apply,checkpoint"]))
    assert sum(int(str(one["disks"])) for one in told) >= 12
