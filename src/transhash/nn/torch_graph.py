"""The graph of a model (`model.onnx`) computed by PyTorch, so that every device of PyTorch can encode.

    graph = TorchGraph(folder / "model.onnx", torch.device("cuda"))
    values, features = graph.run(squares)  # uint8 (N, S, S, 3) -> float32 (N, B), (N, F)

One node is one call of PyTorch. Products of 8-bit integers stay products of integers, and matrix products of float32
are never shortened (TF32): where a device adds, multiplies and divides as IEEE 754 says, the exact graph
(`nn/exact_graph.py`) gives the same bits as on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor

from transhash.errors import ModelError

_TYPES = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
}
_FEWEST_ROWS, _MULTIPLE = 17, 8  # of a matrix for which CUDA has a product of 8-bit integers

Settings = dict[str, Any]
Call = Callable[..., Any]


class TorchGraph:
    """A graph whose constants lie on a device. What is about shapes (int64) stays on the CPU."""

    def __init__(self, path: Path, device: torch.device) -> None:
        """Load the graph; raises `ModelError` for an operator that it should not have."""
        model = onnx.load(path)
        self.device = device
        self._known: dict[str, Tensor] = {
            one.name: self._placed(torch.from_numpy(numpy_helper.to_array(one).copy()))
            for one in model.graph.initializer
        }
        self._outputs = [one.name for one in model.graph.output]
        self._steps: list[tuple[NodeProto, Call, Settings, list[str]]] = []  # the last: what is of no use afterwards
        for node in model.graph.node:
            if node.op_type not in _CALLS:
                raise ModelError(path, f"operator {node.op_type} is unknown here", "encode on the CPU (device='cpu')")
            settings = {one.name: helper.get_attribute_value(one) for one in node.attribute}
            call = _CALLS[node.op_type]
            if all(name in self._known for name in node.input):  # known before any picture is
                self._keep(self._known, node, call(*(self._known[name] for name in node.input), **settings))
            else:
                self._steps.append((node, call, settings, []))
        last = {name: place for place, (node, *_) in enumerate(self._steps) for name in node.input}
        for name, place in last.items():
            if name not in self._known and name not in self._outputs:
                self._steps[place][3].append(name)

    @torch.inference_mode()
    def run(self, squares: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Values and features of pictures as the network sees them: uint8 (N, S, S, 3) -> (N, B), (N, F)."""
        images = torch.from_numpy(np.ascontiguousarray(squares))
        if self.device.type == "cuda":
            images = images.pin_memory()
        there: dict[str, Tensor] = {"images": images.to(self.device, non_blocking=True)}
        with _whole_products():
            for node, call, settings, ended in self._steps:
                inputs = (there[name] if name in there else self._known[name] for name in node.input)
                self._keep(there, node, call(*inputs, **settings))
                for name in ended:
                    del there[name]
        values, features = (there[name].cpu().numpy() for name in self._outputs)
        return values, features

    def _placed(self, value: Tensor) -> Tensor:
        return value if value.dtype == torch.int64 else value.to(self.device)

    def _keep(self, there: dict[str, Tensor], node: NodeProto, found: Tensor | tuple[Tensor, ...]) -> None:
        there.update(zip(node.output, found if isinstance(found, tuple) else (found,), strict=True))


@contextmanager
def _whole_products() -> Iterator[None]:
    """While it lasts, products of float32 matrices are not shortened, whatever the program's own setting."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def product_of_integers(x: Tensor, *about: Tensor) -> Tensor:
    """ONNX Runtime's QGemm: uint8 (rows, in) -> float32 (rows, out).

    `about`: scale and zero of x, int8 weights (in, out), their scales and zeros, int32 bias. The scale of x is always 1
    and zeros of weights are 0 (`nn/exact_graph.py`).
    """
    _, zero, weight, scales, _, bias = about
    rows, outputs = len(x), weight.shape[1]
    if x.is_cpu or (rows >= _FEWEST_ROWS and len(weight) % _MULTIPLE == outputs % _MULTIPLE == 0):
        # there is no product of uint8: 128 is taken from all inputs, which makes a row of sums more
        signed = (x ^ 128).view(torch.int8)
        sums = torch._int_mm(signed, weight)
        shift = (128 - zero.to(torch.int32)) * weight.sum(dim=0, dtype=torch.int32)
    else:
        sums = (x.double() @ weight.double()).to(torch.int32)  # of float64 no sum is rounded
        shift = -zero.to(torch.int32) * weight.sum(dim=0, dtype=torch.int32)
    return (sums + (shift + bias)).float() * scales


def _quantized(x: Tensor, scale: Tensor, zero: Tensor, axis: int = -1) -> Tensor:
    if scale.ndim:
        scale, zero = (one.reshape(-1, *[1] * (x.ndim - 1 - axis)) for one in (scale, zero))
    return ((x / scale).round() + zero).clamp(0, 255).to(torch.uint8)


def _reduced(x: Tensor, axes: Tensor, keepdims: int = 1, *, by: Call) -> Tensor:
    found: Tensor = by(x, dim=tuple(axes.tolist()), keepdim=bool(keepdims))
    return found


def _sliced(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor) -> Tensor:
    for axis, start, end in zip(axes.tolist(), starts.tolist(), ends.tolist(), strict=True):
        x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end),)]
    return x


def _gathered(x: Tensor, rows: Tensor, axis: int = 0) -> Tensor:
    if rows.ndim == 0:
        return x.select(axis, int(rows))
    rows = rows.to(x.device)
    return x[rows] if axis == 0 else x.index_select(axis, rows)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, transB: int = 0) -> Tensor:
    return F.linear(x, weight if transB else weight.T, bias)


def _normed(x: Tensor, gain: Tensor, bias: Tensor, axis: int = -1, epsilon: float = 1e-5) -> Tensor:
    return F.layer_norm(x, x.shape[axis:], gain, bias, epsilon)


_CALLS: dict[str, Call] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Sqrt": lambda x: x.double().sqrt().to(x.dtype),  # PyTorch's root of float32 may be off by its last digit
    "Exp": torch.exp,
    "Gelu": F.gelu,
    "MatMul": torch.matmul,
    "Gemm": _linear,
    "QGemm": product_of_integers,
    "QuantizeLinear": _quantized,
    "LayerNormalization": _normed,
    "Softmax": lambda x, axis=-1: x.softmax(axis),
    "ReduceSum": lambda x, axes, keepdims=1: _reduced(x, axes, keepdims, by=torch.sum),
    "ReduceMax": lambda x, axes, keepdims=1: _reduced(x, axes, keepdims, by=torch.amax),
    "Clip": lambda x, low, high: x.clamp(low, high),
    "Cast": lambda x, to: x.to(_TYPES[to]),
    "Shape": lambda x: torch.tensor(x.shape),
    "Reshape": lambda x, shape: x.reshape(shape.tolist()),
    "Expand": lambda x, shape: x.expand(shape.tolist()),
    "Unsqueeze": lambda x, axes: x.unsqueeze(int(axes)),
    "Transpose": lambda x, perm: x.permute(perm),
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Split": lambda x, axis, num_outputs: x.chunk(num_outputs, axis),
    "Slice": _sliced,
    "Gather": _gathered,
}
