"""A broken-off run continues with what its method learnt (a classifier), kept (codes) and changes on the way (β)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tiny_run import recipe
from transhash.training import loop
from transhash.training.loop import train


@pytest.mark.parametrize(
    ("method", "loss"),
    [("greedyhash", {}), ("dpsh", {}), ("hashnet", {}), ("orthohash", {}), ("crovca", {"labels": False}), ("dhd", {})],
)
def test_a_run_broken_off_continues_to_the_same_bits(
    method: str, loss: dict[str, bool], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    wanted = recipe(place, method=method, loss=loss, epochs=3)
    whole = train(wanted, tmp_path / "whole")
    train(wanted, tmp_path / "parts", stop_at=5)
    parts = train(wanted, tmp_path / "parts")
    assert parts.history == whole.history
    state = whole.network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in parts.network.state_dict().items())
