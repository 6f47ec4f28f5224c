"""Backbone checkpoints: timm's, transformers' (ViT, DINOv2) and the original JAX layout become one `ViT`.

Every key of a file is either used, or known and named here as not part of the network; anything else is an error.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError  # NumPy reads some headers as Python
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from transhash.errors import ModelError
from transhash.nn.vit import ViT, ViTConfig

State = dict[str, Tensor]

_SUFFIXES = (".safetensors", ".npz", ".onnx")  # files that hold numbers and no code
SETTINGS = ("num_attention_heads", "layer_norm_eps")  # what the tensors do not tell, under transformers' names
_AXES = {"cls_token": 3, "pos_embed": 3, "patch_embed.proj.weight": 4}  # what tells a vision transformer's shape

# parts of published checkpoints that a backbone without a head does not have
_DROPPED = re.compile(
    r"^(head|fc_norm|pre_logits|head_dist|classifier|pooler|decoder|lm_head)\b|mask_token$|^pre_logits/|^head/"
)

_TRANSFORMERS = [
    (r"^(vit|dinov2|backbone|model)\.", ""),
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^(?:encoder\.)?layers?\.(\d+)\.", r"blocks.\1."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.q_proj\.", ".attn.query."),
    (r"\.attention\.k_proj\.", ".attn.key."),
    (r"\.attention\.v_proj\.", ".attn.value."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"^(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"^layernorm\.", "norm."),
]


def load_vit(source: str | Path, *, image_size: int | None = None, heads: int | None = None) -> ViT:
    """A `ViT` from a file (`.safetensors`, `.npz`, `.onnx`), a folder as on the Hugging Face hub, or a hub id.

    `image_size` (pixels; the checkpoint's own by default) resizes the position embedding to that grid. The number of
    attention heads is read from the checkpoint's settings where it has them, else width/64; `heads` overrules both.
    Raises `ModelError` when the source is missing, damaged, in no known layout, or has missing or unexpected keys.
    """
    state, settings = _read(source)
    state, found_heads, eps = _to_timm(state)
    if not _AXES.keys() <= state.keys():
        raise ModelError(
            f"{source}: no vision transformer in a known layout (timm's, transformers' ViT or DINOv2, the JAX .npz); "
            f"its keys begin with {', '.join(sorted(state)[:3]) or 'nothing'}"
        )
    for key, axes in _AXES.items():
        if state[key].ndim != axes or not state[key].numel():
            raise ModelError(
                f"{source}: {key} has the shape {tuple(state[key].shape)}, which is not that of a vision transformer"
            )
    dim = state["cls_token"].shape[-1]
    patch = state["patch_embed.proj.weight"].shape[-1]
    depth = len({m[1] for key in state if (m := re.match(r"blocks\.(\d+)\.", key))})
    grid = round((state["pos_embed"].shape[1] - 1) ** 0.5)
    hidden = state.get("blocks.0.mlp.fc1.bias")
    heads = heads or int(settings.get("num_attention_heads", 0)) or found_heads or max(1, dim // 64)
    if depth < 2 or heads < 0 or dim % heads or grid < 1 or grid**2 + 1 != state["pos_embed"].shape[1]:
        raise ModelError(
            f"{source}: a transformer of width {dim}, {heads} heads, {depth} blocks and "
            f"{state['pos_embed'].shape[1]} positions is not a plain ViT with a CLS token and a square grid"
        )
    config = ViTConfig(
        image_size=grid * patch,
        patch_size=patch,
        dim=dim,
        depth=depth,
        heads=heads,
        mlp_dim=4 * dim if hidden is None else hidden.numel(),
        layer_scale="blocks.0.ls1.gamma" in state,
        norm_eps=settings.get("layer_norm_eps") or eps,
    )
    if image_size is not None and image_size != config.image_size:
        if image_size < patch or image_size % patch:
            raise ModelError(f"{source}: image size {image_size} is not a multiple of the patch size {patch}")
        config = replace(config, image_size=image_size)
        state["pos_embed"] = resize_positions(state["pos_embed"], config.grid)
    vit = ViT(config)
    expected = set(vit.state_dict())
    if state.keys() != expected:
        raise ModelError(f"{source}: {_differences(expected - state.keys(), state.keys() - expected)}")
    wrong = [key for key, value in vit.state_dict().items() if value.shape != state[key].shape]
    if wrong:
        raise ModelError(
            f"{source}: {wrong[0]} has the shape {tuple(state[wrong[0]].shape)}, which does not fit the rest"
        )
    vit.load_state_dict(state)
    return vit


def whole_patches(source: str | Path, near: int = 70) -> int:
    """Return a side in pixels for a network's input: the first of `near` or more that the checkpoint's patches divide.

    Raises `ModelError` as `load_vit`.
    """
    patch = load_vit(source).config.patch_size
    return -(-near // patch) * patch


def resize_positions(pos_embed: Tensor, grid: int) -> Tensor:
    """Position embedding (1, 1 + M, D) resized to `grid`² patches (bicubic, as DINOv2 does); CLS is kept."""
    cls, patches = pos_embed[:, :1], pos_embed[:, 1:]
    old = round(patches.shape[1] ** 0.5)
    patches = patches.unflatten(1, (old, old)).permute(0, 3, 1, 2)  # (1, D, old, old)
    patches = F.interpolate(patches, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([cls, patches.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def _differences(missing: set[str], unexpected: set[str]) -> str:
    parts = []
    for what, keys in (("missing", missing), ("unexpected", unexpected)):
        if keys:
            parts.append(f"{len(keys)} {what} keys ({', '.join(sorted(keys)[:3])}{', …' if len(keys) > 3 else ''})")
    return " and ".join(parts) + "; the file is not a plain ViT, or not a whole one"


def _read(source: str | Path) -> tuple[State, dict[str, float]]:
    """The tensors of a checkpoint and, where there are any, the settings beside it."""
    path = Path(source)
    if not path.exists() and path.suffix not in _SUFFIXES and re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        path = _download(str(source))
    settings = {}
    if path.is_dir():
        settings = _read_settings(path / "config.json")
        path = path / "model.safetensors"
    if not path.is_file():
        raise ModelError(
            f"{path}: no such checkpoint; give a .safetensors, .npz or .onnx file, a folder with model.safetensors, or "
            "a hub id"
        )
    if path.suffix not in _SUFFIXES:
        raise ModelError(
            f"{path}: files of the kind {path.suffix or 'without suffix'} are not read, since they may run code when "
            "opened; use the checkpoint's .safetensors (or .npz, .onnx)"
        )
    if path.suffix == ".safetensors":
        state, metadata = _read_safetensors(path)
        return state, {**_positive(path, {name: metadata[name] for name in SETTINGS if name in metadata}), **settings}
    return {".npz": _read_npz, ".onnx": _read_onnx}[path.suffix](path), settings


def _read_settings(path: Path) -> dict[str, float]:
    """What a hub's `config.json` tells that the tensors do not: the number of heads and the epsilon of the norms."""
    if not path.is_file():
        return {}
    try:
        settings = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not the settings of a checkpoint ({error}); download it again") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{path}: not the settings of a checkpoint; download it again")
    if settings.get("hidden_act", "gelu") != "gelu":
        raise ModelError(f"{path}: the network computes with {settings['hidden_act']}; only gelu is known here")
    return _positive(path, {name: settings[name] for name in SETTINGS if settings.get(name) is not None})


def _positive(path: Path, settings: dict[str, Any]) -> dict[str, float]:
    """Settings as numbers; safetensors keeps its metadata as text."""
    found = {}
    for name, value in settings.items():
        try:
            number = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if not isinstance(number, int | float) or not number > 0:
            raise ModelError(f"{path}: {name} is {value!r}, not a positive number; correct it")
        found[name] = number
    return found


def _read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    """The tensors of a file and its metadata."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key).float() for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a whole safetensors file ({error}); download it again") from error


def _read_npz(path: Path) -> State:
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise ModelError(f"{path}: a single array, not an archive of them; give the .npz of the whole network")
        with arrays:
            return {key: torch.from_numpy(arrays[key].astype(np.float32)) for key in arrays.files}
    except (OSError, EOFError, ValueError, RuntimeError, TokenError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"{path}: not a whole .npz archive of numbers ({error}); download it again") from error


def _download(name: str) -> Path:
    """The files of a hub repository that a backbone needs, in the local cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=["config.json", "model.safetensors"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"{name}: neither a local path nor available from the hub ({type(error).__name__}); "
            "check the name and the connection, or give a local file"
        ) from error


def _read_onnx(path: Path) -> State:
    """The initialisers of an exported DINOv2; linear weights lose their names in export, the order restores them."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import numpy_helper

    try:
        graph = onnx.load(path).graph
        values = {i.name: torch.from_numpy(numpy_helper.to_array(i).astype(np.float32)) for i in graph.initializer}
        state = {name: value for name, value in values.items() if not name.startswith("onnx::")}
    except (DecodeError, onnx.checker.ValidationError, OSError, KeyError, TypeError, ValueError) as error:
        # KeyError: a type that does not exist; TypeError: a name that is not UTF-8
        raise ModelError(
            f"{path}: not a whole ONNX graph ({' '.join(str(error).split())}); download it again"
        ) from error
    names = ["attention.attention.key", "attention.attention.value", "attention.attention.query"]
    names += ["attention.output.dense", "mlp.fc1", "mlp.fc2"]
    weights = [x for node in graph.node if node.op_type == "MatMul" for x in node.input[1:2] if x in values]
    layers = {key.partition("encoder.layer.")[2].partition(".")[0] for key in state if "encoder.layer." in key}
    if not layers or len(weights) != len(layers) * len(names):
        raise ModelError(f"{path}: {len(weights)} anonymous weights for {len(layers)} blocks; not an exported DINOv2")
    prefix = next(key for key in state if "encoder.layer." in key).partition("encoder.layer.")[0]
    for i, weight in enumerate(weights):
        layer, place = divmod(i, len(names))
        state[f"{prefix}encoder.layer.{layer}.{names[place]}.weight"] = values[weight].T.contiguous()
    return state


def _to_timm(state: State) -> tuple[State, int | None, float]:
    """Rename to timm's keys; the number of heads where the layout tells it, and the layout's epsilon."""
    heads, eps = None, 1e-6
    if any(key.startswith("Transformer/") for key in state):
        state, heads = _from_jax(state)
    elif any("embeddings.patch_embeddings." in key for key in state):
        eps = 1e-6 if any("layer_scale1" in key for key in state) else 1e-12
        state = _from_transformers(state)
    return {key: value for key, value in state.items() if not _DROPPED.search(key)}, heads, eps


def _from_transformers(state: State) -> State:
    renamed: State = {}
    for key, value in state.items():
        for pattern, replacement in _TRANSFORMERS:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    return _joined(renamed)


def _joined(state: State) -> State:
    """Query, key and value become one matrix, where all three are there and fit."""
    for key in [key for key in state if ".attn.query." in key]:
        keys = [key.replace(".query.", f".{name}.") for name in ("query", "key", "value")]
        if all(k in state and state[k].ndim and state[k].shape == state[key].shape for k in keys):
            state[key.replace(".query.", ".qkv.")] = torch.cat([state.pop(k) for k in keys])
    return state


def _from_jax(state: State) -> tuple[State, int | None]:
    """The layout of google-research/vision_transformer; kernels are stored input-first, those of attention by head."""
    heads = next((v.shape[1] for k, v in state.items() if k.endswith("/query/kernel") and v.ndim == 3), None)
    renamed: State = {}
    for key, value in state.items():
        block = re.match(r"Transformer/encoderblock_(\d+)/(.*)", key)
        if block:
            name = block[2]
            name = re.sub(r"^LayerNorm_0/", "norm1.", name)
            name = re.sub(r"^LayerNorm_2/", "norm2.", name)
            name = re.sub(r"^MlpBlock_3/Dense_(\d)/", lambda m: f"mlp.fc{int(m[1]) + 1}.", name)
            name = re.sub(r"^MultiHeadDotProductAttention_1/(query|key|value)/", r"attn.\1.", name)
            name = re.sub(r"^MultiHeadDotProductAttention_1/out/", "attn.proj.", name)
            key = f"blocks.{block[1]}.{name}"
            if name.endswith("kernel") and value.ndim == 3:
                value = value.flatten(0, 1) if name.startswith("attn.proj.") else value.flatten(1)
            elif name.startswith("attn.") and name.endswith("bias"):
                value = value.flatten()
        key = key.replace("Transformer/posembed_input/pos_embedding", "pos_embed")
        key = key.replace("Transformer/encoder_norm/", "norm.").replace("embedding/", "patch_embed.proj.")
        key = "cls_token" if key == "cls" else key
        if key == "patch_embed.proj.kernel" and value.ndim == 4:
            value = value.permute(3, 2, 0, 1)
        elif key.endswith("kernel") and value.ndim == 2:
            value = value.T
        key = re.sub(r"\.(kernel|scale)$", ".weight", key)
        renamed[key] = value.contiguous()
    return _joined(renamed), heads
