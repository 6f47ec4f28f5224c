"""transhash bench: what is measured of training and of encoding, at a small size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

from tiny_run import recipe
from transhash.cli.bench import bench
from transhash.errors import TransHashError
from transhash.model import HashModel
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig
from transhash.speed import drawn, peer, report
from transhash.speed.encoding import measure_encoding
from transhash.speed.flops import forward_operations
from transhash.speed.training import PARTS, measure_training
from transhash.training.export import export_model
from transhash.training.network import initial_network

SMALL = {"steps": 10, "rounds": 1, "size": (60, 45)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HashModel:
    torch.manual_seed(0)
    shape = ViTConfig(image_size=28, patch_size=14, dim=64, depth=3, heads=1, mlp_dim=64)
    return export_model(MGVT(HashConfig(shape, bits=16)), tmp_path_factory.mktemp("m") / "m", "m", {})


def test_training_has_its_rate_its_share_of_the_peak_and_its_parts(place: Path) -> None:
    pytest.importorskip("transformers", reason="the peer is a network of transformers")
    wanted = recipe(place, average=0.9, validation=0.3)
    found = measure_training(wanted, **SMALL)
    operations = 3 * forward_operations(initial_network(wanted).config)
    rate = found["images_per_second"]
    assert found["utilisation"] == pytest.approx(rate * operations / (1e12 * found["peak_tflops"]), rel=0.2, abs=1e-3)
    assert list(found["milliseconds_per_step"]) == list(PARTS)
    assert all(part >= 0 for part in found["milliseconds_per_step"].values())
    assert found["times_the_peer"] == pytest.approx(rate / found["peer_images_per_second"], rel=0.05)
    assert json.loads(json.dumps(found)) == found


def test_without_transformers_the_peer_is_an_error_with_its_remedy_and_can_be_left_out(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(TransHashError, match="--no-peer"):
        measure_training(recipe(place), **SMALL)
    found = measure_training(recipe(place), peer=False, **SMALL)
    assert found["images_per_second"] > 0
    assert "times_the_peer" not in found


def test_encoding_has_the_whole_its_parts_alone_and_the_peer(model: HashModel, monkeypatch: pytest.MonkeyPatch) -> None:
    class Still:
        """In place of transformers, whose time is not the matter here."""

        name = "peer"

        def __init__(self, shape: ViTConfig, *_: object) -> None:
            assert shape.dim == 64

        def encode(self, batches: int) -> float:
            return 10.0

    monkeypatch.setattr("transhash.speed.encoding.Peer", Still)
    found = measure_encoding(model, number=40, rounds=1, size=(60, 45))
    whole, alone = found["images_per_second"], found["decoding_alone_images_per_second"]
    assert found["share_of_decoding_alone"] == pytest.approx(whole / alone, rel=0.01)
    assert found["network_times_the_peer"] == pytest.approx(found["network_alone_images_per_second"] / 10, rel=0.01)
    assert found["engine"] == "cpu"


def test_drawn_pictures_are_jpeg_of_that_size_and_the_same_every_time() -> None:
    images = drawn.labelled(12, 60, 45)
    assert images.images.sources == drawn.jpegs(12, 60, 45)
    assert {source[:2] for source in images.images.sources} == {b"\xff\xd8"}
    assert sorted(set(images.labels.tolist())) == list(range(10))
    assert np.std(images.images.decode(np.array([0]), 28)) > 10


def test_a_result_is_kept_with_the_device_s_name(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(recipe(place).dump())
    arguments = {"recipe": tmp_path / "run.yaml", "pictures": 30, "size": "60x45", "steps": 10, "rounds": 1}
    bench("train", **arguments, peer=False, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert not list(tmp_path.rglob("bench-*.json"))  # there are no results of a checkout here
    report.RESULTS.mkdir(parents=True)
    kept = report.kept(said, None)
    assert kept is not None
    assert kept.name.startswith("bench-training-")
    assert json.loads(kept.read_text()) == said
    assert said["device"] in report.in_words(said)
    assert report.kept(said, tmp_path / "mine" / "x.json") == tmp_path / "mine" / "x.json"


def test_what_cannot_be_measured_is_named() -> None:
    for arguments in ({"what": "fly"}, {"what": "train", "size": "big"}):
        with pytest.raises(typer.BadParameter, match=r"give train or encode|500x375"):
            bench(**arguments)


def test_the_peer_has_the_shape_of_the_network() -> None:
    pytest.importorskip("transformers", reason="the peer is a network of transformers")
    shape = ViTConfig(image_size=28, patch_size=14, dim=64, depth=3, heads=2, mlp_dim=256, layer_scale=True)
    beside = peer.Peer(shape, 2, torch.device("cpu"), torch.float32)
    ours = sum(value.numel() for value in MGVT(HashConfig(shape, 16, 0)).trunk.parameters())
    theirs = sum(value.numel() for value in beside.network.parameters())
    block = (theirs - 64) / shape.depth
    assert ours == pytest.approx(theirs - block, rel=0.2)
    assert beside.train(1) > 0
    assert beside.encode(1) > 0
