"""The hashing network as an ONNX graph: uint8 pictures in, relaxed codes out.

Written node by node, so that the graph is small, readable and ours to tune; in standard operators, but for products of
8-bit integers. The weights are not in it: they are read from the safetensors file beside it as that file stores them.
Where inputs are not 8-bit integers, ONNX Runtime turns them into float32 matrices once, when a session starts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from transhash.data.augment import MEAN, STD
from transhash.nn.eight_bits import Steps
from transhash.nn.mgvt import HashConfig, group_mask

OPSET = 20  # the first with Gelu
IR_VERSION = 9
_ORT = "com.microsoft"  # ONNX Runtime's own operators
_ONNX_TYPES = {"F32": TensorProto.FLOAT, "F16": TensorProto.FLOAT16, "I8": TensorProto.INT8}


def build(config: HashConfig, weights_file: Path, steps: Mapping[str, Steps] | None = None) -> ModelProto:
    """The graph `images` uint8 (N, S, S, 3) -> `values` float32 (N, B), `features` float32 (N, (1 + K)·D).

    Of several code lengths, `values` has those of each length side by side, (N, B1 + B2 + …).

    The features are what the hash layers read, the global one first; the weights are those in `weights_file`.
    The file holds MGVT's parameters by name; one stored as int8 has its scales beside it as `NAME.scale`.
    `steps`: of the layers that are to multiply 8-bit integers, how their inputs become such.
    """
    graph = _Graph(weights_file, steps or {})
    vit = config.vit
    x = graph.embed("images", config)
    for i in range(vit.depth - 1):
        x = graph.block(x, f"trunk.blocks.{i}", config)
    cls = graph.op("Slice", x, graph.ints(0), graph.ints(1), graph.ints(1))  # (N, 1, D)
    f = graph.read(x, cls, "global", config, None)
    features = [graph.op("Reshape", f, graph.ints(-1, vit.dim))]
    h = [graph.linear(features[0], "global_hash")]
    if config.groups:
        mask = group_mask(vit.patches, config.groups, drop_remainder=config.drop_remainder).numpy()
        f = graph.read(x, cls, "local", config, mask)  # (N, K, D)
        for k in range(config.groups):
            features.append(graph.op("Gather", f, graph.const(np.int64(k)), axis=1))
            h.append(graph.linear(features[-1], f"local_hash.{k}"))
    if config.lengths:
        outputs = graph.op("Concat", *h, axis=1)
        graph.nodes.append(helper.make_node("Gather", [outputs, graph.ints(*config.places)], ["values"], axis=1))
    else:
        graph.nodes.append(helper.make_node("Concat", h, ["values"], axis=1))
    graph.nodes.append(helper.make_node("Concat", features, ["features"], axis=1))
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "transhash",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", vit.image_size, vit.image_size, 3])],
            [
                helper.make_tensor_value_info("values", TensorProto.FLOAT, ["N", sum(config.code_lengths)]),
                helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", len(features) * vit.dim]),
            ],
            list(graph.initializers.values()),
        ),
        producer_name="transhash",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(_ORT, 1)],
    )


class _Graph:
    """Nodes and initialisers under construction; every method returns the name of its output."""

    def __init__(self, weights_file: Path, steps: Mapping[str, Steps]) -> None:
        self.steps = steps
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.location = weights_file.name
        with weights_file.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            self.header: dict[str, Any] = json.loads(file.read(size))
        self.start = 8 + size

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def const(self, value: Any) -> str:
        array = np.asarray(value)
        name = f"const_{len(self.initializers)}"
        self.initializers[name] = numpy_helper.from_array(array, name)
        return name

    def ints(self, *values: int) -> str:
        return self.const(np.array(values, np.int64))

    def stored(self, name: str) -> str:
        """A tensor of the weights file as it is stored."""
        if name not in self.initializers:
            entry = self.header[name]
            begin, end = entry["data_offsets"]
            tensor = TensorProto(name=name, data_type=_ONNX_TYPES[entry["dtype"]], dims=entry["shape"])
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", self.location), ("offset", self.start + begin), ("length", end - begin)):
                tensor.external_data.add(key=key, value=str(value))
            self.initializers[name] = tensor
        return name

    def weight(self, name: str) -> str:
        """A parameter in float32."""
        kind = self.header[name]["dtype"]
        if kind == "F32":
            return self.stored(name)
        x = self.op("Cast", self.stored(name), to=TensorProto.FLOAT)
        if kind != "I8":
            return x
        shape = self.ints(-1, *[1] * (len(self.header[name]["shape"]) - 1))  # one scale for each output
        return self.op("Mul", x, self.op("Reshape", self.stored(f"{name}.scale"), shape))

    def linear(self, x: str, name: str, gain: str | None = None, rows: tuple[int, int] | None = None) -> str:
        """x (rows, in) through the layer `name`: (rows, out), times the parameter `gain` (out,), if any.

        Of some `rows` of the weights alone, those outputs. Gains and slices go into the weights, which a session
        computes once.
        """
        part = (lambda y: self.op("Slice", y, self.ints(rows[0]), self.ints(rows[1]))) if rows else (lambda y: y)
        bias = part(self.weight(f"{name}.bias"))
        if gain:
            bias = self.op("Mul", bias, self.weight(gain))
        if name not in self.steps:
            weight = part(self.weight(f"{name}.weight"))
            if gain:
                weight = self.op("Mul", weight, self.op("Reshape", self.weight(gain), self.ints(-1, 1)))
            return self.op("Gemm", x, weight, bias, transB=1)
        scale, zero = self.const(np.float32(self.steps[name].scale)), self.const(np.uint8(self.steps[name].zero))
        weight, scales = part(self.stored(f"{name}.weight")), part(self.stored(f"{name}.weight.scale"))
        if gain:
            scales = self.op("Mul", scales, self.weight(gain))
        x = self.op("QuantizeLinear", x, scale, zero)
        weight = self.op("Transpose", weight, perm=[1, 0])
        return self.op("MatMulIntegerToFloat", x, weight, scale, scales, zero, "", bias, domain=_ORT)

    def norm(self, x: str, name: str, config: HashConfig) -> str:
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=config.vit.norm_eps)

    def embed(self, images: str, config: HashConfig) -> str:
        """Pictures to tokens: uint8 (N, S, S, 3) -> (N, 1 + M, D)."""
        vit = config.vit
        g, p, d = vit.grid, vit.patch_size, vit.dim
        mean, std = (np.array(v, np.float32) * 255 for v in (MEAN, STD))
        x = images
        if vit.image_size != g * p:  # a convolution ignores what is left of the last whole patch
            x = self.op("Slice", x, self.ints(0, 0), self.ints(g * p, g * p), self.ints(1, 2))
        x = self.op("Reshape", x, self.ints(-1, g, p, g, p, 3))
        x = self.op("Transpose", x, perm=[0, 1, 3, 2, 4, 5])
        x = self.op("Cast", self.op("Reshape", x, self.ints(-1, p * p * 3)), to=TensorProto.FLOAT)
        kernel = self.op("Transpose", self.weight("trunk.patch_embed.proj.weight"), perm=[2, 3, 1, 0])  # (p, p, 3, D)
        kernel = self.op("Reshape", self.op("Mul", kernel, self.const((1 / std)[:, None])), self.ints(p * p * 3, d))
        shift = self.op("MatMul", self.const(np.tile(mean, p * p)[None]), kernel)
        bias = self.op("Sub", self.weight("trunk.patch_embed.proj.bias"), self.op("Reshape", shift, self.ints(d)))
        x = self.op("Gemm", x, kernel, bias)
        x = self.op("Reshape", x, self.ints(-1, vit.patches, d))
        batch = self.op("Slice", self.op("Shape", images), self.ints(0), self.ints(1))
        shape = self.op("Concat", batch, self.ints(1, d), axis=0)
        cls = self.op("Expand", self.weight("trunk.cls_token"), shape)
        return self.op("Add", self.op("Concat", cls, x, axis=1), self.weight("trunk.pos_embed"))

    def heads(self, x: str, tokens: int, config: HashConfig, *, transposed: bool = False) -> str:
        """(N·T, D) -> (N, heads, T, D/heads), or its last two axes transposed."""
        x = self.op("Reshape", x, self.ints(-1, tokens, config.vit.heads, config.vit.dim // config.vit.heads))
        return self.op("Transpose", x, perm=[0, 2, 3, 1] if transposed else [0, 2, 1, 3])

    def attend(self, q: str, k: str, v: str, config: HashConfig, mask: str | None = None) -> str:
        """Attention of q (N, heads, Q, d) over k (N, heads, d, T), v (N, heads, T, d): (N·Q, D)."""
        scale = self.const(np.float32((config.vit.dim // config.vit.heads) ** -0.5))
        scores = self.op("MatMul", self.op("Mul", q, scale), k)
        if mask:
            scores = self.op("Add", scores, mask)
        y = self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
        return self.op("Reshape", self.op("Transpose", y, perm=[0, 2, 1, 3]), self.ints(-1, config.vit.dim))

    def residual(self, x: str, y: str, branch: tuple[str, str], tokens: int, config: HashConfig) -> str:
        """x (N, T, D) plus y (N·T, in) through a branch's last layer and, where the network has it, its layer scale."""
        layer, gain = branch
        y = self.linear(y, layer, gain if config.vit.layer_scale else None)
        return self.op("Add", x, self.op("Reshape", y, self.ints(-1, tokens, config.vit.dim)))

    def mlp(self, x: str, name: str, tokens: int, config: HashConfig) -> str:
        """The second half of a block: (N, T, D) -> (N, T, D)."""
        y = self.op("Reshape", self.norm(x, f"{name}.norm2", config), self.ints(-1, config.vit.dim))
        y = self.op("Gelu", self.linear(y, f"{name}.mlp.fc1"))
        return self.residual(x, y, (f"{name}.mlp.fc2", f"{name}.ls2.gamma"), tokens, config)

    def block(self, x: str, name: str, config: HashConfig) -> str:
        """All tokens through a block of the trunk: (N, T, D) -> (N, T, D)."""
        tokens, dim = 1 + config.vit.patches, config.vit.dim
        y = self.op("Reshape", self.norm(x, f"{name}.norm1", config), self.ints(-1, dim))
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
        first = self.op("Slice", y, self.ints(0), self.ints(1), self.ints(1))
        q = self.linear(self.op("Reshape", first, self.ints(-1, vit.dim)), f"{name}.attn.qkv", rows=(0, vit.dim))
        y = self.op("Reshape", y, self.ints(-1, vit.dim))
        k, v = self.split(self.linear(y, f"{name}.attn.qkv", rows=(vit.dim, 3 * vit.dim)), 2)
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

    def split(self, x: str, parts: int, axis: int = -1) -> list[str]:
        """Equal parts along an axis."""
        outputs = [f"split_{len(self.nodes)}_{i}" for i in range(parts)]
        self.nodes.append(helper.make_node("Split", [x], outputs, axis=axis, num_outputs=parts))
        return outputs
