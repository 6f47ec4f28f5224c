"""The hashing network of TransHash: a multi-granular vision transformer (Chen et al., ICMR 2022, section 3.2).

from transhash.nn.mgvt import MGVT, HashConfig
network = MGVT(HashConfig(ViTConfig(image_size=70, patch_size=14, dim=384, heads=6, mlp_dim=1536), bits=64))
h = network(images)  # (N, 3, 70, 70) -> (N, 64); the sign of h is the code

A network may have hash layers for several code lengths on the same streams: h is then the relaxed codes of all lengths
side by side, `h.split(config.code_lengths, dim=1)`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from transhash.codes import MOST_BITS
from transhash.errors import RecipeError
from transhash.nn.vit import Block, ViT, ViTConfig

MIN_LOCAL_BITS = 4  # a local head with fewer bits does not converge (section 4.4 of the paper)


def branch_bits(bits: int, groups: int) -> tuple[int, ...]:
    """Bits of each hash layer, global first: `(B/2, B/2K, …)`, or `(B,)` when there is no local stream (K = 0).

    Raises `RecipeError` for a code length that the dual stream cannot split, or that no library takes.
    """
    if bits <= 0 or bits % 8:
        raise RecipeError("", f"a code length of {bits} bits cannot be packed in bytes", "use a positive multiple of 8")
    if bits > MOST_BITS:
        raise RecipeError("", f"codes of {bits} bits", f"use a multiple of 8 up to {MOST_BITS}")
    if groups == 0:
        return (bits,)
    if groups < 0:
        raise RecipeError("", f"the local stream cannot have {groups} groups", "use 2, or 0 for none")
    if bits % (2 * groups) or bits // (2 * groups) < MIN_LOCAL_BITS:
        fits = [k for k in range(1, bits) if bits % (2 * k) == 0 and bits // (2 * k) >= MIN_LOCAL_BITS]
        raise RecipeError(
            "",
            f"{bits} bits cannot be split over {groups} local groups: each local head needs "
            f"bits/(2·groups) bits, at least {MIN_LOCAL_BITS}",
            f"use {', '.join(map(str, fits))} groups, or another code length",
        )
    return (bits // 2, *[bits // (2 * groups)] * groups)


def check_lengths(lengths: tuple[int, ...], bits: int) -> None:
    """Raise `RecipeError` unless several code lengths ascend and have `bits` among them."""
    if lengths and (list(lengths) != sorted(set(lengths)) or bits not in lengths):
        raise RecipeError(
            "", f"code lengths {', '.join(map(str, lengths))}", f"they must ascend and contain bits ({bits})"
        )


@dataclass(frozen=True)
class HashConfig:
    """The shape of a hashing network."""

    vit: ViTConfig
    bits: int = 64  # B; of several code lengths the one that is taken unless another is asked for
    groups: int = 2  # K, contiguous groups of patch tokens in the local stream; 0: no local stream
    drop_remainder: bool = False  # leave out the M mod K last tokens, as TransReID's code does
    lengths: tuple[int, ...] = ()  # all code lengths, ascending, where there are several

    @property
    def branch_bits(self) -> tuple[int, ...]:
        """Bits of a code of `bits` bits that come out of each hash layer, global first."""
        return branch_bits(self.bits, self.groups)

    @property
    def code_lengths(self) -> tuple[int, ...]:
        """Every code length that comes out of one pass, ascending."""
        return self.lengths or (self.bits,)

    @property
    def columns(self) -> slice:
        """Where the relaxed code of `bits` bits is among those of all lengths."""
        start = sum(self.code_lengths[: self.code_lengths.index(self.bits)])
        return slice(start, start + self.bits)

    @property
    def layer_bits(self) -> tuple[int, ...]:
        """Outputs of each hash layer, global first: its bits of every code length."""
        return tuple(map(sum, zip(*(branch_bits(bits, self.groups) for bits in self.code_lengths), strict=True)))

    @property
    def places(self) -> list[int]:
        """Where each value of the output is among those of the hash layers, each with its bits of all lengths."""
        branches = [branch_bits(bits, self.groups) for bits in self.code_lengths]
        starts = [sum(self.layer_bits[:layer]) for layer in range(len(self.layer_bits))]
        found: list[int] = []
        for branch in branches:
            for layer, size in enumerate(branch):
                found += range(starts[layer], starts[layer] + size)
                starts[layer] += size
        return found


def group_mask(patches: int, groups: int, *, drop_remainder: bool = False) -> Tensor:
    """Which tokens form each local group: bool (K, 1 + M), CLS in every group, patches cut in raster order.

    Groups differ by at most one token, the larger ones first, unless the remainder is dropped.
    """
    if groups > patches:
        raise RecipeError(
            "", f"{patches} patches cannot be cut into {groups} groups", "use fewer groups or larger images"
        )
    size, extra = divmod(patches, groups)
    mask = torch.zeros(groups, 1 + patches, dtype=torch.bool)
    mask[:, 0] = True
    start = 1
    for g in range(groups):
        end = start + size + (g < extra and not drop_remainder)
        mask[g, start:end] = True
        start = end
    return mask


class MGVT(nn.Module):
    """Shared trunk, global and local streams, hash layers; the outputs' signs are the code."""

    groups: Tensor  # bool (K, 1 + M), which tokens form each local group
    places: Tensor  # int64 (values,), `HashConfig.places`

    def __init__(self, config: HashConfig) -> None:
        super().__init__()
        check_lengths(config.lengths, config.bits)
        self.config = config
        sizes = config.layer_bits
        whole = ViT(config.vit)
        self.trunk = ViT(replace(config.vit, depth=config.vit.depth - 1), norm=False)
        self.global_block = cast(Block, whole.blocks[-1])
        self.global_norm = whole.norm
        self.global_hash = nn.Linear(config.vit.dim, sizes[0])
        if config.groups:
            self.local_block = copy.deepcopy(self.global_block)
            self.local_norm = copy.deepcopy(self.global_norm)
            self.local_hash = nn.ModuleList(nn.Linear(config.vit.dim, size) for size in sizes[1:])
            mask = group_mask(config.vit.patches, config.groups, drop_remainder=config.drop_remainder)
            self.register_buffer("groups", mask, persistent=False)
        self.register_buffer("places", torch.tensor(config.places), persistent=False)
        for layer in self.hash_layers():
            nn.init.zeros_(layer.bias)  # half of the bits of a random picture start as ones

    @classmethod
    def from_vit(
        cls, vit: ViT, *, bits: int, groups: int = 2, drop_remainder: bool = False, lengths: tuple[int, ...] = ()
    ) -> MGVT:
        """The network on a pretrained ViT: both streams start as copies of its last block and final norm."""
        network = cls(HashConfig(vit.config, bits, groups, drop_remainder, lengths))
        trunk = {name: value for name, value in vit.state_dict().items() if not name.startswith("norm.")}
        last = f"blocks.{vit.config.depth - 1}."
        network.trunk.load_state_dict({name: v for name, v in trunk.items() if not name.startswith(last)})
        for block, norm in network.streams():
            block.load_state_dict(vit.blocks[-1].state_dict())
            norm.load_state_dict(vit.norm.state_dict())
        return network

    def global_vit(self) -> ViT:
        """The vision transformer of the trunk and the global stream: what `from_vit` starts from, the other way."""
        vit = ViT(self.config.vit)
        vit.load_state_dict(self.trunk.state_dict(), strict=False)
        vit.blocks[-1].load_state_dict(self.global_block.state_dict())
        vit.norm.load_state_dict(self.global_norm.state_dict())
        return vit

    def streams(self) -> list[tuple[Block, nn.Module]]:
        """The block and final norm of each stream, global first."""
        streams: list[tuple[Block, nn.Module]] = [(self.global_block, self.global_norm)]
        return [*streams, (self.local_block, self.local_norm)] if self.config.groups else streams

    def hash_layers(self) -> list[nn.Linear]:
        """The hash layer of each branch, global first."""
        return [self.global_hash, *cast(list[nn.Linear], list(self.local_hash) if self.config.groups else [])]

    @torch.no_grad()
    def shift(self, values: Tensor) -> None:
        """Add a constant to each value of the output, (B,): the biases of the hash layers grow by it."""
        of_layers = torch.empty_like(values)
        of_layers[self.places] = values
        for layer, part in zip(self.hash_layers(), of_layers.split(self.config.layer_bits), strict=True):
            layer.bias.add_(part)

    def set_drop_path(self, rate: float, *, frozen: int = 0) -> None:
        """Stochastic depth in training, growing linearly from 0 at the first block to `rate` at the streams.

        The first `frozen` blocks keep every branch.
        """
        depth = self.config.vit.depth
        blocks = [*cast(list[Block], list(self.trunk.blocks)), *(block for block, _ in self.streams())]
        for i, block in enumerate(blocks):
            block.drop_path.rate = rate * min(i / (depth - 1), 1) if i >= frozen else 0.0

    def lower(self, x: Tensor, blocks: int) -> Tensor:
        """Images through the embedding and the first `blocks` blocks: (N, 3, H, W) -> (N, 1 + M, D)."""
        z = self.trunk.embed(x)
        for block in self.trunk.blocks[:blocks]:
            z = block(z)
        return z

    def upper(self, z: Tensor, blocks: int) -> Tensor:
        """Tokens as they leave `lower(x, blocks)` to relaxed codes: (N, 1 + M, D) -> (N, B)."""
        z = self.middle(z, blocks)
        h = [self.global_hash(self.global_features(z))]
        if self.config.groups:
            f = self.local_norm(self.local_block.read(z, self.groups))  # (N, K, D)
            h += [layer(f[:, k]) for k, layer in enumerate(self.local_hash)]
        outputs = torch.cat(h, dim=1)
        return outputs[:, self.places] if self.config.lengths else outputs

    def middle(self, z: Tensor, blocks: int) -> Tensor:
        """Tokens as they leave `lower(x, blocks)` through the rest of the trunk: (N, 1 + M, D) -> (N, 1 + M, D)."""
        for block in self.trunk.blocks[blocks:]:
            z = block(z)
        return z

    def global_features(self, z: Tensor) -> Tensor:
        """What the global hash layer reads from the tokens that leave the trunk: (N, 1 + M, D) -> (N, D)."""
        return self.global_norm(self.global_block.read(z))[:, 0]

    @torch.no_grad()
    def features(self, x: Tensor, *, after: int | None = None) -> Tensor:
        """What the global hash layer reads of the same input, float32: (N, D)."""
        z = self.lower(x, 0) if after is None else x
        return self.global_features(self.middle(z, after or 0)).float()

    def forward(self, x: Tensor, *, after: int | None = None) -> Tensor:
        """Normalised images to relaxed codes `[h_g, h_1 … h_K]`: (N, 3, H, W) -> (N, B).

        Of several code lengths, those of each length side by side. With `after=n`, x is tokens (N, 1 + M, D) as they
        leave `lower(…, n)`.
        """
        return self.upper(self.lower(x, 0), 0) if after is None else self.upper(x, after)
