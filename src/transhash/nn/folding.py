"""The same network with fewer steps between its matrix products.

Layer scales go into the layers before them, the biases of norms into the layers after them. What writes to the tokens
writes channels whose mean is zero, so that a norm need not take the mean away (Ashkboos et al., SliceGPT, ICLR 2024).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from transhash.nn.mgvt import MGVT
from transhash.nn.vit import Block, LayerScale


@torch.no_grad()
def fold(network: MGVT) -> None:
    """Change the weights of a network in place; it computes what it did, but for rounding."""
    trunk = network.trunk
    for written in (trunk.cls_token, trunk.pos_embed):
        written.sub_(written.mean(dim=-1, keepdim=True))
    _centre(trunk.patch_embed.proj)
    for block in cast(list[Block], list(trunk.blocks)):
        _fold_block(block)
    for block, _ in network.streams():
        _fold_block(block)
        block.attn.qkv.weight.mul_(block.norm1.weight)
        block.norm1.weight.fill_(1)  # then one norm serves both streams


def _fold_block(block: Block) -> None:
    for norm, layer in ((block.norm1, block.attn.qkv), (block.norm2, block.mlp.fc1)):
        layer.bias.add_(layer.weight @ norm.bias)
        norm.bias.zero_()
    for scale, layer in ((block.ls1, block.attn.proj), (block.ls2, block.mlp.fc2)):
        if isinstance(scale, LayerScale):
            layer.weight.mul_(scale.gamma[:, None])
            layer.bias.mul_(scale.gamma)
            scale.gamma.fill_(1)
        _centre(layer)


def _centre(layer: nn.Linear | nn.Conv2d) -> None:
    layer.weight.sub_(layer.weight.mean(dim=0))
    cast(Tensor, layer.bias).sub_(cast(Tensor, layer.bias).mean())
