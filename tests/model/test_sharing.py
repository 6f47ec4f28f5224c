"""Models of ours by the hub's conventions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import transhash
from transhash import HashModel
from transhash.errors import ModelError
from transhash.model import PRETRAINED


@pytest.fixture(scope="module")
def model() -> HashModel:
    return transhash.load()


def test_a_saved_one_is_the_same(model: HashModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "mine")
    again = HashModel.from_pretrained(tmp_path / "mine")
    assert again.fingerprint == model.fingerprint
    again.save_pretrained(tmp_path / "mine")  # onto itself
    assert HashModel(tmp_path / "mine", bits=32).bits == 32


def test_the_card_says_what_it_is_and_what_was_measured(tmp_path: Path) -> None:
    model = transhash.load()
    model.config = {**model.config, "about": {"measured": {"mAP@100 of 400 photographs": ".71"}}}
    model.save_pretrained(tmp_path)
    _, head, text = (tmp_path / "README.md").read_text("utf-8").split("---\n", 2)
    assert yaml.safe_load(head)["library_name"] == "transhash"
    assert model.fingerprint in text
    assert "| mAP@100 of 400 photographs | .71 |" in text


def test_a_folder_of_other_things_is_left_alone(model: HashModel, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelError, match="a folder of other things"):
        model.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_it_is_read_from_the_hub_s_cache(model: HashModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    root = tmp_path / "models--someone--hashes"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("f" * 40)
    shutil.copytree(PRETRAINED / model.name, root / "snapshots" / ("f" * 40))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert HashModel.from_pretrained("someone/hashes").fingerprint == model.fingerprint
    with pytest.raises(ModelError, match="the hub cannot be reached"):
        HashModel.from_pretrained("someone/else")


def test_it_is_sent_with_its_card(model: HashModel, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    sent: dict[str, Any] = {}

    class Api:
        def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> None:
            sent.update(name=name, private=private, exist_ok=exist_ok)

        def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> str:
            sent["files"] = {path.name: path.stat().st_size for path in Path(folder_path).iterdir()}
            return f"https://hub.example/{repo_id}/commit/1"

    monkeypatch.setattr(hub, "HfApi", Api)
    assert model.push_to_hub("someone/hashes", private=True) == "https://hub.example/someone/hashes/commit/1"
    assert (sent["name"], sent["private"], sent["exist_ok"]) == ("someone/hashes", True, True)
    assert {"README.md", "config.json", "model.safetensors", "model.onnx"} <= set(sent["files"])
    assert sent["files"]["model.onnx"] == (model.folder / "model.onnx").stat().st_size


def test_what_the_hub_refuses_is_a_sentence(model: HashModel, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    class Api:
        def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> None:
            raise OSError("no token")

    monkeypatch.setattr(hub, "HfApi", Api)
    with pytest.raises(ModelError, match=r"someone/hashes: the hub does not take it \(no token\); log in"):
        model.push_to_hub("someone/hashes")
