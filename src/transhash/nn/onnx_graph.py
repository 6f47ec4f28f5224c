"""The hashing network as an ONNX graph in float32: uint8 pictures in, relaxed codes out.

Written node by node in standard operators, so that the graph is small, readable and ours to tune. The weights are not
in it: they are read from the safetensors file beside it, and ONNX Runtime turns them into float32 matrices once, when a
session starts. The same network in 8-bit integers: `nn/exact_graph.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto

from transhash.nn.mgvt import HashConfig, group_mask
from transhash.nn.onnx_nodes import Nodes
from transhash.nn.preprocessing import MEAN, STD


def build(config: HashConfig, weights_file: Path) -> ModelProto:
    """The graph `images` uint8 (N, S, S, 3) -> `values` float32 (N, B), `features` float32 (N, (1 + K)·D).

    Of several code lengths, `values` has those of each length side by side, (N, B1 + B2 + …).

    The features are what the hash layers read, the global one first; the weights are those in `weights_file`.
    The file holds MGVT's parameters by name; one stored as int8 has its scales beside it as `NAME.scale`.
    """
    graph = _Graph(weights_file)
    vit = config.vit
    x = graph.embed("images", config)
    for i in range(vit.depth - 1):
        x = graph.block(x, f"trunk.blocks.{i}", config)
    cls = graph.part(x, 1, 0, 1)  # (N, 1, D)
    features = [graph.reshape(graph.read(x, cls, "global", config, None), -1, vit.dim)]
    values = [graph.linear(features[0], "global_hash")]
    if config.groups:
        mask = group_mask(vit.patches, config.groups, drop_remainder=config.drop_remainder).numpy()
        f = graph.read(x, cls, "local", config, mask)  # (N, K, D)
        for k in range(config.groups):
            features.append(graph.op("Gather", f, graph.const(np.int64(k)), axis=1))
            values.append(graph.linear(features[-1], f"local_hash.{k}"))
    graph.outputs(values, features, config)
    return graph.model(config)


class _Graph(Nodes):
    """The parts of the network in float32."""

    def weight(self, name: str) -> str:
        """A parameter in float32."""
        kind = self.header[name]["dtype"]
        if kind == "F32":
            return self.stored(name)
        x = self.op("Cast", self.stored(name), to=TensorProto.FLOAT)
        if kind != "I8":
            return x
        scale = self.header[f"{name}.scale"]["shape"]
        shape = [*scale, *[1] * (len(self.header[name]["shape"]) - len(scale))]
        return self.op("Mul", x, self.reshape(self.stored(f"{name}.scale"), *shape))

    def linear(self, x: str, name: str, gain: str | None = None, rows: tuple[int, int] | None = None) -> str:
        """x (rows, in) through the layer `name`: (rows, out), times the parameter `gain` (out,), if any.

        Of some `rows` of the weights alone, those outputs. Gains and slices go into the weights, which a session
        computes once.
        """
        weight, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        if rows:
            weight, bias = self.part(weight, 0, *rows), self.part(bias, 0, *rows)
        if gain:
            bias = self.op("Mul", bias, self.weight(gain))
            weight = self.op("Mul", weight, self.reshape(self.weight(gain), -1, 1))
        return self.op("Gemm", x, weight, bias, transB=1)

    def norm(self, x: str, name: str, config: HashConfig) -> str:
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=config.vit.norm_eps)

    def embed(self, images: str, config: HashConfig) -> str:
        """Pictures to tokens: uint8 (N, S, S, 3) -> (N, 1 + M, D)."""
        p, d = config.vit.patch_size, config.vit.dim
        mean, std = (np.array(v, np.float32) * 255 for v in (MEAN, STD))
        kernel = self.op("Transpose", self.weight("trunk.patch_embed.proj.weight"), perm=[2, 3, 1, 0])  # (p, p, 3, D)
        kernel = self.reshape(self.op("Mul", kernel, self.const((1 / std)[:, None])), p * p * 3, d)
        shift = self.op("MatMul", self.const(np.tile(mean, p * p)[None]), kernel)
        bias = self.op("Sub", self.weight("trunk.patch_embed.proj.bias"), self.reshape(shift, d))
        x = self.op("Gemm", self.patches(images, config), kernel, bias)
        x = self.first_token(self.weight("trunk.cls_token"), self.reshape(x, -1, config.vit.patches, d), images, config)
        return self.op("Add", x, self.weight("trunk.pos_embed"))

    def attend(self, q: str, k: str, v: str, config: HashConfig, mask: str | None = None) -> str:
        """Attention of q (N, heads, Q, d) over k (N, heads, d, T), v (N, heads, T, d): (N·Q, D)."""
        scale = self.const(np.float32((config.vit.dim // config.vit.heads) ** -0.5))
        scores = self.op("MatMul", self.op("Mul", q, scale), k)
        if mask:
            scores = self.op("Add", scores, mask)
        y = self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
        return self.reshape(self.op("Transpose", y, perm=[0, 2, 1, 3]), -1, config.vit.dim)

    def residual(self, x: str, y: str, branch: tuple[str, str], tokens: int, config: HashConfig) -> str:
        """x (N, T, D) plus y (N·T, in) through a branch's last layer and, where the network has it, its layer scale."""
        layer, gain = branch
        y = self.linear(y, layer, gain if config.vit.layer_scale else None)
        return self.op("Add", x, self.reshape(y, -1, tokens, config.vit.dim))

    def mlp(self, x: str, name: str, tokens: int, config: HashConfig) -> str:
        """The second half of a block: (N, T, D) -> (N, T, D)."""
        y = self.reshape(self.norm(x, f"{name}.norm2", config), -1, config.vit.dim)
        y = self.op("Gelu", self.linear(y, f"{name}.mlp.fc1"))
        return self.residual(x, y, (f"{name}.mlp.fc2", f"{name}.ls2.gamma"), tokens, config)

    def block(self, x: str, name: str, config: HashConfig) -> str:
        """All tokens through a block of the trunk: (N, T, D) -> (N, T, D)."""
        tokens, dim = 1 + config.vit.patches, config.vit.dim
        y = self.reshape(self.norm(x, f"{name}.norm1", config), -1, dim)
        q, k, v = self.split(self.linear(y, f"{name}.attn.qkv"), 3)
        y = self.attend(
            self.heads(q, tokens, config),
            self.heads(k, tokens, config, transposed=True),
            self.heads(v, tokens, config),
            config,
        )
        x = self.residual(x, y, (f"{name}.attn.proj", f"{name}.ls1.gamma"), tokens, config)
        return self.mlp(x, name, tokens, config)

    def read(self, x: str, cls: str, stream: str, config: HashConfig, mask: np.ndarray[Any, Any] | None) -> str:
        """The CLS outputs of a stream, one a group (`Block.read`), normalised: (N, T, D) -> (N, G, D)."""
        vit, name = config.vit, f"{stream}_block"
        tokens, groups = 1 + vit.patches, 1 if mask is None else len(mask)
        y = self.norm(x, f"{name}.norm1", config)
        first = self.reshape(self.part(y, 1, 0, 1), -1, vit.dim)
        q = self.linear(first, f"{name}.attn.qkv", rows=(0, vit.dim))
        k, v = self.split(self.linear(self.reshape(y, -1, vit.dim), f"{name}.attn.qkv", rows=(vit.dim, 3 * vit.dim)), 2)
        bias = None
        if mask is not None:
            bias = self.const(np.where(mask, 0, -1e30).astype(np.float32))  # (K, T), added to (N, heads, 1, T)
        y = self.attend(
            self.heads(q, 1, config),
            self.heads(k, tokens, config, transposed=True),
            self.heads(v, tokens, config),
            config,
            bias,
        )
        y = self.residual(cls, y, (f"{name}.attn.proj", f"{name}.ls1.gamma"), groups, config)
        return self.norm(self.mlp(y, name, groups, config), f"{stream}_norm", config)
