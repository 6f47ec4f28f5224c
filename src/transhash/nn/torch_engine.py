"""PyTorch as the engine of a model on a GPU (`model/engines.py`)."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from transhash.errors import ModelError
from transhash.nn.torch_graph import TorchGraph


def has_cuda() -> bool:
    """Whether this PyTorch was built for CUDA, whatever the machine has."""
    return torch.version.cuda is not None


class TorchEngine:
    """A model's graph on a device of PyTorch, one batch at a time."""

    def __init__(self, graph: Path, device: str, tokens: int) -> None:
        """Load the graph onto the device; raises `RuntimeError` when it cannot be used.

        `tokens`: of pictures, that one call should have at most.
        """
        self.device = device
        self.tokens = tokens
        where = torch.device(device)
        if where.type == "cuda":
            torch.cuda.init()  # says what is wrong with a driver
            if (where.index or 0) >= torch.cuda.device_count():
                raise RuntimeError(f"this machine has {torch.cuda.device_count()} CUDA devices, counted from 0")
        self._graph = TorchGraph(graph, where)
        self._lock = threading.Lock()

    def run(self, squares: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Values and features of pictures as the network sees them: uint8 (N, S, S, 3) -> (N, B), (N, F).

        Where the memory is too small for all, in parts. Raises `ModelError` when it is for one.
        """
        with self._lock:
            return self._run(squares)

    def _run(self, squares: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        try:
            return self._graph.run(squares)
        except torch.OutOfMemoryError as error:
            if len(squares) < 2:
                raise ModelError(
                    f"device {self.device}", "out of memory at one picture", "free its memory, or encode on the CPU"
                ) from error
        half = len(squares) // 2  # others use the device, too
        values, features = zip(self._run(squares[:half]), self._run(squares[half:]), strict=True)
        return np.concatenate(values), np.concatenate(features)
