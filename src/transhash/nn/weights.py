"""Backbone checkpoints: timm's, transformers' (ViT, DINOv2) and the original JAX layout become one `ViT`.

Every key of a file is either used, or known and named here as not part of the network; anything else is an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from transhash.errors import ModelError
from transhash.nn.checkpoints import Settings, State, read
from transhash.nn.preprocessing import MEAN, STD
from transhash.nn.vit import ViT, ViTConfig

__all__ = ["State", "load_vit", "resize_positions"]

_HEADS = {192: 3, 384: 6, 768: 12, 1024: 16}  # of the widths whose published networks (ViT, DINO, MAE) agree
_MOCO_HEADS = 12  # MoCo v3's networks, of width 384 too
_HALF = (0.5, 0.5, 0.5)  # mean and deviation of the pixels that the JAX checkpoints were trained on
_AXES = {"cls_token": 3, "pos_embed": 3, "patch_embed.proj.weight": 4}  # what tells a vision transformer's shape

# parts of published checkpoints that a backbone without a head does not have
_DROPPED = re.compile(
    r"^(head|fc_norm|pre_logits|head_dist|classifier|pooler|decoder|lm_head|predictor|momentum_encoder|student)\b"
    r"|mask_token$|^pre_logits/|^head/"
)
# what DataParallel, torch.compile and training code put before the names
_WRAPPERS = re.compile(r"^(?:(?:module|_orig_mod|backbone|model|vit|dinov2|base_encoder|teacher)\.)+")

_TRANSFORMERS = [
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
    """A `ViT` from a file (`.safetensors`, `.pth`, `.npz`, `.onnx`), a folder as on the Hugging Face hub, or a hub id.

    `image_size` (pixels; the checkpoint's own by default) resizes the position embedding to that grid. The number of
    attention heads is read from the checkpoint's settings where it has them; `heads` overrules them. Where a checkpoint
    was trained on pixels of another mean and deviation than ImageNet's, its first layer takes up the difference: the
    network that is returned reads pixels as all networks here do (`preprocessing.normalise`).
    Raises `ModelError` when the source is missing, damaged, in no known layout, has missing or unexpected keys or
    values that are not finite, or when nothing says how many heads there are.
    """
    state, settings = read(source)
    state, settings = _to_timm(state, settings)
    if not _AXES.keys() <= state.keys():
        raise ModelError(
            source,
            f"no vision transformer in a known layout; its keys begin with {', '.join(sorted(state)[:3]) or 'nothing'}",
            "give timm's, transformers' ViT or DINOv2, or the JAX .npz",
        )
    for key, axes in _AXES.items():
        if state[key].ndim != axes or not state[key].numel():
            raise ModelError(
                source,
                f"{key} has the shape {tuple(state[key].shape)}, which is not that of a vision transformer",
                "give another checkpoint",
            )
    dim = state["cls_token"].shape[-1]
    patch = state["patch_embed.proj.weight"].shape[-1]
    depth = len({m[1] for key in state if (m := re.match(r"blocks\.(\d+)\.", key))})
    grid = round((state["pos_embed"].shape[1] - 1) ** 0.5)
    hidden = state.get("blocks.0.mlp.fc1.bias")
    heads = heads or settings.heads or _HEADS.get(dim)
    if heads is None:
        raise ModelError(
            source,
            f"nothing says how many attention heads this network of width {dim} has",
            "give their number (--heads, or heads in a recipe)",
        )
    if depth < 2 or heads < 0 or dim % heads or grid < 1 or grid**2 + 1 != state["pos_embed"].shape[1]:
        raise ModelError(
            source,
            f"a transformer of width {dim}, {heads} heads, {depth} blocks and "
            f"{state['pos_embed'].shape[1]} positions is not a plain ViT with a CLS token and a square grid",
            "give another checkpoint",
        )
    config = ViTConfig(
        image_size=grid * patch,
        patch_size=patch,
        dim=dim,
        depth=depth,
        heads=heads,
        mlp_dim=4 * dim if hidden is None else hidden.numel(),
        layer_scale="blocks.0.ls1.gamma" in state,
        norm_eps=settings.norm_eps or 1e-6,
    )
    vit = ViT(config)
    expected = set(vit.state_dict())
    if state.keys() != expected:
        raise ModelError(
            source, _differences(expected - state.keys(), state.keys() - expected), "give a checkpoint of a plain ViT"
        )
    wrong = [key for key, value in vit.state_dict().items() if value.shape != state[key].shape]
    if wrong:
        raise ModelError(
            source,
            f"{wrong[0]} has the shape {tuple(state[wrong[0]].shape)}, which does not fit the rest",
            "download the checkpoint again",
        )
    broken = next((key for key, value in state.items() if not value.isfinite().all()), None)
    if broken:
        raise ModelError(
            source,
            f"{broken} has values that are not finite (NaN or infinity)",
            "take a checkpoint from before its training went wrong, or download it again",
        )
    vit.load_state_dict(state)
    _read_our_pixels(vit, settings.mean or MEAN, settings.std or STD)
    return vit if image_size is None else resized(vit, image_size, str(source))


def resized(vit: ViT, image_size: int, source: str) -> ViT:
    """A network for pictures of another side in pixels; raises `ModelError` where its patches do not fill them."""
    patch = vit.config.patch_size
    if image_size == vit.config.image_size:
        return vit
    if image_size < patch or image_size % patch:
        near = max(1, image_size // patch) * patch
        raise ModelError(
            source,
            f"image size {image_size} is not a multiple of the patch size {patch}",
            f"use {near} or {near + patch} pixels",
        )
    other = ViT(replace(vit.config, image_size=image_size))
    state = vit.state_dict()
    other.load_state_dict(state | {"pos_embed": resize_positions(state["pos_embed"], other.config.grid)})
    return other


@torch.no_grad()
def _read_our_pixels(vit: ViT, mean: Sequence[float], std: Sequence[float]) -> None:
    """Make a network that expects pixels (x - mean)/std compute the same of (x - MEAN)/STD."""
    if (tuple(mean), tuple(std)) == (MEAN, STD):
        return
    layer = vit.patch_embed.proj
    own, theirs, ours = (torch.tensor(values).view(1, 3, 1, 1) for values in (std, mean, MEAN))
    assert layer.bias is not None
    layer.bias += (layer.weight * ((ours - theirs) / own)).sum(dim=(1, 2, 3))
    layer.weight *= torch.tensor(STD).view(1, 3, 1, 1) / own


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


def _to_timm(state: State, settings: Settings) -> tuple[State, Settings]:
    """Rename to timm's keys, and add to the settings what the layout tells."""
    if any(".base_encoder." in f".{key}" for key in state):
        settings = replace(settings, heads=settings.heads or _MOCO_HEADS)
    state = {_WRAPPERS.sub("", key): value for key, value in state.items()}
    if any(key.startswith("Transformer/") for key in state):
        state, heads = _from_jax(state)
        mean, std = settings.mean or _HALF, settings.std or _HALF
        settings = replace(settings, heads=settings.heads or heads, mean=mean, std=std)
    elif any("embeddings.patch_embeddings." in key for key in state):
        eps = 1e-6 if any("layer_scale1" in key for key in state) else 1e-12
        settings = replace(settings, norm_eps=settings.norm_eps or eps)
        state = _from_transformers(state)
    return {key: value for key, value in state.items() if not _DROPPED.search(key)}, settings


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
