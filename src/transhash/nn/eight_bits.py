"""The large matrix products in 8 bits: what has to be known of a network for it, measured on pictures.

Weights are stored as int8 anyway. Where the inputs of a layer are 8-bit integers too, a product takes a third of the
time. Their scale is fixed beforehand, so that the code of a picture never depends on what else is in its batch. A
channel of large values would make it coarse for all others; therefore channels are evened out first, by gains that the
layers on either side take up (SmoothQuant: Xiao et al., ICML 2023, equation 4, α = 1/2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transhash.data.augment import normalise
from transhash.nn.mgvt import MGVT
from transhash.nn.vit import Block

_CHUNK = 64  # pictures
_TOP = 255  # the largest uint8
_ROWS = 1000  # inputs of a layer that its scale is chosen by
_SHARES = np.linspace(0.2, 1, 17)  # of the range that occurs, which a scale may cover: what lies beyond is clipped


@dataclass(frozen=True)
class Steps:
    """How the inputs of a layer become uint8: round(x / scale) + zero, clipped."""

    scale: float
    zero: int


@torch.no_grad()
def prepare(network: MGVT, pictures: NDArray[np.uint8]) -> dict[str, Steps]:
    """Even out the channels of a network in place, and find the steps of the layers that take 8-bit inputs, by name.

    The network computes what it did. `pictures`: uint8 (N, S, S, 3), some hundred of the kind that it is to encode.
    """
    inputs = _observe(network, pictures)
    steps = {}
    for name, (before, layer) in _layers(network).items():
        x = inputs[name]
        if before:
            gain = (x.abs().amax(dim=0).clamp(min=1e-5) / layer.weight.abs().amax(dim=0).clamp(min=1e-5)).sqrt()
            x = x / gain
            _scale_columns(layer, gain)
            _scale_outputs(before, gain)
        steps[name] = _steps(x, layer.weight)
    return steps


def _layers(network: MGVT) -> dict[str, tuple[nn.LayerNorm | nn.Linear | None, nn.Linear]]:
    """The layers that take 8-bit inputs, each with the one whose outputs it reads linearly, if there is any.

    In the streams, only keys and values are asked of all tokens.
    """
    found: dict[str, tuple[nn.LayerNorm | nn.Linear | None, nn.Linear]] = {}
    for i, block in enumerate(cast(list[Block], list(network.trunk.blocks))):
        found[f"trunk.blocks.{i}.attn.qkv"] = block.norm1, block.attn.qkv
        found[f"trunk.blocks.{i}.attn.proj"] = block.attn.qkv, block.attn.proj
        found[f"trunk.blocks.{i}.mlp.fc1"] = block.norm2, block.mlp.fc1
        found[f"trunk.blocks.{i}.mlp.fc2"] = None, block.mlp.fc2
    for name, (block, _) in zip(("global", "local"), network.streams(), strict=False):
        found[f"{name}_block.attn.qkv"] = block.norm1, block.attn.qkv
    return found


def _scale_columns(layer: nn.Linear, gain: Tensor) -> None:
    layer.weight *= gain


def _scale_outputs(before: nn.LayerNorm | nn.Linear, gain: Tensor) -> None:
    """Divide the last outputs of a layer (of query, key and value the value) by their gains."""
    before.weight[-len(gain) :] /= gain if before.weight.ndim == 1 else gain[:, None]
    before.bias[-len(gain) :] /= gain


def _observe(network: MGVT, pictures: NDArray[np.uint8]) -> dict[str, Tensor]:
    """Inputs of each layer, (rows, in), a share of them from every picture."""
    kept: dict[str, list[Tensor]] = {}
    share = max(1, _ROWS // len(pictures))  # tokens of a picture

    def keep(name: str, x: Tensor) -> None:
        places = torch.randint(x.shape[1], (len(x), share), generator=generator)
        kept.setdefault(name, []).append(x[torch.arange(len(x))[:, None], places].flatten(0, 1))

    generator = torch.Generator().manual_seed(0)
    hooks = []
    for name, (before, layer) in _layers(network).items():
        if isinstance(before, nn.LayerNorm):  # a stream reads its keys and values without calling the layer
            hooks.append(before.register_forward_hook(lambda _, __, y, name=name: keep(name, y)))
        else:
            hooks.append(layer.register_forward_pre_hook(lambda _, x, name=name: keep(name, x[0])))
    try:
        for start in range(0, len(pictures), _CHUNK):
            network(normalise(pictures[start : start + _CHUNK]))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.cat(x) for name, x in kept.items()}


def _steps(x: Tensor, weight: Tensor) -> Steps:
    """The steps by which the outputs of a layer change least (their squared difference, inputs taken one by one)."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    importance = weight.square().sum(dim=0)
    best, least = Steps(1.0, 0), float("inf")
    for share in _SHARES:
        steps = _covering(low * share, high * share)
        rounded = ((x / steps.scale).round() + steps.zero).clamp(0, _TOP)
        error = float((((rounded - steps.zero) * steps.scale - x).square() @ importance).sum())
        if error < least:
            best, least = steps, error
    return best


def _covering(low: float, high: float) -> Steps:
    scale = max(high - low, 1e-6) / _TOP
    return Steps(scale, round(-low / scale))
