"""Bytes that a fuzzer makes are used, or named in a sentence (`benchmarks.faults.fuzz`): seconds of each target."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TARGETS = ["index", "header", "model", "parquet", "csv", "filter", "list", "exif", "http"]


@pytest.mark.parametrize("target", TARGETS)
def test_whatever_comes_is_used_or_named(tmp_path: Path, target: str) -> None:
    pytest.importorskip("atheris", reason="fuzzing needs atheris, which is made for Linux")
    command = [sys.executable, "-m", "benchmarks.faults.fuzz", target, "--seconds", "3", "--corpus", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not list(tmp_path.rglob("crash-*"))
    assert int(done.stderr.partition("number_of_executed_units: ")[2].split()[0]) > 0
