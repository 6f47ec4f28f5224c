"""What a model's graph is computed by: ONNX Runtime on the CPU or on a CUDA device, or PyTorch on a CUDA device."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ModelError, TransHashWarning
from transhash.system import has_nvidia_driver

Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]  # values (N, B) and features (N, F)

_TOKENS_CPU = 600  # about as many pass through the network at once: what lies between its layers stays in the cache
_TOKENS_GPU = 1 << 16  # fill a GPU, and take some 2 GB of its memory
_UNFIT = ["MatmulTransposeFusion"]  # makes an operator that versions up to 1.24 lack for the numbers of exact graphs
_INTEGERS = b"QGemm"  # the operator of exact graphs that ONNX Runtime has on the CPU alone


class Engine(Protocol):
    """Computes a graph, from any thread."""

    device: str
    """Where: `cpu`, or `cuda:0` and the like."""
    tokens: int
    """Of pictures, that one call should have at most."""

    def run(self, squares: NDArray[np.uint8]) -> Outputs:
        """Values and features of pictures as the network sees them: uint8 (N, S, S, 3)."""


class OnnxRuntime:
    """ONNX Runtime: a thread a call on the CPU, where workers run whole batches side by side."""

    def __init__(self, graph: Path, number: int | None = None) -> None:
        """`number`: of a CUDA device; none: the CPU. Raises `RuntimeError` when the device cannot be used."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.device, self.tokens, providers = "cpu", _TOKENS_CPU, ["CPUExecutionProvider"]
        if number is not None:
            # products of 19-bit numbers, which some GPUs take for faster, would change codes
            cuda: Any = ("CUDAExecutionProvider", {"device_id": number, "use_tf32": 0})
            self.device, self.tokens, providers = f"cuda:{number}", _TOKENS_GPU, [cuda, *providers]
        self._session: Any = onnxruntime.InferenceSession(
            graph, options, providers=providers, disabled_optimizers=_UNFIT
        )
        if number is not None and "CUDAExecutionProvider" not in self._session.get_providers():
            raise RuntimeError("ONNX Runtime cannot load its CUDA part (it logged the reason)")

    def run(self, squares: NDArray[np.uint8]) -> Outputs:
        """Values and features."""
        values, features = self._session.run(["values", "features"], {"images": squares})
        return values, features


def open_engine(graph: Path, device: str = "auto") -> Engine:
    """The engine for a device: `cpu`, `cuda`, `cuda:1`, or `auto`, a CUDA device that can be used, else the CPU.

    Raises `ModelError` for a device that is not there. With `auto`, where ONNX Runtime or PyTorch has CUDA but cannot
    use the GPU, the CPU is taken and a warning says why.
    """
    kind, number = named(device)
    if kind == "cpu" or (kind == "auto" and not has_nvidia_driver()):
        return OnnxRuntime(graph)
    reasons: list[str] = []
    for way in _ways(graph):
        try:
            if engine := way(graph, number):
                return engine
        except Exception as error:  # of a driver, of a library that is missing: of many kinds, and none is ours
            reasons.append(next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip("."))
    if kind == "cuda":
        found = "; ".join(reasons) or "neither ONNX Runtime nor PyTorch here has CUDA"
        raise ModelError(
            f"device {device}",
            found,
            "install PyTorch for your driver, or onnxruntime-gpu in place of onnxruntime (docs/gpu.md), or leave the "
            "device out",
        )
    if reasons:
        warnings.warn(
            f"pictures are encoded on the CPU, not on this machine's NVIDIA GPU: {'; '.join(reasons)} (docs/gpu.md)",
            TransHashWarning,
            stacklevel=2,
        )
    return OnnxRuntime(graph)


def named(device: str) -> tuple[str, int]:
    """The kind and the number of a device; raises `ModelError` for a name that no device has."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ModelError(f"device {device!r}", "there is none of that name", "use auto, cpu, cuda or cuda:1")
    kind, _, number = device.partition(":")
    return kind, int(number or 0)


def _ways(graph: Path) -> tuple[Callable[[Path, int], Engine | None], ...]:
    """How a graph may be computed on a CUDA device, best first."""
    if _INTEGERS in graph.read_bytes():
        return (_torch,)
    return (_onnx_runtime, _torch)


def _onnx_runtime(graph: Path, number: int) -> Engine | None:
    import onnxruntime

    there = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return OnnxRuntime(graph, number) if there else None


def _torch(graph: Path, number: int) -> Engine | None:
    if not (importlib.util.find_spec("torch") and importlib.util.find_spec("onnx")):
        return None
    from transhash.nn import torch_engine

    return torch_engine.TorchEngine(graph, f"cuda:{number}", _TOKENS_GPU) if torch_engine.has_cuda() else None
