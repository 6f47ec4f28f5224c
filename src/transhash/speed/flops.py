"""What a network computes, and what a device could: the two sides of model FLOPs utilisation (Chowdhery et al., PaLM).

A product and a sum are two operations. Only matrix products of the network are counted, once forward and twice
backward, whatever else is computed.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import torch

from transhash.nn.mgvt import HashConfig

BACKWARD = 2  # times the operations of the pass forward
_SIDES = {"cpu": 1024, "cuda": 8192, "mps": 4096}  # of the matrices by which a peak is measured
_PRODUCTS = 20

# NVIDIA's data sheets, dense products, 10^12 operations a second: (16 bits, float32 without TF32)
_SHEETS = {
    "H200": (989.4, 66.9),
    "H100 PCIe": (756.5, 51.2),
    "H100 NVL": (835.5, 60.3),
    "H100": (989.4, 66.9),
    "A100": (312.0, 19.5),
    "L40S": (362.1, 91.6),
    "L4": (121.0, 30.3),
    "A10": (125.0, 31.2),
    "V100": (125.0, 15.7),
    "T4": (65.0, 8.1),
    "RTX 4090": (165.2, 82.6),
    "RTX 3090": (71.0, 35.6),
}


class Peak(NamedTuple):
    """Operations a second that a device could do, and where the figure is from."""

    operations: float
    source: str


def forward_operations(config: HashConfig) -> int:
    """Operations of one picture through the network, forward.

    The trunk's blocks compute all tokens; the streams ask with CLS alone (`Attention.read`), once for each group.
    """
    vit, tokens = config.vit, 1 + config.vit.patches
    dim, hidden = vit.dim, vit.mlp_dim
    embed = vit.patches * 3 * vit.patch_size**2 * dim
    block = tokens * (4 * dim * dim + 2 * dim * hidden) + 2 * tokens * tokens * dim
    streams = _read(config, 1) + (_read(config, config.groups) if config.groups else 0)
    hashing = dim * sum(config.layer_bits)
    return 2 * (embed + (vit.depth - 1) * block + streams + hashing)


def _read(config: HashConfig, groups: int) -> int:
    vit, tokens = config.vit, 1 + config.vit.patches
    dim = vit.dim
    query = 2 * dim * dim  # the query, and it through the keys' weights
    attention = vit.heads * tokens * dim * (1 + groups)  # scores once, a mean of the tokens for each group
    return query + attention + groups * (2 * dim * dim + 2 * dim * vit.mlp_dim)


def peak_of(device: torch.device, precision: torch.dtype) -> Peak:
    """Of a GPU that is known by its data sheet, of all others measured by products of large matrices."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        known = next((sheet for part, sheet in _SHEETS.items() if _named(part, name)), None)
        if known:
            return Peak(1e12 * known[precision == torch.float32], "data sheet")
    side = _SIDES.get(device.type, 1024)
    return Peak(_measured(side, device, precision), f"measured, products of {side} x {side}")


def _named(part: str, name: str) -> bool:
    """Whether all words of a part are words of a GPU's name, such as `NVIDIA H100 80GB HBM3`."""
    words = name.replace("-", " ").split()
    return all(word in words for word in part.split())


def _measured(side: int, device: torch.device, precision: torch.dtype) -> float:
    a = torch.randn(side, side, device=device).to(precision)
    best = 0.0
    for _ in range(_PRODUCTS):
        begin = time.perf_counter()
        a @ a
        synchronize(device)
        best = max(best, 2 * side**3 / (time.perf_counter() - begin))
    return best


def synchronize(device: torch.device) -> None:
    """Wait until a device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
