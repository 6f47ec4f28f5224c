"""What an exact graph has to know of a network (`nn/exact_graph.py`), measured on pictures.

Inputs of the large products become 8-bit integers, whose scale is fixed beforehand, so that the code of a picture never
depends on what else is in its batch. A channel of large values would make it coarse for all others; therefore channels
are evened out first, by gains that the layers on either side take up (SmoothQuant: Xiao et al., ICML 2023, equation 4,
α = 1/2).

Everything that is added up as float32 is first rounded to a grid, multiples of a power of two, so coarse that no sum
needs more than the 24 bits of a float32. Then no sum is rounded, and its order, which differs between processors, makes
no difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transhash.nn.folding import fold
from transhash.nn.mgvt import MGVT
from transhash.nn.preprocessing import normalise
from transhash.nn.rounding import round_to_inputs, scales
from transhash.nn.tables import EXP_SHIFT, EXP_STEP, gelu_scale
from transhash.nn.vit import Block

LEVELS = 127  # of a weight, on either side of zero
FEWER_LEVELS = 63  # with which two products with 8-bit inputs fit into the 16 bits in which older processors add them
_BITS = 24  # of a float32
_ROOM = 2  # times as large as measured sums may become
_CHUNK = 16  # pictures
_TOP = 255  # the largest uint8
_ROWS = 1000  # inputs of a layer that its scale is chosen by
_SHARES = np.linspace(0.2, 1, 17)  # of the range that occurs, which a scale may cover: what lies beyond is clipped


@dataclass(frozen=True)
class Steps:
    """How the inputs of a layer become uint8: round(x / scale) + zero, clipped."""

    scale: float
    zero: int


@dataclass
class Plan:
    """How each part of a network is rounded, by name."""

    steps: dict[str, Steps] = field(default_factory=dict)  # of layers that take 8-bit inputs
    exponents: dict[str, int] = field(default_factory=dict)  # of grids: multiples of 2^-exponent
    factors: dict[str, tuple[float, float, float]] = field(default_factory=dict)  # of query, key and value, as computed
    weights: dict[str, Tensor] = field(default_factory=dict)  # int8, of layers that take 8-bit inputs


@torch.no_grad()
def prepare(network: MGVT, pictures: NDArray[np.uint8]) -> Plan:
    """Fold a network in place, even out its channels, and plan how it is rounded.

    The network computes what it did. `pictures`: uint8 (N, S, S, 3), some hundred of the kind that it is to encode.
    """
    fold(network)
    seen = _Seen(network, pictures)
    plan = Plan()
    for name, (before, layer) in eight_bit_layers(network).items():
        x = seen.inputs[name]
        if before:
            gain = (x.abs().amax(dim=0).clamp(min=1e-5) / layer.weight.abs().amax(dim=0).clamp(min=1e-5)).sqrt()
            x = x / gain
            layer.weight *= gain
            before.weight[-len(gain) :] /= gain if before.weight.ndim == 1 else gain[:, None]
            before.bias[-len(gain) :] /= gain
        steps = _steps(x, layer.weight)
        plan.steps[name] = steps if before else Steps(gelu_scale(steps.scale), steps.zero)
    seen = _Seen(network, pictures)  # again, now that channels are even
    for name, (_, layer) in eight_bit_layers(network).items():
        noise = plan.steps[name].scale ** 2 / 12  # of rounding
        plan.weights[name] = round_to_inputs(layer.weight, seen.inputs[name], noise, FEWER_LEVELS)
    plan.factors = seen.factors
    plan.exponents = {name: math.floor(_BITS - math.log2(_ROOM * sums)) for name, sums in seen.sums.items()}
    for name, (_, _, value) in plan.factors.items():
        exponent = plan.exponents[f"{name}.scores"] // 2
        room = 2.0 ** (_BITS - exponent) * EXP_STEP / (_ROOM * value)
        plan.exponents[f"{name}.scores"] = exponent
        plan.factors[name] = (*plan.factors[name][:2], room)
    return plan


def eight_bit_layers(network: MGVT) -> dict[str, tuple[nn.LayerNorm | nn.Linear | None, nn.Linear]]:
    """The layers that take 8-bit inputs, each with the one whose outputs it reads linearly, if there is any."""
    found: dict[str, tuple[nn.LayerNorm | nn.Linear | None, nn.Linear]] = {}
    for i, block in enumerate(cast(list[Block], list(network.trunk.blocks))):
        found[f"trunk.blocks.{i}.attn.qkv"] = block.norm1, block.attn.qkv
        found[f"trunk.blocks.{i}.attn.proj"] = block.attn.qkv, block.attn.proj
        found[f"trunk.blocks.{i}.mlp.fc1"] = block.norm2, block.mlp.fc1
        found[f"trunk.blocks.{i}.mlp.fc2"] = None, block.mlp.fc2
    return found


class _Seen:
    """What passed through a network: a share of the inputs of each 8-bit layer, and the largest sums of sizes."""

    def __init__(self, network: MGVT, pictures: NDArray[np.uint8]) -> None:
        self.inputs: dict[str, Any] = {name: [] for name in eight_bit_layers(network)}
        self.sums: dict[str, float] = {}
        self.factors: dict[str, tuple[float, float, float]] = {}
        self.share = max(1, _ROWS // len(pictures))  # tokens of a picture
        self.generator = torch.Generator().manual_seed(0)
        hooks = []
        modules = dict(network.named_modules())
        for name in self.inputs:
            hooks.append(modules[name].register_forward_pre_hook(self._on_input(self._keep, name)))
        for i, block in enumerate(cast(list[Block], list(network.trunk.blocks))):
            name = f"trunk.blocks.{i}"
            for norm in ("norm1", "norm2"):
                layer = modules[f"{name}.{norm}"]
                hooks.append(layer.register_forward_pre_hook(self._on_input(self._squares, f"{name}.{norm}")))
            hooks.append(
                block.attn.qkv.register_forward_hook(
                    lambda _, __, y, name=name, heads=block.attn.heads: self._attention(f"{name}.attn", y, heads)
                )
            )
        for stream, (block, _) in zip(("global", "local"), network.streams(), strict=False):
            name = f"{stream}_block"
            groups = network.groups if stream == "local" else None
            hooks.append(block.norm1.register_forward_pre_hook(self._on_input(self._squares, "streams.norm1")))
            hooks.append(
                block.norm1.register_forward_hook(
                    lambda _, __, y, name=name, block=block, groups=groups: self._read(name, block, y, groups)
                )
            )
            for layer in ("attn.proj", "mlp.fc1", "mlp.fc2"):
                hooks.append(self._on_layer(f"{name}.{layer}", modules[f"{name}.{layer}"]))
        for name, layer in modules.items():
            if name == "global_hash" or name.startswith("local_hash."):
                hooks.append(self._on_layer(name, layer))
        try:
            for start in range(0, len(pictures), _CHUNK):
                network(normalise(pictures[start : start + _CHUNK]))
        finally:
            for hook in hooks:
                hook.remove()
        self.inputs = {name: torch.cat(x) for name, x in self.inputs.items()}

    @staticmethod
    def _on_input(call: Callable[[str, Tensor], None], name: str) -> Any:
        return lambda _, x: call(name, x[0])

    def _on_layer(self, name: str, layer: nn.Module) -> Any:
        weight = integers(cast(Tensor, layer.weight))
        return layer.register_forward_pre_hook(lambda _, x: self._most(name, x[0].abs() @ weight.abs().T))

    def _most(self, name: str, sums: Tensor) -> None:
        self.sums[name] = max(self.sums.get(name, 1e-6), float(sums.max()))

    def _keep(self, name: str, x: Tensor) -> None:
        rows = torch.randint(x.shape[1], (len(x), self.share), generator=self.generator)
        self.inputs[name].append(x[torch.arange(len(x))[:, None], rows].flatten(0, 1))

    def _squares(self, name: str, x: Tensor) -> None:
        self._most(name, x.square().sum(dim=-1))
        self._most("tokens", x.abs() * 2)  # of their values, not sums: with a sign, beside 1.5 times a power of two

    def _attention(self, name: str, y: Tensor, heads: int) -> None:
        """Ranges of query, key and value (N, T, 3·D) of a block of the trunk."""
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in y.chunk(3, dim=-1))
        scale = q.shape[-1] ** -0.5
        if name not in self.factors:  # of the first pictures: makes query and key as large as one another
            even = math.sqrt(max(1e-6, float(k.abs().max())) / max(1e-6, float(q.abs().max())))
            self.factors[name] = (even * math.sqrt(scale), math.sqrt(scale) / even, 1e-6)
        self._most(f"{name}.scores", (q.abs() @ k.abs().transpose(-1, -2)) * scale)
        scores = (q @ k.transpose(-1, -2)) * scale
        weights = (scores - scores.amax(dim=-1, keepdim=True) + EXP_SHIFT).exp()
        value = max(self.factors[name][2], float((weights @ v.abs()).max()))
        self.factors[name] = (*self.factors[name][:2], value)

    def _read(self, name: str, block: Block, x: Tensor, groups: Tensor | None) -> None:
        """What the CLS token of a stream sums up, as `Attention.read` computes it; x (N, T, D) is normalised."""
        heads, dim = block.attn.heads, x.shape[-1]
        weight, scale = integers(block.attn.qkv.weight), scales(block.attn.qkv.weight, LEVELS)
        query, key, value = (w.unflatten(0, (heads, -1)) for w in weight.chunk(3))  # (heads, d, D)
        self._most(f"{name}.attn.query", x[:, 0].abs() @ query.flatten(0, 1).abs().T)
        bias = block.attn.qkv.bias
        q = (x[:, 0] @ query.flatten(0, 1).T * scale[:dim] + bias[:dim]) * scale[dim : 2 * dim]
        q = q.unflatten(-1, (heads, -1)) * (dim // heads) ** -0.5  # (N, heads, d)
        self._most(f"{name}.attn.key", torch.einsum("nhd,hdc->nhc", q.abs(), key.abs()))
        scores = torch.einsum("nhc,ntc->nht", torch.einsum("nhd,hdc->nhc", q, key), x).unsqueeze(1)  # (N, 1, heads, T)
        if groups is not None:
            scores = scores.masked_fill(~groups[:, None], -torch.inf)
        mean = torch.einsum("nght,ntc->nghc", scores.softmax(-1), x)
        self._most(f"{name}.attn.value", torch.einsum("nghc,hdc->nghd", mean.abs(), value.abs()))


def integers(weight: Tensor) -> Tensor:
    """A matrix (out, in) of a layer that takes other inputs, as it is stored."""
    return (weight / scales(weight, LEVELS)[:, None]).round()


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
