"""What must be on which device."""

from __future__ import annotations

import contextlib
import copy
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tiny_run import STILL, recipe
from transhash.data.augment import Augmentation, augment
from transhash.errors import RecipeError
from transhash.losses import METHODS, BayesianLoss, Task
from transhash.losses.distillation import likeness
from transhash.losses.every_length import every_length
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig
from transhash.training import compiling
from transhash.training import device as device_module
from transhash.training.device import device_of, precision_of, precision_said
from transhash.training.export import export_model
from transhash.training.loop import train
from transhash.training.network import initial_network, settled
from transhash.training.optimizer import WeightAverage


class Elsewhere(MGVT):
    """A network that computes on the CPU only after it was moved there, as one that was trained on a GPU."""

    moved = False

    def cpu(self) -> Elsewhere:
        self.moved = True
        return super().cpu()

    def lower(self, x: Tensor, blocks: int) -> Tensor:
        if not self.moved:
            raise RuntimeError("Expected all tensors to be on the same device")
        return super().lower(x, blocks)


def test_a_network_from_a_gpu_is_exported_from_the_cpu(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = ViTConfig(image_size=28, patch_size=14, dim=64, depth=3, heads=1, mlp_dim=64)
    pictures = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 3), np.uint8)
    network = Elsewhere(HashConfig(shape, bits=16))
    assert export_model(network, tmp_path / "model", "tiny", {}, pictures=pictures).bits == 16
    assert not network.moved  # it may be needed where it is


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("gpu", "use auto, cpu, cuda, cuda:N or mps"),
        ("cuda", "leave --device out"),
        ("cuda:1", "leave --device out"),
        ("mps", "leave --device out"),
    ],
)
def test_a_device_that_is_not_there_is_an_error_with_the_remedy(
    wanted: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device_of("auto") == device_of("cpu") == torch.device("cpu")
    with pytest.raises(RecipeError, match=words):
        device_of(wanted)


def test_of_several_gpus_the_one_that_is_named_or_this_processs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("auto") == device_of("cuda") == torch.device("cuda", 0)
    assert device_of("cuda:1") == torch.device("cuda", 1)
    assert device_of("cpu") == torch.device("cpu")
    with pytest.raises(RecipeError, match="this machine has 2"):
        device_of("cuda:2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert device_of("auto") == torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("bfloat16", "capability", "wanted", "words"),
    [
        (True, (9, 0), torch.bfloat16, ""),
        (False, (7, 5), torch.float16, "uses float16, and gradients are scaled"),
        (False, (6, 1), torch.float32, "uses float32"),
    ],
)
def test_a_gpu_without_bfloat16_computes_in_what_it_has_and_that_is_said(
    bfloat16: bool, capability: tuple[int, int], wanted: torch.dtype, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bfloat16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(device_module, "described", str)
    gpu = torch.device("cuda", 0)
    assert precision_of("auto", gpu) == wanted
    assert words in precision_said("auto", wanted, gpu)
    assert bool(precision_said("auto", wanted, gpu)) == bool(words)
    assert precision_of("bfloat16", gpu) == torch.bfloat16
    assert precision_said("float32", torch.float32, gpu) == ""  # that is what was asked for


def test_a_gpu_whose_driver_does_not_fit_is_named_once_and_the_cpu_trains(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unfit() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nUpdate it.")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", unfit)
    said: list[str] = []
    for driver, sentences in ((False, 0), (True, 1)):
        monkeypatch.setattr(device_module, "has_nvidia_driver", lambda driver=driver: driver)
        train(recipe(place, epochs=1), tmp_path / str(driver), say=said.append)
        assert len(said) == sentences
    assert "the CPU is used" in said[0]
    assert "too old (found version 11040);" in said[0]
    train(recipe(place, epochs=1, device="cpu"), tmp_path / "cpu", say=said.append)  # as it was asked to
    assert len(said) == 1


def test_float16_scales_gradients_that_would_be_lost(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of so small a loss float16 knows no gradients; scaled they are there, and a run ends where it does in float32."""
    loss = BayesianLoss.forward
    monkeypatch.setattr(BayesianLoss, "forward", lambda *arguments: 1e-6 * loss(*arguments))
    settings = {"optimizer": "sgd", "clip": 0, "learning_rate": 30, "weight_decay": 0, **STILL}
    start = train(recipe(place, **settings), tmp_path / "start", stop_at=0).network.state_dict()
    single, half = (
        train(recipe(place, precision=precision, **settings), tmp_path / precision).network.state_dict()
        for precision in ("float32", "float16")
    )
    moved = {name: (value - start[name]).norm() for name, value in single.items()}
    assert moved["trunk.blocks.0.mlp.fc1.weight"] > 1e-4
    for name, value in single.items():
        assert (half[name] - value).norm() <= 0.1 * moved[name] + 1e-5, name


def test_a_step_whose_gradients_overflow_is_left_out(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaler = partial(torch.amp.GradScaler, init_scale=2.0**120)  # far beyond float16
    monkeypatch.setattr(torch.amp, "GradScaler", scaler)
    start = train(recipe(place, precision="float16"), tmp_path / "start", stop_at=0).network.state_dict()
    after = train(recipe(place, precision="float16"), tmp_path / "run", stop_at=2).network.state_dict()
    assert all(torch.equal(value, start[name]) for name, value in after.items())


def test_out_of_memory_names_a_smaller_batch(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    train(recipe(place), tmp_path / "run", stop_at=1)
    monkeypatch.setattr(MGVT, "forward", full)
    with pytest.raises(RecipeError, match=r"batch_size 8 .*; give --set batch_size=4 and another --out"):
        train(recipe(place), tmp_path / "run")


def test_a_compiled_network_trains_the_same_weights(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train(recipe(place, epochs=1), tmp_path / "plain").network.state_dict()
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network, **settings: compile_(network, backend="eager", **settings))
    said: list[str] = []
    network = train(recipe(place, epochs=1, compile="on"), tmp_path / "compiled", say=said.append).network
    assert said == []
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, plain[name], msg=name)


def test_without_a_compiler_the_network_trains_and_a_sentence_says_so(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(network: torch.nn.Module, **_: object) -> object:
        def call(*_: object, **__: object) -> Tensor:
            raise RuntimeError("Failed to find C compiler.\nSet CC")

        return call

    monkeypatch.setattr(compiling.torch, "compile", broken)
    plain = train(recipe(place, epochs=1), tmp_path / "plain").network.state_dict()
    said: list[str] = []
    network = train(recipe(place, epochs=1, compile="on"), tmp_path / "compiled", say=said.append).network
    [sentence] = said
    assert "Failed to find C compiler." in sentence
    assert all(torch.equal(value, plain[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize(
    "method", [name for name in METHODS if name != "dpsh"]
)  # which asks the device what it has seen
def test_all_of_a_step_is_on_the_device_of_the_pictures(
    method: str, multi_label: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the device `meta`, which every machine has: what lay elsewhere, or had to be waited for, would be an error."""
    if method == "greedyhash" and multi_label:
        pytest.skip("is not defined for several labels")
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # there is none for it
    meta = torch.device("meta")
    shape = ViTConfig(image_size=28, patch_size=14, dim=64, depth=3, heads=1, mlp_dim=64)
    network = MGVT(HashConfig(shape, bits=32, lengths=(16, 32))).to(meta)
    network.set_drop_path(0.2)
    tasks = [Task((bits // 2, bits // 4, bits // 4), 4, 50, multi_label, seed=0) for bits in (16, 32)]
    criterion = every_length(partial(METHODS[method]), tasks).to(meta)
    average = WeightAverage(copy.deepcopy(network), network)
    pictures = torch.empty(8, 32, 32, 3, dtype=torch.uint8, device=meta)
    x = augment(pictures, 28, Augmentation((0.3, 1.0), 1.5, True, 0.3, 0.2, 0.5, 0.5))
    labels = torch.empty((8, 4) if multi_label else (8,), dtype=torch.int64, device=meta)
    h = network(x)
    loss = criterion(h, labels, torch.empty(8, dtype=torch.int64, device=meta))
    loss = loss + likeness(h, (16, 32), network.features(x))
    loss.backward()
    average.update(0.9)
    assert loss.device == h.device == meta


@pytest.fixture(scope="module")
def model(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "model"
    export_model(initial_network(recipe(place)), folder, "start", {})
    return folder


def test_training_goes_on_from_a_models_own_network(place: Path, model: Path) -> None:
    wanted = settled(recipe(place, backbone=str(model), image_size=0))
    assert wanted.image_size == 28
    before = initial_network(recipe(place)).state_dict()
    for name, value in initial_network(wanted).state_dict().items():
        if "_hash" not in name:  # which are new
            torch.testing.assert_close(value, before[name], atol=0.01 * before[name].abs().max().item(), rtol=0)
    assert initial_network(settled(recipe(place, backbone=str(model), image_size=56))).config.vit.grid == 4


def test_without_a_backbone_training_starts_from_the_model_in_the_box(place: Path) -> None:
    from transhash.model import load

    box = load()
    wanted = settled(recipe(place, backbone="", image_size=0))
    assert wanted.image_size == box.image_size
    assert initial_network(wanted).config.vit == initial_network(wanted.model_copy(update={"groups": 0})).config.vit
    assert initial_network(wanted).config.vit.dim == box.config["network"]["vit"]["dim"]


def test_a_run_from_a_model_ends_in_a_model(place: Path, model: Path, tmp_path: Path) -> None:
    trained = train(recipe(place, backbone=str(model), image_size=0, epochs=1), tmp_path / "run")
    assert trained.recipe.image_size == 28
    assert trained.history
