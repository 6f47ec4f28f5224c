"""Checkpoints that are damaged, missing or of something else: one sentence each, and no file is taken half."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file

from transhash.errors import ModelError
from transhash.nn.vit import ViT, ViTConfig
from transhash.nn.weights import State, load_vit

SHAPE = ViTConfig(image_size=28, patch_size=7, dim=32, depth=2, heads=4, mlp_dim=48)


@pytest.fixture
def state() -> State:
    return dict(ViT(SHAPE).state_dict())


def assert_refused(source: str | Path, words: str, **settings: int) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        load_vit(source, **settings)
    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert_refused("someone/vit-tiny", "someone/vit-tiny: neither a local path nor available")


def test_a_name_that_no_hub_allows_is_one_sentence() -> None:
    assert_refused("some--one/vit", "some--one/vit: neither a local path nor available")


def test_a_missing_file_is_not_looked_for_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: pytest.fail("asked the hub"))
    assert_refused("backbones/vit.safetensors", "no such checkpoint")


def drop(state: State) -> None:
    del state["blocks.1.mlp.fc2.bias"]


def drop_block(state: State) -> None:
    for key in [key for key in state if key.startswith("blocks.0.")]:
        del state[key]


def clear(state: State) -> None:
    state.clear()
    state["weight"] = torch.zeros(1)


def put(name: str, *shape: int) -> Callable[[State], None]:
    def change(state: State) -> None:
        state[name] = torch.zeros(shape)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop, r"1 missing keys \(blocks.1.mlp.fc2.bias\)"),
        (drop_block, "not a plain ViT"),
        (clear, "no vision transformer in a known layout"),
        (put("register_tokens", 1, 4, 32), r"1 unexpected keys \(register_tokens\)"),
        (put("blocks.999999999.norm1.bias", 32), r"unexpected keys \(blocks.999999999.norm1.bias\)"),
        (put("blocks.1.mlp.fc2.bias", 7), "blocks.1.mlp.fc2.bias has the shape"),
        (put("blocks.0.mlp.fc1.weight"), "blocks.0.mlp.fc1.weight has the shape"),
        (put("cls_token"), "cls_token has the shape"),
        (put("cls_token", 1, 1, 0), "cls_token has the shape"),
        (put("pos_embed", 17), "pos_embed has the shape"),
        (put("pos_embed", 1, 17), "pos_embed has the shape"),
        (put("pos_embed", 1, 17, 8), "pos_embed has the shape"),
        (put("pos_embed", 1, 1, 32), "1 positions is not"),
        (put("pos_embed", 1, 18, 32), "18 positions is not"),
        (put("patch_embed.proj.weight"), "patch_embed.proj.weight has the shape"),
        (put("patch_embed.proj.weight", 32, 1, 7, 7), "patch_embed.proj.weight has the shape"),
        (put("patch_embed.proj.weight", 32, 3, 0, 0), "patch_embed.proj.weight has the shape"),
    ],
)
@pytest.mark.parametrize("image_size", [None, 42])
def test_every_tensor_is_accounted_for(change, words: str, image_size: int, state: State, tmp_path: Path) -> None:
    change(state)
    save_file(state, tmp_path / "vit.safetensors")
    assert_refused(tmp_path / "vit.safetensors", words, heads=4, image_size=image_size)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"image_size": 30}, "not a multiple"), ({"image_size": 0}, "not a multiple"), ({"heads": 5}, "5 heads")],
)
def test_settings_that_do_not_fit(settings: dict[str, int], words: str, state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "vit.safetensors")
    assert_refused(tmp_path / "vit.safetensors", words, **{"heads": 4, **settings})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "not the settings"),
        ("[]", "not the settings"),
        (b"\xff\xfe", "not the settings"),
        ({"num_attention_heads": "four"}, "num_attention_heads is 'four'"),
        ({"num_attention_heads": -4}, "num_attention_heads is -4"),
        ({"num_attention_heads": 4, "layer_norm_eps": "small"}, "layer_norm_eps is 'small'"),
        ({"num_attention_heads": 4, "hidden_act": "quick_gelu"}, "quick_gelu"),
        ({"num_attention_heads": True}, "num_attention_heads is True"),
        ({"pretrained_cfg": {"mean": [0.5, 0.5]}}, "mean of the pixels"),
        ({"image_std": [0.5, 0.5, 0]}, "std of the pixels"),
    ],
)
def test_a_folder_whose_config_is_not_one(config, words: str, state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "model.safetensors")
    data = json.dumps(config) if isinstance(config, dict) else config
    (tmp_path / "config.json").write_bytes(data if isinstance(data, bytes) else data.encode())
    assert_refused(tmp_path, f"config.json: .*{words}")


def test_a_folder_without_a_file_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(b"")
    assert_refused(tmp_path, "folder with model.safetensors")
    (tmp_path / "vit.h5").write_bytes(b"")
    assert_refused(tmp_path / "vit.h5", "a format that is not read")


class Runs:
    """An object whose unpickling leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_files_that_would_run_code_are_refused_and_run_none(state: State, tmp_path: Path) -> None:
    for name in ("vit.pth", "vit.pt", "vit.bin", "vit.pth.tar"):
        torch.save({"state_dict": state, "hook": Runs(tmp_path / "ran")}, tmp_path / name)
        assert_refused(tmp_path / name, "might run code")
    assert not (tmp_path / "ran").exists()
    np.savez(tmp_path / "objects.npz", cls=np.array([{}], dtype=object))
    assert_refused(tmp_path / "objects.npz", "not a whole .npz")


@pytest.mark.parametrize("content", [[1, 2], {"a": 3}, torch.zeros(3)])
def test_a_pytorch_file_without_a_network_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "vit.pth")
    assert_refused(tmp_path / "vit.pth", "no state_dict|no vision transformer")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(value: float, state: State, tmp_path: Path) -> None:
    state["blocks.1.mlp.fc1.bias"][3] = value
    save_file(state, tmp_path / "vit.safetensors")
    assert_refused(tmp_path / "vit.safetensors", "blocks.1.mlp.fc1.bias has values that are not finite", heads=4)


def test_heads_are_not_guessed_from_a_width_that_no_one_agrees_on(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "vit.safetensors")
    assert_refused(tmp_path / "vit.safetensors", r"attention heads this network of width 32 has.*--heads")


def sharded(folder: Path, state: State, **changes: str) -> Path:
    """A checkpoint in two files and an index; `changes`: the file of some tensors, as the index has it."""
    parts = {"one.safetensors": {}, "two.safetensors": {}}
    for number, (key, value) in enumerate(state.items()):
        list(parts.values())[number % 2][key] = value
    for name, part in parts.items():
        save_file(part, folder / name)
    files = {key: name for name, part in parts.items() for key in part}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {**files, **changes}}))
    return index


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cls_token": "../secret.safetensors"}, "not in the same folder"),
        ({"cls_token": "three.safetensors"}, "three.safetensors, which is not in the same folder"),
        ({"more": "one.safetensors"}, "one.safetensors: has no tensor more"),
    ],
)
def test_an_index_that_names_what_is_not_there(
    changes: dict[str, str], words: str, state: State, tmp_path: Path
) -> None:
    sharded(tmp_path, state, **changes)
    assert_refused(tmp_path, words, heads=4)


def test_an_index_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert_refused(tmp_path, "says of no tensor")


def jax(state: State) -> dict[str, np.ndarray]:
    """A JAX checkpoint of which only an attention is there."""
    block = "Transformer/encoderblock_0/MultiHeadDotProductAttention_1"
    return {
        "cls": state["cls_token"].numpy(),
        "embedding/kernel": np.zeros((7, 7, 3, 32), np.float32),
        "Transformer/posembed_input/pos_embedding": state["pos_embed"].numpy(),
        "Transformer/encoderblock_1/LayerNorm_0/scale": np.zeros(32, np.float32),
        f"{block}/query/kernel": np.zeros((32, 4, 8), np.float32),
        f"{block}/key/kernel": np.zeros((30, 4, 8), np.float32),
        f"{block}/out/kernel": np.zeros((4, 8, 30), np.float32),
    }


def test_an_npz_with_parts_missing_and_misshapen(state: State, tmp_path: Path) -> None:
    np.savez(tmp_path / "part.npz", **jax(state))
    assert_refused(tmp_path / "part.npz", r"missing keys .* unexpected keys \(blocks.0.attn.key.weight")


def save_graph(path: Path, *initialisers: TensorProto, matrices: int = 0) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "xy")
    nodes = [helper.make_node("MatMul", ["x", "w"], [f"y{i}"]) for i in range(matrices)]
    nodes.append(helper.make_node("Relu", ["x"], ["y"]))
    onnx.save(helper.make_model(helper.make_graph(nodes, "graph", [x], [y], initialisers)), path)


def test_graphs_of_something_else(tmp_path: Path) -> None:
    save_graph(tmp_path / "relu.onnx")
    assert_refused(tmp_path / "relu.onnx", "0 anonymous weights for 0 blocks")
    matrix = helper.make_tensor("w", TensorProto.FLOAT, [1, 1], [1.0])
    save_graph(tmp_path / "matrix.onnx", matrix, matrices=1)
    assert_refused(tmp_path / "matrix.onnx", "1 anonymous weights for 0 blocks")
    elsewhere = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    elsewhere.external_data.add(key="location", value="gone.bin")
    save_graph(tmp_path / "elsewhere.onnx", elsewhere)
    assert_refused(tmp_path / "elsewhere.onnx", "not a whole ONNX graph")


@pytest.mark.parametrize("suffix", ["safetensors", "npz", "onnx", "pth"])
def test_a_file_cut_anywhere_is_refused(suffix: str, state: State, tmp_path: Path) -> None:
    path = tmp_path / f"vit.{suffix}"
    if suffix == "safetensors":
        save_file(state, path)
    elif suffix == "npz":
        np.savez_compressed(path, **jax(state))
    elif suffix == "pth":
        torch.save(state, path)
    else:
        save_graph(path, helper.make_tensor("w", TensorProto.FLOAT, [1000], np.zeros(1000)))
    whole = path.read_bytes()
    for share in (0, 0.001, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        assert_refused(path, "not a whole|no vision transformer|not an exported DINOv2", heads=4)


def test_an_npz_with_a_damaged_member_is_refused(state: State, tmp_path: Path) -> None:
    path = tmp_path / "vit.npz"
    np.savez(path, **jax(state))
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("embedding/kernel.npy").header_offset
    content = bytearray(path.read_bytes())
    content[start + 1000] ^= 1
    path.write_bytes(content)
    assert_refused(path, "not a whole .npz")


def test_a_single_array_is_not_an_archive(tmp_path: Path) -> None:
    with (tmp_path / "vit.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert_refused(tmp_path / "vit.npz", "a single array")
