"""A few runs of benchmarks/library/kill.py: killed, out of disk, without its folder; nothing that was saved is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")  # for the model of random weights
from benchmarks.library.kill import Trial


def test_nothing_that_was_saved_is_lost(tmp_path: Path) -> None:
    trial = Trial(tmp_path, pictures=250, seed=1)
    for _ in range(3):
        trial.kill()
    trial.remove()
    trial.fill()

    assert trial.counts["libraries compared with an undisturbed one"] == 6
    assert trial.counts["kills"] + trial.counts["kills that came too late"] == 3
