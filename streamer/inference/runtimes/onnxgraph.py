"""An ONNX file as a torch module, so that torch runs the same file on a GPU as the CPU runtimes do.

It knows the operators of convolutional detectors with their weights inside, and refuses any other by name: a wrong
answer would be worse than none. Equal to ONNX Runtime within float32 rounding (tested). Used by `runtimes.torch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from streamer.errors import ModelError

Attributes = Mapping[str, Any]
Operation = Callable[[Sequence[Any], Attributes], Tensor]


class OnnxGraph(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """The nodes of a graph, run in the file's order.

    Raises:
        ModelError: the file uses an operator or attribute that is not known here.
    """

    def __init__(self, file: Path):
        super().__init__()
        import onnx
        from onnx import helper, numpy_helper

        graph = onnx.load(str(file)).graph
        self._numbers: dict[str, Any] = {}  # shapes, scales, slice bounds: never on the device
        self._tensors: dict[str, str] = {}
        for tensor in graph.initializer:
            self._keep(tensor.name, numpy_helper.to_array(tensor))
        self._nodes: list[tuple[Operation, tuple[str, ...], str, Attributes]] = []
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                self._keep(node.output[0], numpy_helper.to_array(attributes["value"]))
                continue
            if node.op_type not in _OPERATIONS or len(node.output) != 1:
                raise ModelError(f"model {file}: operator {node.op_type} cannot be run by torch; use device cpu")
            self._nodes.append((_OPERATIONS[node.op_type], tuple(node.input), node.output[0], attributes))
        self._inputs = [value.name for value in graph.input if value.name not in self._tensors]
        self._outputs = [value.name for value in graph.output]
        self._last_use = {name: i for i, (_, names, _, _) in enumerate(self._nodes) for name in names}

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        """The graph's outputs."""
        values: dict[str, Any] = dict(zip(self._inputs, inputs, strict=True))

        def value(name: str) -> Any:
            if name in values:
                return values[name]
            if name in self._tensors:
                return getattr(self, self._tensors[name])
            return self._numbers.get(name)

        for i, (operation, names, output, attributes) in enumerate(self._nodes):
            values[output] = operation([value(name) for name in names], attributes)
            for name in names:
                if self._last_use[name] == i and name not in self._outputs:
                    values.pop(name, None)  # memory is needed again
        return [values[name] for name in self._outputs]

    def _keep(self, name: str, array: Any) -> None:
        if (array.dtype == np.float32 and array.size > 8) or array.ndim >= 3:
            own = f"tensor_{len(self._tensors)}"
            self.register_buffer(own, torch.from_numpy(array.copy()), persistent=False)
            self._tensors[name] = own
        elif array.dtype == np.float32 and array.ndim == 1 and array.size:
            own = f"tensor_{len(self._tensors)}"
            self.register_buffer(own, torch.from_numpy(array.copy()), persistent=False)
            self._tensors[name] = own
            self._numbers[name] = array.tolist()
        else:
            self._numbers[name] = array.tolist()


def _conv(x: Sequence[Any], a: Attributes) -> Tensor:
    if a.get("auto_pad", b"NOTSET") != b"NOTSET" or x[1].dim() != 4:
        raise ModelError("operator Conv: only two dimensions and explicit padding can be run by torch")
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    source, padding = x[0], (top, left)
    if (top, left) != (bottom, right):
        source, padding = functional.pad(source, (left, right, top, bottom)), (0, 0)
    bias = x[2] if len(x) > 2 else None
    stride, dilation = tuple(a.get("strides", (1, 1))), tuple(a.get("dilations", (1, 1)))
    return functional.conv2d(source, x[1], bias, stride, padding, dilation, a.get("group", 1))


def _max_pool(x: Sequence[Any], a: Attributes) -> Tensor:
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    kernel = tuple(a["kernel_shape"])
    if a.get("ceil_mode", 0) or any(d != 1 for d in a.get("dilations", (1, 1))):
        raise ModelError("operator MaxPool: ceil_mode and dilations cannot be run by torch here")
    padded = functional.pad(x[0], (left, right, top, bottom), value=float("-inf"))
    return functional.max_pool2d(padded, kernel, tuple(a.get("strides", (1, 1))))


def _slice(x: Sequence[Any], a: Attributes) -> Tensor:
    starts, ends = x[1], x[2]
    axes = x[3] if len(x) > 3 and x[3] is not None else range(len(starts))
    steps = x[4] if len(x) > 4 and x[4] is not None else [1] * len(starts)
    index = [slice(None)] * x[0].dim()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        index[axis] = slice(start, end, step)
    sliced: Tensor = x[0][tuple(index)]
    return sliced


def _resize(x: Sequence[Any], a: Attributes) -> Tensor:
    nearest = a.get("mode", b"nearest") == b"nearest" and a.get("nearest_mode") == b"floor"
    if not nearest or a.get("coordinate_transformation_mode") != b"asymmetric" or len(x) > 3:
        raise ModelError("operator Resize: only nearest, floor, asymmetric by factors can be run by torch")
    factors = x[2].tolist() if isinstance(x[2], Tensor) else x[2]
    return functional.interpolate(x[0], scale_factor=tuple(factors[2:]), mode="nearest")


def _reshape(x: Sequence[Any], a: Attributes) -> Tensor:
    shape = [x[0].shape[i] if n == 0 else n for i, n in enumerate(x[1])]
    reshaped: Tensor = x[0].reshape(shape)
    return reshaped


def _concat(x: Sequence[Any], a: Attributes) -> Tensor:
    return torch.cat(list(x), dim=a["axis"])


def _transpose(x: Sequence[Any], a: Attributes) -> Tensor:
    permuted: Tensor = x[0].permute(tuple(a["perm"]))
    return permuted


_OPERATIONS: dict[str, Operation] = {
    "Add": lambda x, a: x[0] + x[1],
    "Concat": _concat,
    "Conv": _conv,
    "LeakyRelu": lambda x, a: functional.leaky_relu(x[0], a.get("alpha", 0.01)),
    "MaxPool": _max_pool,
    "Mul": lambda x, a: x[0] * x[1],
    "Relu": lambda x, a: torch.relu(x[0]),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda x, a: torch.sigmoid(x[0]),
    "Slice": _slice,
    "Transpose": _transpose,
}
