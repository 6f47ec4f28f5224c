"""Products of 8-bit integers: the network stays what it was, and the graph computes it with its inputs rounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

from transhash.data.augment import normalise
from transhash.model import HashModel
from transhash.nn import eight_bits
from transhash.nn.eight_bits import Steps
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig
from transhash.training.export import export_model, load_network

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


def rounded(x: Tensor, steps: Steps) -> Tensor:
    return (((x / steps.scale).round() + steps.zero).clamp(0, 255) - steps.zero) * steps.scale


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HashModel:
    return export_model(network(), tmp_path_factory.mktemp("model"), "tiny", {}, pictures=pictures(100))


def test_evening_out_channels_leaves_the_network_as_it_was() -> None:
    made = network()
    x = normalise(pictures(20, seed=1))
    with torch.no_grad():
        before = made(x)
        steps = eight_bits.prepare(made, pictures(100))
        after = made(x)
    torch.testing.assert_close(after, before, atol=2e-3, rtol=1e-3)
    assert made.trunk.blocks[0].norm1.weight.abs().max() < 20  # of 40
    assert len(steps) == 2 * 4 + 2


@pytest.mark.parametrize("groups", [0, 2])
@pytest.mark.parametrize("layer_scale", [False, True])
def test_the_graph_is_the_network_with_its_inputs_rounded(groups: int, layer_scale: bool, tmp_path: Path) -> None:
    made = network(groups=groups, layer_scale=layer_scale)
    steps = eight_bits.prepare(network(groups=groups, layer_scale=layer_scale), pictures(100))
    exported = export_model(made, tmp_path, "tiny", {}, pictures=pictures(100))
    twin = load_network(tmp_path)
    layers = dict(twin.named_modules())
    for name, step in steps.items():
        if name.endswith("qkv"):  # read by the streams without a call of the layer
            norm = layers[name.replace("attn.qkv", "norm1")]
            norm.register_forward_hook(lambda _, __, y, step=step: rounded(y, step))
        else:
            layers[name].register_forward_pre_hook(lambda _, x, step=step: (rounded(x[0], step),))
    images = pictures(40, seed=1)
    with torch.no_grad():
        wanted = twin(normalise(images)).numpy()
    off = np.abs(exported.values(images) - wanted) / wanted.std()
    assert np.quantile(off, 0.9) < 1e-3  # a value halfway between two steps may be rounded either way
    assert off.max() < 0.1


def test_codes_are_about_those_of_the_network(model: HashModel) -> None:
    images = pictures(100, seed=1)
    with torch.no_grad():
        h = network()(normalise(images)).numpy()
    assert ((model.values(images) > 0) != (h > 0)).mean() < 0.04


def test_a_model_tells_how_far_rounding_moves_its_values(model: HashModel, tmp_path: Path) -> None:
    images = pictures(100)
    with torch.no_grad():
        wanted = load_network(model.folder)(normalise(images)).numpy()
    off = np.abs(model.read(images) - wanted).max()
    assert model.rounding == pytest.approx(off / np.sqrt(np.mean(wanted**2)), rel=0.01)
    assert export_model(network(), tmp_path, "tiny", {}).rounding == 0


def test_a_code_does_not_depend_on_its_batch(model: HashModel) -> None:
    images = pictures(33, seed=1)
    together = np.concatenate([[row.values for row in batch] for batch in model.stream(images, batch_size=32)])
    alone = np.concatenate([model.values([image]) for image in images])
    np.testing.assert_array_equal(together, alone)


def test_sums_of_two_products_fit_into_16_bits(model: HashModel) -> None:
    """Processors without instructions for it add them so; more would be cut off there, and codes differ."""
    stored = load_file(model.folder / "model.safetensors")
    steps = eight_bits.prepare(network(), pictures(100))
    largest = max(int(np.abs(stored[f"{name}.weight"].astype(int)).max()) for name in steps)
    assert 2 * 255 * largest < 2**15
