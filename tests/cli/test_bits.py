"""--bits: one of a model's code lengths; a library keeps its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import transhash.model
from transhash.model import load
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig
from transhash.training.export import export_model

Run = Callable[..., Any]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A model of 16 and 32 bits, 32 by default."""
    torch.manual_seed(0)
    vit = ViTConfig(image_size=28, patch_size=14, dim=32, depth=2, heads=1, mlp_dim=48)
    network = MGVT(HashConfig(vit, 32, lengths=(16, 32)))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return export_model(network, tmp_path / "many", "many", {}).folder


def test_a_library_is_made_at_a_length_and_keeps_it(
    many: Path, photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transhash.model, "load", load)
    assert run("index", photos, "--model", many, "--bits", 16).code == 0
    assert json.loads(run("info", "--json", "--library", photos).out)["bits"] == 16
    for same in ([], ["--bits", 16], ["--model", many]):  # which is of 32 bits unless told otherwise
        assert run("index", photos, *same).code == 0
    found = run("search", photos / "cat" / "cat-0.png", "-k", 1, "--model", many)
    assert (found.code, found.out.split()[0]) == (0, "0")
    other = run("index", photos, "--bits", 32)
    assert other.code == 2
    assert "holds codes of 16 bits" in other.err


def test_an_exported_library_is_imported_with_the_model_at_its_length(
    many: Path, photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transhash.model, "load", load)
    run("index", photos, "--model", many, "--bits", 16)
    run("export", "--library", photos, "--to", "all.parquet")
    assert run("import", "all.parquet", "--library", "new", "--model", many).code == 0
    assert json.loads(run("info", "--json", "--library", "new").out)["bits"] == 16


def test_a_length_that_the_model_does_not_have(many: Path, photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transhash.model, "load", load)
    refused = run("index", photos, "--model", many, "--bits", 24)
    assert refused.code == 2
    assert "only of 16, 32" in refused.err
    assert not (photos / ".transhash").exists()
