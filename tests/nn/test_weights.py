"""Checkpoints in every layout people have, against transformers' own networks."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model, ViTModel
from transformers import ViTConfig as HubViTConfig

from transhash.nn.preprocessing import MEAN, STD
from transhash.nn.vit import ViT, ViTConfig
from transhash.nn.weights import load_vit, resize_positions

SHAPE = ViTConfig(image_size=28, patch_size=7, dim=32, depth=2, heads=4, mlp_dim=48)


def randomise(network: torch.nn.Module) -> None:
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)


HUB_SHAPE = {
    "image_size": 28,
    "patch_size": 7,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def hub_vit(**changes: object) -> ViTModel:
    network = ViTModel(HubViTConfig(**{**HUB_SHAPE, "intermediate_size": 48, **changes})).eval()
    randomise(network)
    return network


def hub_dinov2(**changes: object) -> Dinov2Model:
    network = Dinov2Model(Dinov2Config(**{**HUB_SHAPE, "mlp_ratio": 2, **changes})).eval()
    randomise(network)
    return network


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def assert_same(vit: ViT, hub: torch.nn.Module, images: torch.Tensor) -> None:
    torch.testing.assert_close(vit(images), hub(images).last_hidden_state, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"patch_size": 14, "hidden_size": 48, "num_attention_heads": 2, "num_hidden_layers": 3},
        {"patch_size": 4, "hidden_size": 64, "num_attention_heads": 16},
        {"layer_norm_eps": 0.01},
    ],
)
@pytest.mark.parametrize("make", [hub_vit, hub_dinov2])
def test_equals_transformers(make, shape: dict[str, object], images: torch.Tensor, tmp_path: Path) -> None:
    hub = make(**shape)
    hub.save_pretrained(tmp_path)
    assert_same(load_vit(tmp_path), hub, images)


def classic_name(key: str) -> str:
    """The names under which most checkpoints on the hub are stored."""
    key = re.sub(r"^(encoder\.layer|layers)\.", "encoder.layer.", key)
    for new, old in (("q", "query"), ("k", "key"), ("v", "value")):
        key = key.replace(f"attention.{new}_proj", f"attention.attention.{old}")
    return key.replace("attention.o_proj", "attention.output.dense")


@pytest.mark.parametrize(("make", "prefix"), [(hub_vit, "vit."), (hub_dinov2, "dinov2."), (hub_dinov2, "")])
def test_equals_transformers_under_the_classic_names(make, prefix: str, images: torch.Tensor, tmp_path: Path) -> None:
    hub = make()
    state = {prefix + classic_name(key): value.contiguous() for key, value in hub.state_dict().items()}
    if make is hub_vit:
        for old, new in ((".mlp.fc1.", ".intermediate.dense."), (".mlp.fc2.", ".output.dense.")):
            state = {key.replace(old, new): value for key, value in state.items()}
    state["classifier.weight"] = torch.zeros(10, 32)
    state[f"{prefix}pooler.dense.weight"] = torch.zeros(32, 32)
    save_file(state, tmp_path / "model.safetensors")
    assert_same(load_vit(tmp_path / "model.safetensors", heads=4), hub, images)


def test_positions_at_another_size_equal_transformers(tmp_path: Path) -> None:
    hub = hub_dinov2()
    hub.save_pretrained(tmp_path)
    images = torch.randn(2, 3, 42, 42, generator=torch.Generator().manual_seed(2))
    vit = load_vit(tmp_path, image_size=42)
    assert vit.config.grid == 6
    assert_same(vit, hub, images)


def test_positions_at_their_own_size_do_not_change() -> None:
    positions = torch.randn(1, 17, 8)
    torch.testing.assert_close(resize_positions(positions, 4), positions, rtol=0, atol=1e-6)


def plain_vit(config: ViTConfig = SHAPE) -> ViT:
    vit = ViT(config).eval()
    randomise(vit)
    return vit


def test_timm_names_load_as_they_are(images: torch.Tensor, tmp_path: Path) -> None:
    vit = plain_vit(replace(SHAPE, layer_scale=True))
    save_file({**vit.state_dict(), "head.weight": torch.zeros(5, 32)}, tmp_path / "vit.safetensors")
    loaded = load_vit(tmp_path / "vit.safetensors", heads=4)
    assert loaded.config == vit.config
    torch.testing.assert_close(loaded(images), vit(images))


def test_the_original_npz(images: torch.Tensor, tmp_path: Path) -> None:
    vit = plain_vit()
    state = {name: value.numpy() for name, value in vit.state_dict().items()}
    arrays = {
        "cls": state["cls_token"],
        "Transformer/posembed_input/pos_embedding": state["pos_embed"],
        "embedding/kernel": state["patch_embed.proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        "Transformer/encoder_norm/scale": state["norm.weight"],
        "Transformer/encoder_norm/bias": state["norm.bias"],
        "head/kernel": np.zeros((32, 5), np.float32),
        "head/bias": np.zeros(5, np.float32),
        "pre_logits/kernel": np.zeros((32, 32), np.float32),
    }
    for i in range(2):
        block = f"Transformer/encoderblock_{i}"
        for number, norm in ((0, "norm1"), (2, "norm2")):
            arrays[f"{block}/LayerNorm_{number}/scale"] = state[f"blocks.{i}.{norm}.weight"]
            arrays[f"{block}/LayerNorm_{number}/bias"] = state[f"blocks.{i}.{norm}.bias"]
        for dense, name in ((0, "fc1"), (1, "fc2")):
            arrays[f"{block}/MlpBlock_3/Dense_{dense}/kernel"] = state[f"blocks.{i}.mlp.{name}.weight"].T
            arrays[f"{block}/MlpBlock_3/Dense_{dense}/bias"] = state[f"blocks.{i}.mlp.{name}.bias"]
        attention = f"{block}/MultiHeadDotProductAttention_1"
        kernels = np.split(state[f"blocks.{i}.attn.qkv.weight"], 3)
        biases = np.split(state[f"blocks.{i}.attn.qkv.bias"], 3)
        for name, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
            arrays[f"{attention}/{name}/kernel"] = kernel.T.reshape(32, 4, 8)
            arrays[f"{attention}/{name}/bias"] = bias.reshape(4, 8)
        arrays[f"{attention}/out/kernel"] = state[f"blocks.{i}.attn.proj.weight"].T.reshape(4, 8, 32)
        arrays[f"{attention}/out/bias"] = state[f"blocks.{i}.attn.proj.bias"]
    np.savez(tmp_path / "vit.npz", **arrays)
    loaded = load_vit(tmp_path / "vit.npz")
    assert loaded.config.heads == 4
    # those networks were trained on pixels of -1…1; here all read them as ImageNet's mean and deviation make them
    pixels = images * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    torch.testing.assert_close(loaded(images), vit(2 * pixels - 1), rtol=1e-4, atol=1e-4)


def test_an_exported_dinov2_whose_matrices_lost_their_names(images: torch.Tensor, tmp_path: Path) -> None:
    hub = hub_dinov2()
    state = {f"backbone.{classic_name(key)}": value for key, value in hub.state_dict().items()}
    places = ["attention.attention.key", "attention.attention.value", "attention.attention.query"]
    places += ["attention.output.dense", "mlp.fc1", "mlp.fc2"]
    initialisers, nodes = [], []
    for layer in range(2):
        for place in places:
            value = state.pop(f"backbone.encoder.layer.{layer}.{place}.weight")
            name = f"onnx::MatMul_{1000 + len(nodes)}"
            initialisers.append(numpy_helper.from_array(value.T.contiguous().numpy(), name))
            nodes.append(helper.make_node("MatMul", ["x", name], [f"y{len(nodes)}"]))
    initialisers += [numpy_helper.from_array(value.numpy(), name) for name, value in state.items()]
    initialisers.append(numpy_helper.from_array(np.zeros(3, np.float32), "decoder.bias"))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 32])
    y = helper.make_tensor_value_info("y0", TensorProto.FLOAT, ["N", 32])
    onnx.save(helper.make_model(helper.make_graph(nodes, "dinov2", [x], [y], initialisers)), tmp_path / "d.onnx")
    assert_same(load_vit(tmp_path / "d.onnx", heads=4), hub, images)


def test_a_hub_id_is_fetched(monkeypatch: pytest.MonkeyPatch, images: torch.Tensor, tmp_path: Path) -> None:
    import huggingface_hub

    hub = hub_vit()
    hub.save_pretrained(tmp_path)
    asked = []

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert_same(load_vit("someone/vit-tiny"), hub, images)
    [(name, patterns)] = asked
    assert name == "someone/vit-tiny"
    assert not any(pattern.endswith((".bin", ".pth")) or pattern == "*" for pattern in patterns)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "backbone.", "model.", "vit.", "module._orig_mod.model.", "teacher.backbone."]
)
def test_what_wrappers_put_before_the_names_is_left_out(prefix: str, images: torch.Tensor, tmp_path: Path) -> None:
    vit = plain_vit()
    state = {prefix + name: value for name, value in vit.state_dict().items()}
    state |= {"module.head.weight": torch.zeros(5, 32), f"{prefix}head.bias": torch.zeros(5)}
    save_file(state, tmp_path / "vit.safetensors")
    torch.testing.assert_close(load_vit(tmp_path / "vit.safetensors", heads=4)(images), vit(images))


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
def test_a_pytorch_file(wrap, images: torch.Tensor, tmp_path: Path) -> None:
    vit = plain_vit()
    torch.save({**wrap(vit.state_dict()), "args": argparse.Namespace(lr=0.1)}, tmp_path / "vit.pth")
    torch.testing.assert_close(load_vit(tmp_path / "vit.pth", heads=4)(images), vit(images))


def test_a_folder_of_several_files(images: torch.Tensor, tmp_path: Path) -> None:
    hub = hub_vit()
    hub.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert_same(load_vit(tmp_path), hub, images)
    assert_same(load_vit(tmp_path / "model.safetensors.index.json", heads=4), hub, images)


def test_of_moco_the_trained_network_is_taken_with_its_twelve_heads(tmp_path: Path) -> None:
    vit = plain_vit(replace(SHAPE, dim=48, heads=12))
    state = {f"module.base_encoder.{name}": value for name, value in vit.state_dict().items()}
    state |= {f"module.momentum_encoder.{name}": value for name, value in vit.state_dict().items()}
    state |= {"module.predictor.0.weight": torch.zeros(3, 3), "module.base_encoder.head.0.weight": torch.zeros(3, 3)}
    torch.save({"state_dict": state}, tmp_path / "vit-s.pth.tar")
    assert load_vit(tmp_path / "vit-s.pth.tar").config == vit.config


@pytest.mark.parametrize(
    ("config", "heads"),
    [
        ({"architecture": "vit_tiny_patch16_224"}, 3),
        ({"architecture": "vit_huge_patch14_clip_224"}, 16),
        ({"architecture": "vit_gigantic_patch14_224"}, 16),
        ({"architecture": "vit_tiny_patch16_224", "model_args": {"num_heads": 6}}, 6),
    ],
)
def test_heads_are_those_of_timms_config(config: dict[str, object], heads: int, tmp_path: Path) -> None:
    save_file(plain_vit(replace(SHAPE, dim=48, heads=heads)).state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_vit(tmp_path).config.heads == heads


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("config.json", {"num_heads": 4, "pretrained_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.2, 0.25]}}),
        ("preprocessor_config.json", {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.2, 0.25]}),
    ],
)
def test_a_network_trained_on_other_means_computes_the_same_of_our_pixels(
    file: str, settings: dict[str, object], images: torch.Tensor, tmp_path: Path
) -> None:
    vit = plain_vit()
    save_file(vit.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / file).write_text(json.dumps(settings))
    pixels = images * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ([0.5, 0.4, 0.3], [0.5, 0.2, 0.25]))
    loaded = load_vit(tmp_path, heads=4)
    torch.testing.assert_close(loaded(images), vit((pixels - mean) / std), rtol=1e-4, atol=1e-4)


def test_the_real_backbone(backbone_file: Path) -> None:
    vit = load_vit(backbone_file, image_size=70)
    assert vit.config == ViTConfig(70, 14, 384, 12, 6, 1536, layer_scale=True)
    assert load_file(backbone_file)["pos_embed"].shape == (1, 1 + 37**2, 384)
