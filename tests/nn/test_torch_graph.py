"""A model's graph computed by PyTorch gives what ONNX Runtime gives: of the exact graph every bit."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from transhash.errors import ModelError
from transhash.model import DEFAULT, PRETRAINED
from transhash.nn import torch_graph
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.torch_engine import TorchEngine
from transhash.nn.torch_graph import TorchGraph
from transhash.nn.vit import ViTConfig
from transhash.training.export import export_model

onnxruntime = import_module("onnxruntime")  # after transhash, which turns its usage data off

CPU = torch.device("cpu")
BOX = PRETRAINED / DEFAULT / "model.onnx"


def pictures(side: int) -> np.ndarray:
    found = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), np.uint8)
    found[1] = 77  # nothing to be seen
    found[2] = np.linspace(0, 255, side)[None, :, None]
    return found


def expected(graph: Path, squares: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return list(session.run(["values", "features"], {"images": squares}))


def test_of_the_model_in_the_box_every_bit_is_the_same() -> None:
    squares = pictures(140)
    for ours, theirs in zip(TorchGraph(BOX, CPU).run(squares), expected(BOX, squares), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_products_that_a_gpu_has_no_integers_for_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU for few rows; `is_cpu` is all that the product asks the device for."""
    random = np.random.default_rng(0)
    x, weight = random.integers(0, 256, (5, 1536), np.uint8), random.integers(-63, 64, (1536, 12), np.int8)
    zero, bias = np.uint8(131), random.integers(-(2**20), 2**20, 12, np.int32)
    scales = random.random(12, np.float32)
    wide = x.astype(np.int64) - 131
    wanted = (wide @ weight.astype(np.int64) + bias).astype(np.float32) * scales
    arguments = [torch.tensor(one) for one in (x, np.float32(1), zero, weight, scales, np.zeros(12, np.int8), bias)]
    np.testing.assert_array_equal(torch_graph.product_of_integers(*arguments).numpy(), wanted)

    class OnGPU(torch.Tensor):
        is_cpu = False

    few = torch_graph.product_of_integers(arguments[0].as_subclass(OnGPU), *arguments[1:])
    np.testing.assert_array_equal(few.as_subclass(torch.Tensor).numpy(), wanted)


@pytest.mark.parametrize(("groups", "lengths"), [(0, ()), (2, (16, 32))])
def test_a_model_in_float32_gives_the_same_within_rounding(
    groups: int, lengths: tuple[int, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    shape = ViTConfig(image_size=30, patch_size=14, dim=64, depth=3, heads=2, mlp_dim=64, layer_scale=True)
    model = export_model(MGVT(HashConfig(shape, 16, groups, lengths=lengths)), tmp_path / "model", "tiny", {})
    squares = pictures(30)
    graph = model.folder / "model.onnx"
    for ours, theirs in zip(TorchGraph(graph, CPU).run(squares), expected(graph, squares), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_products_are_not_shortened_whatever_the_program_wants() -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        squares = pictures(140)
        np.testing.assert_array_equal(TorchGraph(BOX, CPU).run(squares)[0], expected(BOX, squares)[0])
        assert torch.get_float32_matmul_precision() == "medium"  # it is the program's own again
    finally:
        torch.set_float32_matmul_precision("highest")


def test_an_operator_that_no_graph_of_ours_has_is_named(tmp_path: Path) -> None:
    graph = onnx.load(BOX, load_external_data=False)
    graph.graph.ClearField("initializer")
    graph.graph.node[0].op_type = "Wavelet"
    onnx.save(graph, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="Wavelet is unknown"):
        TorchGraph(tmp_path / "model.onnx", CPU)


def test_what_the_memory_is_too_small_for_is_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    run = TorchGraph.run
    most = 2

    def small(self: TorchGraph, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(squares) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(self, squares)

    monkeypatch.setattr(TorchGraph, "run", small)
    engine = TorchEngine(BOX, "cpu", 400)
    squares = np.concatenate([pictures(140), pictures(140)[:2]])
    for ours, theirs in zip(engine.run(squares), expected(BOX, squares), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    most = 0
    with pytest.raises(ModelError, match="out of memory at one picture"):
        engine.run(squares)
