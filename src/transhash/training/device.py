"""Where a network is trained: the device that a recipe means on this machine, and the numbers that it computes with."""

from __future__ import annotations

import os
import re

import torch

from transhash.errors import RecipeError

DEVICES = "auto, cpu, cuda, cuda:N or mps"


def device_of(wanted: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda`, `cuda:1` or `mps` means here; of several processes, this one's own.

    `auto` is a GPU where PyTorch finds one. Raises `RecipeError` for a device that is not there, with the remedy.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", wanted):
        raise RecipeError(f"device {wanted!r}: there is none of that name; use {DEVICES}")
    if wanted == "cpu":
        return torch.device("cpu")
    kind, _, number = wanted.partition(":")
    if kind in ("auto", "cuda") and torch.cuda.is_available():
        count = torch.cuda.device_count()
        chosen = int(number or os.environ.get("LOCAL_RANK", "0"))
        if chosen >= count:
            raise RecipeError(
                f"device cuda:{chosen}: this machine has {count}, cuda:0 to cuda:{count - 1}; use one of them"
            )
        return torch.device("cuda", chosen)
    if kind in ("auto", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    if kind == "auto":
        return torch.device("cpu")
    raise RecipeError(f"device {wanted}: {_missing(kind)}; leave --device out to train on the CPU")


def _missing(kind: str) -> str:
    if kind == "mps":
        return "PyTorch finds no Apple GPU"
    if not torch.version.cuda:
        return (
            "this PyTorch was built without CUDA; install one for your driver with the command that "
            "https://pytorch.org/get-started/locally gives"
        )
    return f"PyTorch finds no GPU (it needs a driver for CUDA {torch.version.cuda}: see what `nvidia-smi` says)"


def described(device: torch.device) -> str:
    """A device in words, for people."""
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory / 2**30
        return f"{device}: {torch.cuda.get_device_name(device)}, {memory:.0f} GiB"
    return str(device)


def precision_of(wanted: str, device: torch.device | str = "cpu") -> torch.dtype:
    """The type of matrix products in training that a recipe's `precision` means on a device."""
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if kind != "cpu":
        return torch.float32
    capabilities = torch.cpu.get_capabilities()
    fast = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if fast else torch.float32


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """A context in which matrix products have `precision`; weights and all else stay float32."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
