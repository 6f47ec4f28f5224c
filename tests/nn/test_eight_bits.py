"""The exact graph: the network stays what it was, codes are about its own, and any arithmetic gives the same."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, load
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from safetensors.numpy import load_file
from torch import nn

from transhash.model import HashModel
from transhash.model.directory import GRAPH
from transhash.nn import eight_bits, tables
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.preprocessing import normalise
from transhash.nn.rounding import round_to_inputs, scales
from transhash.nn.vit import ViTConfig
from transhash.training.export import export_model, load_network

onnxruntime = import_module("onnxruntime")  # after transhash, which turns its usage data off

SIDE = 28


def network(*, groups: int = 2, layer_scale: bool = True) -> MGVT:
    torch.manual_seed(0)
    vit = ViTConfig(SIDE, patch_size=7, dim=32, depth=3, heads=4, mlp_dim=48, layer_scale=layer_scale)
    made = MGVT(HashConfig(vit, bits=32, groups=groups)).eval()
    for name, parameter in made.named_parameters():
        nn.init.normal_(parameter, std=0.3, mean=float("norm" in name and name.endswith("weight")))
    made.trunk.blocks[0].norm1.weight.data[3] = 40  # a channel of large values
    return made


def pictures(number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (number, SIDE, SIDE, 3), dtype=np.uint8)


class QGemm(OpRun):  # of ONNX Runtime's own domain, by numpy alone
    op_domain = "com.microsoft"

    def _run(self, a, a_scale, a_zero, b, b_scale, b_zero, c):  # type: ignore[no-untyped-def]
        sums = (a.astype(np.int64) - a_zero) @ (b.astype(np.int64) - b_zero) + c
        return (sums.astype(np.float32) * (a_scale * b_scale),)


def by_numpy(graph: ModelProto, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """What the operators' reference in onnx, other arithmetic than ONNX Runtime's, makes of the graph."""
    return ReferenceEvaluator(graph, new_ops=[QGemm]).run(None, {"images": images})


def by_runtime(folder: Path, images: NDArray[np.uint8], level: str, threads: int) -> list[NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(folder / GRAPH, options, providers=["CPUExecutionProvider"]).run(
        None, {"images": images}
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HashModel:
    return export_model(network(), tmp_path_factory.mktemp("model"), "tiny", {}, pictures=pictures(100))


def test_preparing_leaves_the_network_as_it_was() -> None:
    made = network()
    x = normalise(pictures(20, seed=1))
    with torch.no_grad():
        before = made(x)
        plan = eight_bits.prepare(made, pictures(100))
        after = made(x)
    torch.testing.assert_close(after, before, atol=2e-3, rtol=1e-3)
    assert made.trunk.blocks[0].norm1.weight.abs().max() < 20  # of 40
    assert len(plan.steps) == len(plan.weights) == 2 * 4


@pytest.mark.parametrize("groups", [0, 2])
@pytest.mark.parametrize("layer_scale", [False, True])
def test_codes_are_about_those_of_the_network(groups: int, layer_scale: bool, tmp_path: Path) -> None:
    made = network(groups=groups, layer_scale=layer_scale)
    exported = export_model(made, tmp_path, "tiny", {}, pictures=pictures(100))
    images = pictures(100, seed=1)
    with torch.no_grad():
        h = made(normalise(images)).numpy()
        stored = load_network(tmp_path)(normalise(images)).numpy()
    assert ((exported.values(images) > 0) != (h > 0)).mean() < 0.04
    assert ((exported.values(images) > 0) != (stored > 0)).mean() < 0.04


def test_arithmetic_in_another_order_gives_the_same_values(model: HashModel) -> None:
    images = pictures(20, seed=1)
    wanted = by_numpy(load(model.folder / GRAPH), images)
    for level in ("ORT_ENABLE_ALL", "ORT_DISABLE_ALL"):
        for threads in (1, 2):
            for got, want in zip(by_runtime(model.folder, images, level, threads), wanted, strict=True):
                np.testing.assert_array_equal(got, want)


def test_a_code_does_not_depend_on_its_batch(model: HashModel) -> None:
    images = pictures(33, seed=1)
    together = np.concatenate([[row.values for row in batch] for batch in model.stream(images, batch_size=32)])
    alone = np.concatenate([model.values([image]) for image in images])
    np.testing.assert_array_equal(together, alone)


def test_sums_of_two_products_fit_into_16_bits(model: HashModel) -> None:
    """Processors without instructions for it add them so; more would be cut off there, and codes differ."""
    stored = load_file(model.folder / "model.safetensors")
    layers = eight_bits.eight_bit_layers(network())
    largest = max(int(np.abs(stored[f"{name}.weight"].astype(int)).max()) for name in layers)
    assert 2 * 255 * largest < 2**15


def test_no_exponential_on_the_grid_is_near_the_middle_between_steps() -> None:
    unit = 2.0**-tables.EXP_GRID
    x = tables.EXP_SHIFT - unit * np.arange(20 / unit)
    steps = np.exp(x) / tables.EXP_STEP
    assert (np.abs(steps - np.floor(steps) - 0.5) > 4e-6 * steps).all()


@pytest.mark.parametrize("scale", [0.004, 0.03, 0.2])
def test_gelu_on_the_grid_is_rounded_alike_with_a_small_error(scale: float) -> None:
    x = np.arange(-20, 20, 2.0**-tables.GELU_GRID)
    safe = tables.gelu_scale(scale)
    y = tables.gelu(x)
    assert scale <= safe < 1.1 * scale
    for sign in (-1, 1):
        np.testing.assert_array_equal(np.rint((y + sign * 4e-7 * np.abs(x)) / safe), np.rint(y / safe))


def test_weights_are_rounded_so_that_outputs_change_less_than_by_the_nearest() -> None:
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(24, 24, generator=generator)
    inputs = torch.randn(500, 24, generator=generator) @ mixed
    weight = torch.randn(16, 24, generator=generator)
    scale = scales(weight, 7)[:, None]
    nearest = (weight / scale).round()
    rounded = round_to_inputs(weight, inputs, 0.0, 7)
    error = [(inputs @ (w * scale - weight).T).square().mean() for w in (nearest, rounded.float())]
    assert error[1] < 0.8 * error[0]
    assert rounded.dtype == torch.int8
    assert rounded.abs().max() <= 7
