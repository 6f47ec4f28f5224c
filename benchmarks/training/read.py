"""A training step and encoding with the streams alone, beside streams that compute a key and a value for each token.

python -m benchmarks.training.read
"""

from __future__ import annotations

import statistics
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.common import seconds
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import Attention, ViTConfig

IMAGES, RUNS = 128, 15


def with_keys_and_values(self: Attention, x: Tensor, groups: Tensor | None = None) -> Tensor:
    """What `Attention.read` does, by the usual sequence of operations."""
    dim = x.shape[-1]
    q = self._split(F.linear(x[:, :1], self.qkv.weight[:dim], self.qkv.bias[:dim]))
    k, v = (self._split(y) for y in F.linear(x, self.qkv.weight[dim:], self.qkv.bias[dim:]).chunk(2, dim=-1))
    if groups is not None:
        q = q.expand(-1, -1, len(groups), -1)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=groups)
    out: torch.Tensor = self.proj(y.transpose(1, 2).flatten(2))
    return out


def main() -> None:
    torch.set_num_threads(1)
    vit = ViTConfig(image_size=70, patch_size=14, dim=384, heads=6, mlp_dim=1536, depth=1, layer_scale=True)
    z = torch.randn(IMAGES, 1 + vit.patches, vit.dim)
    print(f"{IMAGES} images of {1 + vit.patches} tokens, ViT-S, one thread, medians of {RUNS}, interleaved")
    for groups in (0, 2):
        network = MGVT(HashConfig(vit, 64, groups))

        def step(network: MGVT = network) -> None:
            network.zero_grad()
            network(z, after=0).square().sum().backward()

        @torch.no_grad()
        def encode(network: MGVT = network) -> None:
            network(z, after=0)

        for name, work in (("training step", step), ("encoding", encode)):
            times: dict[bool, list[float]] = {True: [], False: []}
            for _ in range(RUNS):
                times[True].append(seconds(work))
                with patch.object(Attention, "read", with_keys_and_values):
                    times[False].append(seconds(work))
            ours, usual = (1e3 * statistics.median(times[folded]) for folded in (True, False))
            print(f"K = {groups}, {name}: {ours:.1f} ms, with keys and values {usual:.1f} ms: {ours / usual:.2f}")


if __name__ == "__main__":
    main()
