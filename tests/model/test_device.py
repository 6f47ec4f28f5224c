"""What a model is told to encode on. No CUDA device is needed: what the engines are asked for is looked at."""

from __future__ import annotations

import warnings
from importlib import import_module
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from transhash.errors import ImageError, ModelError, TransHashWarning
from transhash.model import HashModel, engines, hash_model, load
from transhash.nn import torch_engine
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.torch_engine import TorchEngine
from transhash.nn.vit import ViTConfig
from transhash.training.export import export_model

onnxruntime = import_module("onnxruntime")  # after transhash, which turns its usage data off

PICTURES = [np.full((20, 20, 3), shade, np.uint8) for shade in (0, 90, 200)]


@pytest.fixture(autouse=True)
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an NVIDIA driver."""
    monkeypatch.setattr(engines, "has_nvidia_driver", lambda: True)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model in float32."""
    torch.manual_seed(0)
    shape = ViTConfig(image_size=28, patch_size=14, dim=64, depth=3, heads=1, mlp_dim=64)
    folder = tmp_path_factory.mktemp("model") / "single"
    export_model(MGVT(HashConfig(shape, bits=16)), folder, "single", {})
    return folder


class Session:
    """A session of ONNX Runtime that says what it was given, and computes on the CPU."""

    asked: list[Any]
    works = True

    def __init__(self, path: Any, options: Any, providers: list[Any], **others: Any) -> None:
        self.asked.append(providers)
        self._own = SESSION(path, options, providers=["CPUExecutionProvider"], **others)
        self.get_providers = lambda: [p if isinstance(p, str) else p[0] for p in providers[not self.works :]]
        self.run = self._own.run


SESSION = onnxruntime.InferenceSession


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A runtime with CUDA, and the providers that it was asked for."""
    monkeypatch.setattr(Session, "asked", [], raising=False)
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    return Session.asked


@pytest.fixture
def torch_on_cpu(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """PyTorch that takes the CPU for each CUDA device, and the devices that it was asked for."""
    opened: list[str] = []

    class Here(TorchEngine):
        def __init__(self, graph: Path, device: str, tokens: int) -> None:
            super().__init__(graph, "cpu", 404)  # four pictures of the model in the box
            opened.append(device)
            self.device = device

    monkeypatch.setattr(torch_engine, "TorchEngine", Here)
    monkeypatch.setattr(torch_engine, "has_cuda", lambda: True)
    return opened


@pytest.mark.parametrize(("device", "number"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
def test_a_gpu_is_asked_first_and_never_for_shorter_numbers(
    device: str, number: int, single: Path, asked: list[Any]
) -> None:
    model = load(single, device=device)
    codes = model.encode(PICTURES)
    assert asked == [[("CUDAExecutionProvider", {"device_id": number, "use_tf32": 0}), "CPUExecutionProvider"]]
    assert model.device == f"cuda:{number}"
    cpu = load(single, device="cpu")
    np.testing.assert_array_equal(codes, cpu.encode(PICTURES))
    assert asked[1] == ["CPUExecutionProvider"]
    assert cpu.device == "cpu"


@pytest.mark.parametrize(("device", "named"), [("auto", "cuda:0"), ("cuda:1", "cuda:1")])
def test_products_of_integers_are_for_torch(device: str, named: str, asked: list[Any], torch_on_cpu: list[str]) -> None:
    model = load(device=device)
    np.testing.assert_array_equal(model.encode(PICTURES), load(device="cpu").encode(PICTURES))
    assert torch_on_cpu == [named]
    assert asked == [["CPUExecutionProvider"]]  # that of the other model
    assert model.at(16).device == model.device == named


@pytest.mark.parametrize("few", [4, 100])
def test_a_stream_through_a_gpu_is_the_same_in_order_and_errors(
    few: int, torch_on_cpu: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_model, "FEW", few)  # with helpers and without
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(9)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (30, 30, 3), np.uint8)).save(path)
    paths[4].write_bytes(b"no picture")
    found, wanted = (
        [one for batch in load(device=device).stream(paths, batch_size=2, threads=2) for one in batch]
        for device in ("cuda", "cpu")
    )
    assert [one.item for one in found] == paths
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours.error is None) == (theirs.error is None)
        assert (ours.width, ours.height) == (theirs.width, theirs.height)
        if theirs.code is not None:
            np.testing.assert_array_equal(ours.code, theirs.code)
    assert isinstance(found[4].error, ImageError)


def test_a_stream_through_a_gpu_that_is_left_ends(torch_on_cpu: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_model, "FEW", 4)
    stream = load(device="cuda").stream(repeat(PICTURES[0]), batch_size=2, threads=2)
    assert len(next(stream)) > 0  # of endless items
    stream.close()


def test_without_a_gpu_the_cpu_is_taken_and_asking_for_one_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(ModelError, match="nor PyTorch here has CUDA; install PyTorch for your driver"):
        load(device="cuda:0")
    with warnings.catch_warnings():  # nothing is wrong with a GPU that nobody has a program for
        warnings.simplefilter("error")
        assert load().device == "cpu"
    monkeypatch.setattr(engines, "has_nvidia_driver", lambda: False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load().device == "cpu"
    for wrong in ("gpu", "cpu:1", "cuda:x"):
        with pytest.raises(ModelError, match="use auto, cpu, cuda"):
            load(device=wrong)


def test_a_driver_that_does_not_fit_is_named_and_the_cpu_encodes(
    single: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unfit() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nUpdate it.")

    monkeypatch.setattr(Session, "works", False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", unfit)
    model = load(single)
    with pytest.warns(TransHashWarning, match=r"on the CPU.*cannot load its CUDA part.*too old"):
        codes = model.encode(PICTURES)
    np.testing.assert_array_equal(codes, load(single, device="cpu").encode(PICTURES))
    assert model.device == "cpu"
    with pytest.raises(ModelError, match="too old"):
        HashModel(single, device="cuda")
