"""One graph for a training step's network (torch.compile), where that works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Compiled(nn.Module):
    """A network that is compiled at its first call, and computes as it is where that fails."""

    def __init__(self, network: nn.Module, say: Callable[[str], None]) -> None:
        super().__init__()
        self.network = network
        self._say = say
        self._call: Any = torch.compile(network, dynamic=False)

    def forward(self, x: Tensor, **settings: object) -> Tensor:
        """What the network gives."""
        if self._call is self.network:
            return self.network(x, **settings)
        try:
            return self._call(x, **settings)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # of the compiler's own many kinds, of Triton's, and of the C compiler
            self._call = self.network
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            self._say(f"the network is not compiled and takes longer ({reason}); --set compile=off leaves this out")
            return self.network(x, **settings)


def compiled(network: nn.Module, wanted: str, device: torch.device, say: Callable[[str], None]) -> nn.Module:
    """The network, compiled where a recipe's `compile` means so on this device; its weights stay where they are."""
    if wanted == "on" or (wanted == "auto" and device.type == "cuda"):
        return Compiled(network, say)
    return network
