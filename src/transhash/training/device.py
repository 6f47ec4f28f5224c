"""Where a network is trained: the device that a recipe means on this machine, and the numbers that it computes with."""

from __future__ import annotations

import os
import re

import torch

from transhash.errors import RecipeError
from transhash.system import has_nvidia_driver

DEVICES = "auto, cpu, cuda, cuda:N or mps"
_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_FAST_FLOAT16 = (7, 0)  # the first GPUs, by their capability, that multiply float16 faster than float32 (Volta)


def device_of(wanted: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda`, `cuda:1` or `mps` means here; of several processes, this one's own.

    `auto` is a GPU where PyTorch finds one. Raises `RecipeError` for a device that is not there, with the remedy.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", wanted):
        raise RecipeError(f"device {wanted!r}", "there is none of that name", f"use {DEVICES}")
    if wanted == "cpu":
        return torch.device("cpu")
    kind, _, number = wanted.partition(":")
    if kind in ("auto", "cuda") and torch.cuda.is_available():
        count = torch.cuda.device_count()
        chosen = int(number or os.environ.get("LOCAL_RANK", "0"))
        if chosen >= count:
            raise RecipeError(
                f"device cuda:{chosen}", f"this machine has {count}, cuda:0 to cuda:{count - 1}", "use one of them"
            )
        return torch.device("cuda", chosen)
    if kind in ("auto", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    if kind == "auto":
        return torch.device("cpu")
    raise RecipeError(f"device {wanted}", _missing(kind), "leave --device out to train on the CPU")


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


def left_out(device: torch.device) -> str:
    """Why the CPU is used although this machine has an NVIDIA GPU, in a sentence; empty where there is no such case."""
    if device.type != "cpu" or not has_nvidia_driver():
        return ""
    if not torch.version.cuda:
        reason = "this PyTorch was built without CUDA"
    else:
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        else:
            return ""
    return (
        f"the CPU is used, not the NVIDIA GPU of this machine: {reason}; install a PyTorch for its driver with the "
        "command that https://pytorch.org/get-started/locally gives"
    )


def precision_of(wanted: str, device: torch.device | str = "cpu") -> torch.dtype:
    """The type of matrix products in training that a recipe's `precision` means on a device.

    `auto` on a GPU is bfloat16, on one that has none float16 (whose gradients are scaled), on an older one float32.
    """
    if wanted != "auto":
        return _TYPES[wanted]
    kind = torch.device(device).type
    if kind == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16
        return torch.float16 if torch.cuda.get_device_capability(device) >= _FAST_FLOAT16 else torch.float32
    if kind != "cpu":
        return torch.float32
    capabilities = torch.cpu.get_capabilities()
    fast = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if fast else torch.float32


def precision_said(wanted: str, precision: torch.dtype, device: torch.device) -> str:
    """What a user should know of the type that `auto` came to: of a GPU without bfloat16, which one it is."""
    if wanted != "auto" or device.type != "cuda" or precision == torch.bfloat16:
        return ""
    how = "float16, and gradients are scaled" if precision == torch.float16 else "float32"
    return f"{described(device)} does not compute in bfloat16: training uses {how} (--set precision=float32|float16)"


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """A context in which matrix products have `precision`; weights and all else stay float32."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
