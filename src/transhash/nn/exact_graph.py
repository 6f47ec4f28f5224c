"""The hashing network as an ONNX graph of which processors compute the same bits (docs/encoding.md says on which).

Processors differ in the order in which they add and in the last digits of functions. Here neither has an effect:

- Large products are of 8-bit integers, added as such. Their weights have 7 bits, so that no processor saturates.
- What is added as float32 are multiples of a power of two (a grid), few enough bits that no sum is rounded
  (`nn/eight_bits.py` chooses the grids). Adding 1.5 times a large power of two, and taking it away, rounds to a grid.
- GELU and the exponential are taken of values on a grid and rounded, to steps that no value is near the middle of
  (`nn/tables.py`).
- Everything else is one addition, product, quotient or root at a time, which IEEE 754 defines to the last bit.

Blocks of the trunk are computed in what is fast. The streams ask with one query each, so few numbers pass through them:
there weights have 8 bits and inputs what a float32 has room for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from safetensors.numpy import load_file

from transhash.nn.eight_bits import Plan
from transhash.nn.mgvt import HashConfig, group_mask
from transhash.nn.onnx_nodes import ORT, Nodes
from transhash.nn.preprocessing import MEAN, STD
from transhash.nn.tables import EXP_GRID, EXP_SHIFT, EXP_STEP, GELU_GRID, gelu

_TABLE = (-8.0, 56.0)  # inputs of the streams' GELU, which is read from a table; what lies beyond is clipped
_NEVER = -(2.0**14)  # is added to the scores of tokens that are not in a group


def build(config: HashConfig, weights_file: Path, plan: Plan) -> ModelProto:
    """The graph of a folded network: inputs, outputs and weights as those of `onnx_graph.build`."""
    graph = _Graph(config, weights_file, plan)
    vit = config.vit
    x = graph.embed("images")
    for i in range(vit.depth - 1):
        x = graph.block(x, f"trunk.blocks.{i}")
    x = graph.op("Sub", x, graph.magic(graph.exponents["tokens"]))  # (N, T, D)
    cls = graph.part(x, 1, 0, 1)  # (N, 1, D)
    y = graph.op("Div", x, graph.root(x, "streams.norm1"))
    y = graph.op("Mul", y, graph.const(np.float32(vit.dim**0.5)))
    features = [graph.reshape(graph.read(y, cls, "global", None), -1, vit.dim)]
    values = [graph.fine(features[0], "global_hash")]
    if config.groups:
        mask = group_mask(vit.patches, config.groups, drop_remainder=config.drop_remainder).numpy()
        f = graph.read(y, cls, "local", mask)  # (N, K, D)
        for k in range(config.groups):
            features.append(graph.op("Gather", f, graph.const(np.int64(k)), axis=1))
            values.append(graph.fine(features[-1], f"local_hash.{k}"))
    graph.outputs(values, features, config)
    return graph.model(config)


class _Graph(Nodes):
    """The parts of the network; tokens are kept as their values plus `magic`, which keeps them on a grid."""

    def __init__(self, config: HashConfig, weights_file: Path, plan: Plan) -> None:
        super().__init__(weights_file)
        self.config = config
        self.steps, self.exponents, self.factors = plan.steps, plan.exponents, plan.factors
        self.state: dict[str, NDArray[Any]] = load_file(weights_file)
        self.tokens = 1 + config.vit.patches
        self.rows = ""  # how many tokens a batch has

    def real(self, name: str) -> NDArray[np.float64]:
        """A parameter, or the scales of one, in float64."""
        return self.state[name].astype(np.float64)

    def magic(self, exponent: int) -> str:
        """A number so large that a sum with it is a multiple of 2^-exponent."""
        return self.const(np.float32(1.5 * 2.0 ** (23 - exponent)))

    def to_grid(self, x: str, exponent: int) -> str:
        """Multiples of 2^-exponent."""
        magic = self.magic(exponent)
        return self.op("Sub", self.op("Add", x, magic), magic)

    def embed(self, images: str) -> str:
        """Pictures to tokens: uint8 (N, S, S, 3) -> (N, 1 + M, D). Sums of whole numbers below 2^24."""
        name, vit = "trunk.patch_embed.proj", self.config.vit
        p, d = vit.patch_size, vit.dim
        kernel = self.op("Transpose", self.stored(f"{name}.weight"), perm=[2, 3, 1, 0])  # (p, p, 3, D)
        kernel = self.op("Cast", self.reshape(kernel, p * p * 3, d), to=TensorProto.FLOAT)
        x = self.op("MatMul", self.patches(images, self.config), kernel)
        scale = self.real(f"{name}.weight.scale")  # (D, 3, 1, 1), in units of standard deviations of pixels
        weight = self.real(f"{name}.weight") * scale
        bias = self.real(f"{name}.bias") - weight.sum(axis=(2, 3)) @ (np.array(MEAN) / np.array(STD))
        x = self.op("Mul", x, self.const((scale[:, 0, 0, 0] / (255 * STD[0])).astype(np.float32)))
        magic = 1.5 * 2.0 ** (23 - self.exponents["tokens"])
        position = self.real("trunk.pos_embed") + magic
        x = self.op("Add", self.reshape(x, -1, vit.patches, d), self.const((position[:, 1:] + bias).astype(np.float32)))
        token = self.const((position[:, :1] + self.real("trunk.cls_token")).astype(np.float32))
        x = self.first_token(token, x, images, self.config)
        rows = self.op("Mul", self.part(self.op("Shape", images), 0, 0, 1), self.ints(self.tokens))
        self.rows = rows
        return x

    def root(self, x: str, name: str) -> str:
        """The root of the sum of squares of every token (N, T, D): (N, T, 1)."""
        squares = self.to_grid(self.op("Mul", x, x), self.exponents[name])
        sums = self.op("ReduceSum", squares, self.ints(-1), keepdims=1)
        return self.op(
            "Sqrt", self.op("Add", sums, self.const(np.float32(self.config.vit.dim * self.config.vit.norm_eps)))
        )

    def norm(self, x: str, norm: str, layer: str) -> str:
        """Normalised tokens as the layer takes them: (N, T, D) -> uint8 (N·T, D)."""
        x = self.op("Sub", x, self.magic(self.exponents["tokens"]))
        gain = self.real(f"{norm}.weight") * self.config.vit.dim**0.5 / self.steps[layer].scale
        y = self.reshape(self.op("Mul", x, self.const(gain.astype(np.float32))), -1, self.config.vit.dim)
        zeros = self.op("Expand", self.const(np.array([self.steps[layer].zero], np.uint8)), self.rows)
        return self.op("QuantizeLinear", y, self.reshape(self.root(x, norm), -1), zeros, axis=0)

    def product(self, x: str, name: str, factor: NDArray[np.float64] | float = 1.0) -> str:
        """The layer's outputs, times a factor of each: uint8 (rows, in) -> float32 (rows, out)."""
        steps = self.steps[name]
        scale = self.real(f"{name}.weight.scale") * steps.scale
        bias = np.rint(self.real(f"{name}.bias") / scale).astype(np.int32)
        weight = self.op("Transpose", self.stored(f"{name}.weight"), perm=[1, 0])
        one, zero = self.const(np.float32(1)), self.const(np.uint8(steps.zero))
        none = self.const(np.zeros(len(scale), np.int8))
        scales = self.const((scale * factor).astype(np.float32))
        return self.op("QGemm", x, one, zero, weight, scales, none, self.const(bias), domain=ORT)

    def exponentials(self, scores: str) -> tuple[str, str]:
        """What a softmax divides, and by what: (…, T) -> (…, T), multiples of EXP_STEP, and their sums (…, 1)."""
        magic = np.float32(1.5 * 2.0 ** (23 - EXP_GRID))
        most = self.op("Sub", self.const(magic), self.op("ReduceMax", scores, self.ints(-1), keepdims=1))
        x = self.op("Sub", self.op("Add", scores, most), self.const(np.float32(magic - EXP_SHIFT)))
        y = self.to_grid(self.op("Exp", x), round(-np.log2(EXP_STEP)))
        return y, self.op("ReduceSum", y, self.ints(-1), keepdims=1)

    def block(self, x: str, name: str) -> str:
        """All tokens through a block of the trunk: (N, T, D) -> (N, T, D)."""
        tokens, dim = self.tokens, self.config.vit.dim
        factors = np.repeat(self.factors[f"{name}.attn"], dim)
        y = self.product(self.norm(x, f"{name}.norm1", f"{name}.attn.qkv"), f"{name}.attn.qkv", factors)
        q, k, v = self.split(self.to_grid(y, self.exponents[f"{name}.attn.scores"]), 3)
        scores = self.op(
            "MatMul", self.heads(q, tokens, self.config), self.heads(k, tokens, self.config, transposed=True)
        )
        e, sums = self.exponentials(scores)
        y = self.op("MatMul", e, self.heads(v, tokens, self.config))  # (N, heads, T, d)
        steps = self.steps[f"{name}.attn.proj"]
        sums = self.op("Mul", sums, self.const(np.float32(steps.scale * factors[-1])))
        heads = self.config.vit.heads
        zeros = self.op(
            "Expand", self.const(np.array([steps.zero], np.uint8)), self.op("Shape", self.reshape(sums, -1))
        )
        y = self.op("QuantizeLinear", self.reshape(y, -1, dim // heads), self.reshape(sums, -1), zeros, axis=0)
        y = self.op("Transpose", self.reshape(y, -1, heads, tokens, dim // heads), perm=[0, 2, 1, 3])
        y = self.product(self.reshape(y, -1, dim), f"{name}.attn.proj")
        x = self.op("Add", x, self.reshape(y, -1, tokens, dim))
        y = self.product(self.norm(x, f"{name}.norm2", f"{name}.mlp.fc1"), f"{name}.mlp.fc1")
        y = self.op("Gelu", self.to_grid(y, GELU_GRID))
        steps = self.steps[f"{name}.mlp.fc2"]
        y = self.op("QuantizeLinear", y, self.const(np.float32(steps.scale)), self.const(np.uint8(steps.zero)))
        return self.op("Add", x, self.reshape(self.product(y, f"{name}.mlp.fc2"), -1, tokens, dim))

    def whole(self, name: str, rows: slice = slice(None)) -> str:
        """Stored weights (out, in), or some rows of them, as whole numbers in float32."""
        weight = self.stored(name)
        if rows != slice(None):
            weight = self.part(weight, 0, rows.start, rows.stop)
        return self.op("Cast", weight, to=TensorProto.FLOAT)

    def fine(self, x: str, name: str) -> str:
        """A layer with few inputs: (rows, in) -> (rows, out)."""
        weight = self.op("Transpose", self.whole(f"{name}.weight"), perm=[1, 0])
        y = self.op("MatMul", self.to_grid(x, self.exponents[name]), weight)
        return self.affine(y, self.real(f"{name}.weight.scale"), self.real(f"{name}.bias"))

    def affine(self, x: str, scale: NDArray[np.float64], bias: NDArray[np.float64]) -> str:
        x = self.op("Mul", x, self.const(scale.astype(np.float32)))
        return self.op("Add", x, self.const(bias.astype(np.float32)))

    def read(self, y: str, cls: str, stream: str, mask: NDArray[np.bool_] | None) -> str:
        """The CLS outputs of a stream, one a group (`Block.read`), normalised: (N, T, D) -> (N, G, D).

        `y` are normalised tokens. As in `Attention.read`, no key and no value of a token is computed.
        """
        vit, name = self.config.vit, f"{stream}_block"
        dim, heads, groups = vit.dim, vit.heads, 1 if mask is None else len(mask)
        weight, layer = f"{name}.attn.qkv.weight", f"{name}.attn.qkv"
        scale, bias = self.real(f"{weight}.scale"), self.real(f"{layer}.bias")

        first = self.to_grid(self.reshape(self.part(y, 1, 0, 1), -1, dim), self.exponents[f"{name}.attn.query"])
        q = self.op("MatMul", first, self.op("Transpose", self.whole(weight, slice(0, dim)), perm=[1, 0]))
        nats = scale[dim : 2 * dim] * (dim // heads) ** -0.5
        q = self.to_grid(self.affine(q, scale[:dim] * nats, bias[:dim] * nats), self.exponents[f"{name}.attn.key"])
        q = self.op("Transpose", self.reshape(q, -1, heads, dim // heads), perm=[1, 0, 2])  # (heads, N, d)
        key = self.reshape(self.whole(weight, slice(dim, 2 * dim)), heads, dim // heads, dim)
        q = self.op("Transpose", self.op("MatMul", q, key), perm=[1, 2, 0])  # (N, D, heads)

        y = self.op("Cast", self.to_grid(y, 12), to=TensorProto.DOUBLE)  # of sums of doubles none is rounded
        scores = self.op("MatMul", y, self.op("Cast", q, to=TensorProto.DOUBLE))  # (N, T, heads)
        scores = self.op("Transpose", self.op("Cast", scores, to=TensorProto.FLOAT), perm=[0, 2, 1])
        scores = self.op("Unsqueeze", scores, self.ints(1))  # (N, 1, heads, T)
        if mask is not None:
            never = np.where(mask, 0, _NEVER).astype(np.float32)[:, None]  # (G, 1, T)
            scores = self.op("Add", scores, self.const(never))
        e, sums = self.exponentials(scores)
        e, sums = (
            self.op("Cast", self.reshape(x, -1, groups * heads, size), to=TensorProto.DOUBLE)
            for x, size in ((e, self.tokens), (sums, 1))
        )
        mean = self.op("Cast", self.op("Div", self.op("MatMul", e, y), sums), to=TensorProto.FLOAT)
        mean = self.reshape(self.to_grid(mean, self.exponents[f"{name}.attn.value"]), -1, heads, dim)
        value = self.reshape(self.whole(weight, slice(2 * dim, 3 * dim)), heads, dim // heads, dim)
        value = self.op("Transpose", value, perm=[0, 2, 1])  # (heads, D, d)
        y = self.op("MatMul", self.op("Transpose", mean, perm=[1, 0, 2]), value)  # (heads, N·G, d)
        y = self.reshape(self.op("Transpose", y, perm=[1, 0, 2]), -1, dim)
        y = self.fine(self.affine(y, scale[2 * dim :], bias[2 * dim :]), f"{name}.attn.proj")

        x = self.op("Add", cls, self.reshape(y, -1, groups, dim))
        y = self.fine_norm(x, f"{name}.norm2")
        y = self.fine_gelu(self.fine(self.reshape(y, -1, dim), f"{name}.mlp.fc1"))
        x = self.op("Add", x, self.reshape(self.fine(y, f"{name}.mlp.fc2"), -1, groups, dim))
        return self.fine_norm(x, f"{stream}_norm")

    def fine_norm(self, x: str, name: str) -> str:
        """Layer norm of few tokens: (N, G, D) -> (N, G, D)."""
        vit = self.config.vit
        x = self.to_grid(x, self.exponents["tokens"])
        wide = self.op("Cast", x, to=TensorProto.DOUBLE)
        sums = self.op("ReduceSum", self.op("Mul", wide, wide), self.ints(-1), keepdims=1)
        root = self.op("Sqrt", self.op("Add", sums, self.const(np.float64(vit.dim * vit.norm_eps))))
        y = self.op("Div", x, self.op("Cast", root, to=TensorProto.FLOAT))
        return self.affine(y, self.real(f"{name}.weight") * vit.dim**0.5, self.real(f"{name}.bias"))

    def fine_gelu(self, x: str) -> str:
        """GELU of few values, from a table."""
        low, high = _TABLE
        steps = 2**GELU_GRID
        x = self.op("Clip", x, self.const(np.float32(low)), self.const(np.float32(high)))
        row = self.op("Sub", self.to_grid(x, GELU_GRID), self.const(np.float32(low)))
        row = self.op("Cast", self.op("Mul", row, self.const(np.float32(steps))), to=TensorProto.INT32)
        table = gelu(np.arange(int((high - low) * steps) + 1) / steps + low).astype(np.float32)
        return self.op("Gather", self.const(table), row)
