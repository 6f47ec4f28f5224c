"""Nodes and initialisers of an ONNX graph under construction, whose weights stay in a safetensors file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from transhash.nn.mgvt import HashConfig
from transhash.plain import parsed

OPSET = 20  # the first with Gelu
IR_VERSION = 9
ORT = "com.microsoft"  # ONNX Runtime's own operators
_ONNX_TYPES = {"F32": TensorProto.FLOAT, "F16": TensorProto.FLOAT16, "I8": TensorProto.INT8}


class Nodes:
    """Every method returns the name of its output."""

    def __init__(self, weights_file: Path) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.location = weights_file.name
        with weights_file.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            self.header: dict[str, Any] = parsed(file.read(size))
        self.start = 8 + size

    def op(
        self, kind: str, *inputs: str, name: str | None = None, **attributes: int | float | str | Sequence[int]
    ) -> str:
        """A node of one output, which is called `name` if given."""
        output = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def split(self, x: str, parts: int, axis: int = -1) -> list[str]:
        """Equal parts along an axis."""
        outputs = [f"split_{len(self.nodes)}_{i}" for i in range(parts)]
        self.nodes.append(helper.make_node("Split", [x], outputs, axis=axis, num_outputs=parts))
        return outputs

    def const(self, value: npt.ArrayLike) -> str:
        """A tensor that is stored in the graph itself."""
        array = np.asarray(value)
        name = f"const_{len(self.initializers)}"
        self.initializers[name] = numpy_helper.from_array(array, name)
        return name

    def ints(self, *values: int) -> str:
        """A vector of int64."""
        return self.const(np.array(values, np.int64))

    def reshape(self, x: str, *shape: int) -> str:
        """Another shape, one of whose sizes may be -1."""
        return self.op("Reshape", x, self.ints(*shape))

    def part(self, x: str, axis: int, first: int, end: int) -> str:
        """Those from `first` to before `end` along an axis."""
        return self.op("Slice", x, self.ints(first), self.ints(end), self.ints(axis))

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

    def patches(self, images: str, config: HashConfig) -> str:
        """The pixels of every patch: uint8 (N, S, S, 3) -> float32 (N·M, p·p·3)."""
        vit = config.vit
        g, p = vit.grid, vit.patch_size
        x = images
        if vit.image_size != g * p:  # a convolution ignores what is left of the last whole patch
            x = self.op("Slice", x, self.ints(0, 0), self.ints(g * p, g * p), self.ints(1, 2))
        x = self.op("Transpose", self.reshape(x, -1, g, p, g, p, 3), perm=[0, 1, 3, 2, 4, 5])
        return self.op("Cast", self.reshape(x, -1, p * p * 3), to=TensorProto.FLOAT)

    def first_token(self, token: str, patches: str, images: str, config: HashConfig) -> str:
        """The token (1, 1, D) before the patches of every picture: (N, M, D) -> (N, 1 + M, D)."""
        batch = self.part(self.op("Shape", images), 0, 0, 1)
        shape = self.op("Concat", batch, self.ints(1, config.vit.dim), axis=0)
        return self.op("Concat", self.op("Expand", token, shape), patches, axis=1)

    def heads(self, x: str, tokens: int, config: HashConfig, *, transposed: bool = False) -> str:
        """(N·T, D) -> (N, heads, T, D/heads), or its last two axes transposed."""
        x = self.reshape(x, -1, tokens, config.vit.heads, config.vit.dim // config.vit.heads)
        return self.op("Transpose", x, perm=[0, 2, 3, 1] if transposed else [0, 2, 1, 3])

    def outputs(self, values: list[str], features: list[str], config: HashConfig) -> None:
        """The outputs of the hash layers, global first, and what these read, as the outputs of the graph."""
        if config.lengths:
            self.op("Gather", self.op("Concat", *values, axis=1), self.ints(*config.places), name="values", axis=1)
        else:
            self.op("Concat", *values, name="values", axis=1)
        self.op("Concat", *features, name="features", axis=1)

    def model(self, config: HashConfig) -> ModelProto:
        """The finished graph `images` uint8 (N, S, S, 3) -> `values` float32 (N, B), `features` float32 (N, F)."""
        vit = config.vit
        features = (1 + config.groups) * vit.dim
        return helper.make_model(
            helper.make_graph(
                self.nodes,
                "transhash",
                [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", vit.image_size, vit.image_size, 3])],
                [
                    helper.make_tensor_value_info("values", TensorProto.FLOAT, ["N", sum(config.code_lengths)]),
                    helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", features]),
                ],
                list(self.initializers.values()),
            ),
            producer_name="transhash",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ORT, 1)],
        )
