"""The peer: transformers' vision transformer of the same shape in a plain loop of PyTorch."""

from __future__ import annotations

import time

import torch
from torch import nn

from transhash.errors import TransHashError
from transhash.nn.vit import ViTConfig
from transhash.plain import JsonObject
from transhash.speed.drawn import CLASSES
from transhash.speed.flops import synchronize
from transhash.training.device import autocast


class Peer:
    """A network of transformers with random weights, given normalised pictures that lie on the device."""

    def __init__(self, shape: ViTConfig, batch: int, device: torch.device, precision: torch.dtype) -> None:
        """Raises `TransHashError` where transformers is not installed."""
        try:
            import transformers
        except ModuleNotFoundError as error:
            raise TransHashError(
                "",
                "the peer needs transformers, which is not installed",
                "install it (pip install transformers), or leave the peer out with --no-peer",
            ) from error
        settings: JsonObject = {
            "image_size": shape.image_size,
            "patch_size": shape.patch_size,
            "hidden_size": shape.dim,
            "num_hidden_layers": shape.depth,
            "num_attention_heads": shape.heads,
            "mlp_ratio": shape.mlp_dim // shape.dim or 1,
        }
        self.name = f"transformers {transformers.__version__}, Dinov2Model"
        self._device, self._precision, self._batch = device, precision, batch
        self.network = transformers.Dinov2Model(transformers.Dinov2Config(**settings)).to(device)
        self._head = nn.Linear(shape.dim, CLASSES).to(device)
        self._x = torch.randn(batch, 3, shape.image_size, shape.image_size, device=device)
        self._labels = torch.arange(batch, device=device) % CLASSES
        self._optimizer = torch.optim.AdamW([*self.network.parameters(), *self._head.parameters()], lr=1e-5)

    def train(self, steps: int) -> float:
        """Images a second of some steps, as tutorials write them: no compiler, the loss asked for at every step."""
        self.network.train()
        begin = time.perf_counter()
        for _ in range(steps):
            with autocast(self._device, self._precision):
                logits = self._head(self.network(self._x).last_hidden_state[:, 0])
            loss = nn.functional.cross_entropy(logits.float(), self._labels)
            loss.backward()
            self._optimizer.step()
            self._optimizer.zero_grad()
            loss.item()
        synchronize(self._device)
        return self._batch * steps / (time.perf_counter() - begin)

    @torch.inference_mode()
    def encode(self, batches: int) -> float:
        """Images a second of some batches."""
        self.network.eval()
        begin = time.perf_counter()
        for _ in range(batches):
            with autocast(self._device, self._precision):
                self.network(self._x).last_hidden_state[:, 0].float().cpu()
        return self._batch * batches / (time.perf_counter() - begin)
