"""The type in which matrix products are computed in training."""

from __future__ import annotations

import torch


def precision_of(wanted: str) -> torch.dtype:
    """The type of matrix products in training that a recipe's `precision` means on this machine."""
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    capabilities = torch.cpu.get_capabilities()
    fast = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if fast else torch.float32


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """A context in which matrix products have `precision`; weights and all else stay float32."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
