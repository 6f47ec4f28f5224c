"""Bytes that a fuzzer makes are used, or named in a sentence (`benchmarks.faults.fuzz`): seconds of each target."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

TARGETS = 9


def test_whatever_comes_is_used_or_named(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="fuzzing needs atheris, which is made for Linux")
    with ZipFile(Path(__file__).with_name("corpus.zip")) as kept:  # inputs that reached new lines in longer runs
        kept.extractall(tmp_path)
    command = [sys.executable, "-m", "benchmarks.faults.fuzz", "all", "--seconds", "1", "--corpus", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not [each for each in tmp_path.rglob("*") if each.name.startswith(("crash-", "oom-", "timeout-"))]
    executed = [int(each) for each in re.findall(r"number_of_executed_units: (\d+)", done.stderr)]
    assert len(executed) == TARGETS
    assert all(executed)
