"""A plain vision transformer (Dosovitskiy et al., ICLR 2021), with the layer scale of DINOv2 where a checkpoint has it.

Parameter names are timm's, so that standard checkpoints load as they are. What is unusual is `Block.read`: the block
evaluated for the CLS query alone, over any number of groups of tokens at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from transhash.nn.draws import uniform


@dataclass(frozen=True)
class ViTConfig:
    """The shape of a vision transformer."""

    image_size: int = 224  # pixels, square
    patch_size: int = 16  # pixels, square; divides image_size
    dim: int = 768  # D, width of a token
    depth: int = 12  # L, number of blocks
    heads: int = 12
    mlp_dim: int = 3072
    layer_scale: bool = False  # a learned gain on each residual branch (DINOv2)
    norm_eps: float = 1e-6

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.image_size // self.patch_size

    @property
    def patches(self) -> int:
        """M, the number of patch tokens."""
        return self.grid**2


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (N, heads, T, D/heads)

    def forward(self, x: Tensor) -> Tensor:
        """All tokens ask all tokens: (N, T, D) -> (N, T, D)."""
        q, k, v = (self._split(y) for y in self.qkv(x).chunk(3, dim=-1))
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).flatten(2))

    def read(self, x: Tensor, groups: Tensor | None = None) -> Tensor:
        """Only the CLS token asks, once a group: (N, T, D) -> (N, G, D); `groups` as in `Block.read`.

        No token's key or value is computed: with one query it is cheaper to take each head's query through the key
        projection, `(W x) q = x (Wᵀ q)`, and the mean of the tokens through the value projection. The bias of the keys
        adds the same to all scores of a head, and so nothing.
        """
        n, _, dim = x.shape
        query, key, value = self.qkv.weight.chunk(3)
        key, value = key.unflatten(0, (self.heads, -1)), value.unflatten(0, (self.heads, -1))  # (heads, D/heads, D)
        q = F.linear(x[:, 0], query, self.qkv.bias[:dim]).unflatten(-1, (self.heads, -1))  # (N, heads, D/heads)
        q = torch.bmm(q.transpose(0, 1), key).transpose(0, 1) * (dim // self.heads) ** -0.5  # (N, heads, D)
        scores = torch.bmm(q, x.transpose(1, 2)).unsqueeze(1)  # (N, 1, heads, T)
        if groups is not None:
            scores = scores.masked_fill(~groups[:, None], -torch.inf)  # (N, G, heads, T)
        mean = torch.bmm(scores.softmax(-1).to(x.dtype).flatten(1, 2), x)  # (N, G * heads, D)
        mean = mean.view(-1, self.heads, dim).transpose(0, 1)  # (heads, N * G, D)
        y = torch.bmm(mean, value.transpose(1, 2)).transpose(0, 1).reshape(n, -1, dim)
        return self.proj(y + self.qkv.bias[2 * dim :])


class MLP(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Shape is kept: (N, T, D) -> (N, T, D)."""
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    """A learned gain for each channel of a residual branch (Touvron et al., ICCV 2021)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Shape is kept."""
        return x * self.gamma


class DropPath(nn.Module):
    """In training, leave the residual branch out for a random share of the images (Huang et al., ECCV 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Shape is kept: (N, T, D)."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        return x * (uniform(len(x), 1, 1, device=x.device) < keep).to(x.dtype) / keep


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.attn = Attention(config.dim, config.heads)
        self.ls1 = LayerScale(config.dim) if config.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(config.dim, eps=config.norm_eps)
        self.mlp = MLP(config.dim, config.mlp_dim)
        self.ls2 = LayerScale(config.dim) if config.layer_scale else nn.Identity()
        self.drop_path = DropPath(0.0)

    def forward(self, x: Tensor) -> Tensor:
        """All tokens through the block: (N, T, D) -> (N, T, D)."""
        x = x + self.drop_path(self.ls1(self.attn(self.norm1(x))))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))

    def read(self, x: Tensor, groups: Tensor | None = None) -> Tensor:
        """The CLS outputs of the block, and nothing else: (N, T, D) -> (N, G, D).

        `groups` is a bool (G, T) mask: row g names the tokens (CLS among them) that form group g. The result equals
        running `forward` on every group as a sequence of its own and keeping its first token: within one block a
        token's key and value depend on that token alone and the CLS query is the same in every group, so both are
        computed once. Without `groups` all tokens form one group.
        """
        x, cls = self.norm1(x), x[:, :1]
        x = cls + self.drop_path(self.ls1(self.attn.read(x, groups)))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))


class PatchEmbed(nn.Module):
    """Non-overlapping patches, each projected to one token."""

    def __init__(self, patch_size: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """Images to tokens in raster order: (N, 3, H, W) -> (N, M, D)."""
        return self.proj(x).flatten(2).transpose(1, 2)


class ViT(nn.Module):
    """A plain vision transformer; without its final norm (`norm=False`) it is the trunk of the hashing network."""

    def __init__(self, config: ViTConfig, *, norm: bool = True) -> None:
        super().__init__()
        self.config = config
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.patches, config.dim))
        self.patch_embed = PatchEmbed(config.patch_size, config.dim)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim, eps=config.norm_eps) if norm else nn.Identity()

    def embed(self, x: Tensor) -> Tensor:
        """Images to the tokens that enter the first block: (N, 3, H, W) -> (N, 1 + M, D)."""
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)  # a length that exports follow
        return x + self.pos_embed

    def forward(self, x: Tensor) -> Tensor:
        """Images to the tokens that leave the last block: (N, 3, H, W) -> (N, 1 + M, D)."""
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
